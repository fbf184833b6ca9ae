"""Fleets that people write down."""

import pytest

from llmjob.fleet.declared import read_fleet, read_pools, unlikely_memory
from llmjob.fleet.scheduling import ANYWHERE, Scheduling
from llmjob.quantity import GiB, MiB
from tests.fleet.nodes import gpu_node


def test_a_node_list_as_kubectl_prints_it():
    (found,) = read_fleet([{"kind": "List", "items": [gpu_node("a"), gpu_node("b")]}]).classes()
    assert (found.name, found.nodes) == ("nvidia-t4", 2)


def test_single_nodes_and_classes_in_several_documents():
    found = read_fleet([gpu_node("a"), {"name": "l4", "nodes": 3}, {"classes": [{"name": "h100"}]}]).classes()
    assert [(item.name, item.nodes) for item in found] == [("nvidia-h100", 0), ("nvidia-l4", 3), ("nvidia-t4", 1)]


def test_a_known_class_needs_no_memory():
    (found,) = read_fleet([[{"name": "nvidia-l4", "gpusPerNode": 4, "nodes": 2}]]).classes()
    assert (found.reported.lower, found.gpus_per_node, found.memory_from) == (23034 * MiB, 4, "product-table")


def test_stated_memory_is_what_is_reported():
    (found,) = read_fleet([[{"name": "nvidia-quasar", "memory": "100Gi"}]]).classes()
    assert (found.name, found.reported.upper, found.usable.lower) == ("nvidia-quasar", 100 * GiB, 97 * GiB)


def test_a_class_of_another_vendor_offers_its_resource():
    fleet = read_fleet([[{"name": "amd-mi300x", "memory": "192Gi"}]])
    assert [found.vendor for found in fleet.classes()] == ["amd"]
    assert fleet.eligible(ANYWHERE, "amd.com/gpu")
    assert not fleet.eligible(ANYWHERE, "nvidia.com/gpu")


def test_labels_and_taints_decide_who_may_use_a_pool():
    taint = {"key": "gpu", "value": "yes", "effect": "NoSchedule"}
    fleet = read_fleet([[{"name": "l4", "labels": {"pool": "a"}, "taints": [taint]}]])
    tolerant = Scheduling(node_selector={"pool": "a"}, tolerations=[{"key": "gpu", "operator": "Exists"}])
    assert fleet.eligible(tolerant)
    assert not fleet.eligible(Scheduling(node_selector={"pool": "a"}))
    assert not fleet.eligible(Scheduling(node_selector={"pool": "b"}, ignore_taints=True))


def test_a_pool_is_steered_by_the_labels_it_declares():
    (pool,) = read_pools([{"name": "t4", "labels": {"karpenter.k8s.aws/instance-gpu-name": "t4", "a": "b"}}])
    assert dict(pool.shape.offers[0].steering) == {"karpenter.k8s.aws/instance-gpu-name": "t4"}


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"name": "quasar"}, "inventory.pools[0].name: quasar: "),
        ({"name": ""}, "inventory.pools[0].name: must name a GPU"),
        ({"memory": "24Gi"}, "inventory.pools[0].name: must name a GPU"),
        ({"name": "l4", "memroy": "24Gi"}, "inventory.pools[0].memroy: unknown field"),
        ({"name": "l4", "memory": "much"}, "inventory.pools[0].memory: "),
        ({"name": "l4", "memory": 24}, "inventory.pools[0].memory: 24 is no GPU's memory"),
        ({"name": "l4", "memory": True}, "inventory.pools[0].memory: "),
        ({"name": "a100"}, "comes in several sizes: nvidia-a100-40gb, nvidia-a100-80gb"),
        ({"name": "a100", "memory": "24Gi"}, "comes in several sizes and none reports 24Gi"),
        ({"name": "l4", "nodes": -1}, "inventory.pools[0].nodes: must be a whole number from 0"),
        ({"name": "l4", "gpusPerNode": "2"}, "inventory.pools[0].gpusPerNode: must be a whole number"),
        ({"name": "l4", "gpusPerNode": 0}, "inventory.pools[0].gpusPerNode: must be a whole number from 1"),
        ({"name": "l4", "labels": {"a": 1}}, "inventory.pools[0].labels: must map"),
        ({"name": "l4", "taints": [{"key": "a"}]}, "inventory.pools[0].taints[0]: must have a key and an effect"),
        ({"name": "l4", "taints": {"key": "a"}}, "inventory.pools[0].taints: must be a list"),
        ("l4", "inventory.pools[0]: must be a mapping with a name"),
    ],
)
def test_a_wrong_entry_is_named_with_its_field(entry, message):
    with pytest.raises(ValueError, match=r".") as caught:
        read_pools([entry])
    assert message in str(caught.value)


@pytest.mark.parametrize("document", ["text", 5, {"kind": "Pod"}, {"a": 1}, None])
def test_what_is_no_fleet_says_what_one_is(document):
    with pytest.raises(ValueError, match="a fleet is a Node list"):
        read_fleet([document])


def test_pools_must_be_a_list():
    with pytest.raises(ValueError, match=r"inventory\.pools: must be a list of classes"):
        read_pools({"name": "l4"})


def test_memory_beyond_what_a_card_can_report_is_taken_at_its_word():
    (found,) = read_fleet([[{"name": "l4", "memory": "80Gi"}]]).classes()
    assert (found.usable.lower, found.usable.upper) == (-(-80 * GiB * 97 // 100) - 1, 80 * GiB)


@pytest.mark.parametrize(
    ("item", "message"),
    [
        (None, r"items\[1\]: must be a Node, not None"),
        (5, r"items\[1\]: must be a Node, not 5"),
        ({"kind": "Pod", "metadata": {"name": "a"}}, r"items\[1\]: must be a Node, not a Pod"),
        ({"kind": "Node"}, r"items\[1\].metadata.name: is missing"),
        ({"metadata": {"name": ""}}, r"items\[1\].metadata.name: is missing"),
        ({"kind": "Node", "status": 5}, r"items\[1\].metadata.name: is missing"),
        ({"kind": "Node", "metadata": {"name": "a"}, "status": 5}, r"items\[1\].status: must be a mapping, not '5'"),
        ({"kind": "Node", "metadata": {"name": "a"}, "spec": []}, r"items\[1\].spec: must be a mapping, not '\[\]'"),
    ],
)
def test_an_item_of_a_list_that_is_no_node_is_named(item, message):
    with pytest.raises(ValueError, match=message):
        read_fleet([{"kind": "List", "items": [gpu_node("a"), item]}])


def test_a_node_by_itself_has_a_name_too():
    with pytest.raises(ValueError, match=r"Node\.metadata\.name: is missing"):
        read_fleet([{"kind": "Node"}])


@pytest.mark.parametrize(
    ("entry", "warned"),
    [
        ({"name": "l4", "memory": "80Gi"}, True),
        ({"name": "h100", "memory": "8Gi"}, True),
        ({"name": "l4", "memory": "23034Mi"}, False),
        ({"name": "l4", "memory": "24Gi"}, False),
        ({"name": "l4"}, False),
        ({"name": "nvidia-quasar", "memory": "100Gi"}, False),
        ({"name": "nvidia-a100-80gb-mig-3g.40gb", "memory": "39Gi"}, False),
    ],
)
def test_memory_that_no_card_of_the_name_has_is_warned_of(entry, warned):
    found = list(unlikely_memory(read_fleet([[entry]]).classes()))
    assert bool(found) is warned
    assert all(entry["name"] in warning and "counts as written" in warning for warning in found)
