"""From offers to classes."""

import pytest

from llmjob.fleet.fleet import Fleet
from tests.fleet.nodes import gpu_node


def shared(name, replicas):
    labels = {"nvidia.com/gpu.replicas": str(replicas), "nvidia.com/gpu.sharing-strategy": "time-slicing"}
    return gpu_node(name, labels=labels, allocatable={"nvidia.com/gpu": str(replicas)})


@pytest.mark.parametrize("replicas", [(2, 8), (4, 16), (3, 10), (7, 50), (2, 4, 8, 16)])
def test_of_nodes_that_share_their_cards_differently_the_most_shares_count(replicas):
    (found,) = Fleet.from_nodes([shared(f"n{count}", count) for count in replicas]).classes()
    assert found.replicas == max(replicas)
