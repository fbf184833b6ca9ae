"""A ledger of what lives on a GPU at each instant of a training step; the peak is the largest instant, not a sum."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from llmjob.estimator.result import ComponentName


@dataclass(frozen=True, slots=True)
class Instant:
    """A moment of a training step and the live bytes of each component then."""

    name: str
    live: Mapping[ComponentName, int] = field(default_factory=dict)

    @property
    def total(self) -> int:
        return sum(self.live.values())


def peak(instants: Iterable[Instant]) -> Instant:
    """The instant with the most live bytes; the first of equals."""
    return max(instants, key=lambda instant: instant.total)
