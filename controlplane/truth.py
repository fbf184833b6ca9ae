"""Whether a pod landed on a card too small for it, judged without anything of llmjob.

Its need is a measured figure that the example names with its source, the card's memory is an annotation of the node
that nobody else reads.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

NEED_ANNOTATION: Final = "examples.llmjob.dev/measured-bytes"
SOURCE_ANNOTATION: Final = "examples.llmjob.dev/measured-by"
PHYSICAL_ANNOTATION: Final = "demo.llmjob.dev/physical-gpu-memory-mib"
MIB: Final = 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class Landing:
    """Where a pod was scheduled: bytes it was measured to need on a GPU, bytes that a GPU there has."""

    pod: str
    node: str
    need: int
    memory: int

    @property
    def too_small(self) -> bool:
        return self.need > self.memory


def landings(pods: Iterable[Mapping[str, Any]], nodes: Iterable[Mapping[str, Any]]) -> tuple[Landing, ...]:
    """One for each scheduled pod. Raises KeyError for a pod without a measured need or a node without its memory."""
    memory = {
        node["metadata"]["name"]: int(node["metadata"]["annotations"][PHYSICAL_ANNOTATION]) * MIB for node in nodes
    }
    return tuple(
        Landing(
            pod=pod["metadata"]["name"],
            node=pod["spec"]["nodeName"],
            need=int(pod["metadata"]["annotations"][NEED_ANNOTATION]),
            memory=memory[pod["spec"]["nodeName"]],
        )
        for pod in sorted(pods, key=lambda pod: str(pod["metadata"]["name"]))
        if pod["spec"].get("nodeName")
    )
