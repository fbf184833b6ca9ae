"""The fleet: classes over nodes, eligible classes, and what a snapshot's hash follows."""

import random

import pytest

from llmjob.fleet.declared import read_pools
from llmjob.fleet.fleet import Fleet
from llmjob.fleet.gpu_argument import parse
from llmjob.fleet.gpu_class import gpu_of
from llmjob.fleet.projection import project
from llmjob.fleet.scheduling import ANYWHERE, Scheduling
from llmjob.quantity import MiB
from tests.fleet.nodes import gpu_node, node

TOLERANT = Scheduling(tolerations=[{"operator": "Exists"}])


def mixed() -> list[dict]:
    taint = [{"key": "nvidia.com/gpu", "value": "present", "effect": "NoSchedule"}]
    nodes = [gpu_node(f"t4-{n}", "Tesla-T4", 15360, labels={"pool": "t4", "zone": "ab"[n % 2]}) for n in range(12)]
    nodes += [gpu_node(f"l4-{n}", "NVIDIA-L4", 23034, 4, labels={"pool": "l4"}, taints=taint) for n in range(3)]
    return [*nodes, node("cpu-1", allocatable={"cpu": "8"})]


def names(classes):
    return [found.name for found in classes]


def test_nodes_of_several_figures_are_one_class_with_an_interval():
    (found,) = Fleet.from_nodes([gpu_node("a", mib=15109), gpu_node("b", mib=15360, count=4)]).classes()
    assert found.name == "nvidia-t4"
    assert (found.reported.lower, found.reported.upper) == (15109 * MiB, 15360 * MiB)
    assert (found.nodes, found.gpus_per_node) == (2, 4)


def test_usable_of_a_t4_is_the_published_interval():
    (found,) = Fleet.from_nodes([gpu_node()]).classes()
    # 14.56 to 14.75 GiB with two decimals: half a hundredth more on either side.
    assert found.usable.lower == -(-14555 * 2**30 // 1000)
    assert found.usable.upper == 14755 * 2**30 // 1000


def test_a_class_with_known_and_unknown_nodes_takes_the_known_ones():
    labels = {"nvidia.com/gpu.sharing-strategy": "mps"}
    known = gpu_node("a", labels={**labels, "nvidia.com/gpu.replicas": "4"})
    (alone,) = Fleet.from_nodes([known]).classes()
    (found,) = Fleet.from_nodes([known, gpu_node("b", labels=labels)]).classes()
    (whole,) = Fleet.from_nodes([gpu_node("c")]).classes()
    assert found.usable.lower == alone.usable.lower
    # The unknown one has at most a whole card.
    assert found.usable.upper == whole.usable.upper
    assert found.unknown_because is None


def test_classes_are_sorted_by_name_whatever_the_order_of_nodes():
    nodes = mixed()
    expected = Fleet.from_nodes(nodes).classes()
    random.Random(1).shuffle(nodes)
    assert Fleet.from_nodes(nodes).classes() == expected
    assert names(expected) == ["nvidia-l4", "nvidia-t4"]


def test_the_raw_product_labels_of_a_class_are_its_steering_values():
    (found,) = Fleet.from_nodes(
        [gpu_node("a", "NVIDIA-H100-80GB-HBM3", 81559), gpu_node("b", "NVIDIA-H100-PCIe", 81559)]
    ).classes()
    assert found.steering_keys == {"nvidia.com/gpu.product": {"NVIDIA-H100-80GB-HBM3", "NVIDIA-H100-PCIe"}}


def test_a_selector_counts_only_the_nodes_it_selects():
    (found,) = Fleet.from_nodes(mixed()).eligible(Scheduling(node_selector={"zone": "a"}))
    assert (found.name, found.nodes) == ("nvidia-t4", 6)


def test_a_taint_without_toleration_takes_a_class_away():
    fleet = Fleet.from_nodes(mixed())
    assert names(fleet.eligible(Scheduling())) == ["nvidia-t4"]
    assert names(fleet.eligible(TOLERANT)) == ["nvidia-l4", "nvidia-t4"]
    assert names(fleet.eligible(ANYWHERE)) == ["nvidia-l4", "nvidia-t4"]


def test_only_nodes_that_offer_the_resource_are_eligible():
    fleet = Fleet.from_nodes(mixed())
    assert names(fleet.eligible(ANYWHERE, "nvidia.com/gpu")) == ["nvidia-l4", "nvidia-t4"]
    assert fleet.eligible(ANYWHERE, "amd.com/gpu") == ()


def test_a_single_node_is_found_by_name_and_by_hostname():
    fleet = Fleet.from_nodes(mixed())
    (by_label,) = fleet.eligible(Scheduling(node_selector={"kubernetes.io/hostname": "t4-3"}))
    field = {"key": "metadata.name", "operator": "In", "values": ["t4-3"]}
    terms = {"nodeSelectorTerms": [{"matchFields": [field]}]}
    affinity = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}}
    (by_field,) = fleet.eligible(Scheduling(affinity=affinity))
    assert (by_label.name, by_label.nodes) == (by_field.name, by_field.nodes) == ("nvidia-t4", 1)


def test_a_cordoned_node_keeps_its_class():
    taints = [{"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}]
    cordoned = gpu_node(taints=taints, unschedulable=True)
    assert names(Fleet.from_nodes([cordoned]).eligible(Scheduling())) == ["nvidia-t4"]


def test_nodes_of_one_kind_are_one_group():
    assert len(Fleet.from_nodes(mixed()).groups) == 3


def test_a_heartbeat_does_not_change_a_projection_but_a_label_does():
    before = project(gpu_node(labels={"nvidia.com/gfd.timestamp": "1"}))
    assert project(gpu_node(labels={"nvidia.com/gfd.timestamp": "2"})) == before
    assert project(gpu_node(labels={"zone": "b"})) != before
    assert project(node()) is None


def test_a_label_that_repeats_the_nodes_name_is_its_own():
    (found,) = Fleet.from_nodes([gpu_node(name, labels={"example.com/id": name}) for name in "ab"]).groups.values()
    assert [node.own_labels for node in found] == [
        (("example.com/id", name), ("kubernetes.io/hostname", name)) for name in "ab"
    ]
    fleet = Fleet.from_nodes([gpu_node(name, labels={"example.com/id": name}) for name in "ab"])
    (chosen,) = fleet.eligible(Scheduling(node_selector={"example.com/id": "b"}))
    assert chosen.nodes == 1


def test_gpus_of_a_class_are_counted_over_its_nodes_and_pools():
    nodes = [gpu_node("a", count=4), gpu_node("b", count=2)]
    pools = Fleet.of_classes([parse("l4x8")]).pools
    counted = Fleet.of(
        filter(None, map(project, nodes)), pools=[*pools, *read_pools([{"name": "l4", "gpusPerNode": 4, "nodes": 5}])]
    )
    assert counted.gpus() == {"nvidia-t4": 6, "nvidia-l4": 20}


class TestGeneration:
    def test_is_equal_for_equal_fleets_in_any_order(self):
        nodes = mixed()
        assert Fleet.from_nodes(nodes).generation == Fleet.from_nodes(nodes[::-1]).generation

    @pytest.mark.parametrize(
        "change",
        [gpu_node("t4-12"), gpu_node("t4-0", mib=15109), gpu_node("t4-0", labels={"zone": "c"}),
         gpu_node("t4-0", taints=[{"key": "a", "effect": "NoSchedule"}])],
        ids=["node", "memory", "label", "taint"],
    )  # fmt: skip
    def test_follows_everything_that_a_verdict_depends_on(self, change):
        nodes = {item["metadata"]["name"]: item for item in mixed()}
        assert Fleet.from_nodes([*(nodes | {change["metadata"]["name"]: change}).values()]).generation != (
            Fleet.from_nodes(nodes.values()).generation
        )

    def test_follows_pools(self):
        assert Fleet.of_classes([parse("l4")]).generation != Fleet.of_classes([parse("t4")]).generation


def test_classes_named_by_hand_are_eligible_everywhere():
    fleet = Fleet.of_classes([parse("l4x2"), parse("t4")])
    assert names(fleet.eligible(Scheduling(node_selector={"any": "thing"}), "nvidia.com/gpu")) == [
        "nvidia-l4",
        "nvidia-t4",
    ]
    assert [found.gpus_per_node for found in fleet.classes()] == [2, None]


def test_the_estimator_gets_what_processes_see_or_nothing():
    (known,) = Fleet.from_nodes([gpu_node()]).classes()
    gpu = gpu_of(known)
    assert (gpu.name, gpu.usable, gpu.product) == ("nvidia-t4", known.usable, "Tesla T4")
    (unknown,) = Fleet.from_nodes([gpu_node(product="NVIDIA-GB10", mib=None)]).classes()
    assert gpu_of(unknown) is None
