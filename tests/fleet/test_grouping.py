"""From offers to classes."""

from llmjob.fleet.fleet import Fleet
from tests.fleet.nodes import gpu_node


def shared(name, replicas):
    labels = {"nvidia.com/gpu.replicas": str(replicas), "nvidia.com/gpu.sharing-strategy": "time-slicing"}
    return gpu_node(name, labels=labels, allocatable={"nvidia.com/gpu": str(replicas)})


def test_of_nodes_that_share_their_cards_differently_the_most_shares_count():
    (found,) = Fleet.from_nodes([shared("a", 2), shared("b", 8), shared("c", 4)]).classes()
    assert found.replicas == 8
