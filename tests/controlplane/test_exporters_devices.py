"""GPUs of simulated nodes are handed to the pods that run there."""

from typing import Any

from controlplane import nodes
from controlplane.exporters.courses import IDLE, serving
from controlplane.exporters.devices import RESERVED, cards_of

MIB = 2**20


def pod(name: str, gpus: int, node: str = "l4-1", phase: str = "Running") -> dict[str, Any]:
    container = {"name": "main", "resources": {"limits": {nodes.GPU_RESOURCE: str(gpus)}}}
    return {
        "metadata": {"namespace": "research", "name": name, "uid": f"uid-{name}"},
        "spec": {"nodeName": node, "containers": [{"name": "sidecar"}, container]},
        "status": {"phase": phase},
    }


def test_each_card_of_a_node_is_what_its_labels_say() -> None:
    cards = cards_of(nodes.node("l4-1", nodes.L4, 4), [], {})
    assert [card.index for card in cards] == [0, 1, 2, 3]
    assert len({card.uuid for card in cards}) == 4
    assert {(card.model, card.memory, card.reserved, card.occupants) for card in cards} == {
        ("NVIDIA L4", 23034 * MIB, RESERVED, ())
    }


def test_gpus_go_to_the_pods_of_the_node_in_order_with_a_course_for_each() -> None:
    first, second, third = serving(1), serving(2), serving(3)
    uses = {"research/a": (first, second), "research/b": (third,)}
    cards = cards_of(nodes.node("l4-1", nodes.L4, 4), [pod("b", 1), pod("a", 2)], uses)
    found = [[(it.namespace, it.pod, it.container, it.uid, it.use) for it in card.occupants] for card in cards]
    assert found == [
        [("research", "a", "main", "uid-a", first)],
        [("research", "a", "main", "uid-a", second)],
        [("research", "b", "main", "uid-b", third)],
        [],
    ]


def test_a_pod_without_a_course_uses_nothing() -> None:
    [card] = cards_of(nodes.node("t4-1", nodes.T4, 1), [pod("a", 1, "t4-1")], {})
    assert [occupant.use for occupant in card.occupants] == [IDLE]


def test_pods_elsewhere_and_pods_that_ended_hold_no_gpu() -> None:
    pods = [pod("elsewhere", 1, "t4-1"), pod("done", 1, phase="Succeeded"), pod("waits", 1, phase="Pending")]
    assert all(not card.occupants for card in cards_of(nodes.node("l4-1", nodes.L4, 4), pods, {}))


def test_a_node_without_gpus_has_no_cards() -> None:
    assert cards_of(nodes.node("cpu-1", None), [], {}) == ()
