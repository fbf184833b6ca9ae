"""Nodes as slim projections: what matters for a decision, and nothing that a heartbeat changes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from llmjob.fleet.dialects import offers
from llmjob.fleet.node import NodeFacts, mapping, sequence
from llmjob.fleet.offer import Offer
from llmjob.fleet.scheduling import Taint

# Labels that differ from node to node would make every node a shape of its own; they are kept beside it.
_OWN: Final = frozenset(
    {
        "kubernetes.io/hostname",
        "nvidia.com/gfd.timestamp",
        "karpenter.sh/nodeclaim",
        "node.kubernetes.io/instance-id",
        "topology.kubernetes.io/instance-id",
        "alpha.eksctl.io/instance-id",
    }
)
_IGNORED: Final = frozenset({"nvidia.com/gfd.timestamp"})


@dataclass(frozen=True, slots=True)
class NodeShape:
    """What nodes of one kind have in common: offers, taints, labels (sorted). Nodes of one shape form one group."""

    offers: tuple[Offer, ...]
    taints: tuple[Taint, ...]
    labels: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class NodeProjection:
    """One node: its name, its shape, and the labels that are its own."""

    name: str
    shape: NodeShape
    own_labels: tuple[tuple[str, str], ...] = ()


def project(node: Mapping[str, object]) -> NodeProjection | None:
    """Read a Node object; None where it offers no GPU. Never fails on odd labels."""
    facts = NodeFacts.of(node)
    found = offers(facts)
    if not found:
        return None
    taints = sorted(
        (_taint(mapping(item)) for item in sequence(mapping(node.get("spec")).get("taints"))),
        key=lambda taint: (taint.key, taint.value, taint.effect),
    )
    common: list[tuple[str, str]] = []
    own: list[tuple[str, str]] = []
    for key, value in sorted(facts.labels.items()):
        if key not in _IGNORED:
            (own if key in _OWN or value == facts.name else common).append((key, value))
    shape = NodeShape(found, tuple(taint for taint in taints if taint.repels), tuple(common))
    return NodeProjection(facts.name, shape, tuple(own))


def _taint(item: Mapping[str, object]) -> Taint:
    return Taint(str(item.get("key", "")), str(item.get("value") or ""), str(item.get("effect", "")))
