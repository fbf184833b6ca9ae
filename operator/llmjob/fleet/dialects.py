"""The dialects in which nodes speak of GPUs: adding a vendor is one module and one entry here."""

from collections.abc import Callable
from typing import Final

from llmjob.fleet import nvidia
from llmjob.fleet.node import NodeFacts
from llmjob.fleet.offer import Offer

DIALECTS: Final[tuple[Callable[[NodeFacts], tuple[Offer, ...]], ...]] = (nvidia.read,)

# Which extended resource a pod asks for where a class is declared and not read from a node.
RESOURCES: Final[dict[str, frozenset[str]]] = {
    "nvidia": frozenset({nvidia.GPU}),
    "amd": frozenset({"amd.com/gpu"}),
    "intel": frozenset({"gpu.intel.com/i915", "gpu.intel.com/xe"}),
}

# Label keys that name a card, by who writes them, the preferred one first; steering uses one key of each.
STEERING_KEYS: Final[tuple[tuple[str, ...], ...]] = (
    (nvidia.PRODUCT,),
    ("karpenter.k8s.aws/instance-gpu-memory", "karpenter.k8s.aws/instance-gpu-name"),
)


def offers(node: NodeFacts) -> tuple[Offer, ...]:
    """What a node offers, whatever dialect it speaks."""
    return tuple(offer for read in DIALECTS for offer in read(node))
