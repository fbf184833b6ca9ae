"""The fleet: nodes as slim projections, grouped into classes, and the classes a pod may run on."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from llmjob.fleet.gpu_class import GPUClass
from llmjob.fleet.scheduling import Scheduling


@dataclass(frozen=True, slots=True)
class Fleet:
    """An immutable snapshot of the GPU nodes of a cluster (live, declared and remembered)."""

    @classmethod
    def from_nodes(cls, nodes: Iterable[Mapping[str, object]]) -> "Fleet":
        """Read Node objects as the API server or kubectl prints them; never fails on odd labels."""
        raise NotImplementedError

    def classes(self) -> tuple[GPUClass, ...]:
        """Every class, sorted by name."""
        raise NotImplementedError

    def eligible(self, scheduling: Scheduling, gpu_resource: str | None = None) -> tuple[GPUClass, ...]:
        """The classes over those nodes only that the pod may use and that offer `gpu_resource` (None: any GPU)."""
        raise NotImplementedError
