"""A ledger of what lives on a GPU at each instant of a training step; the peak is the largest instant, not a sum."""

from collections.abc import Iterable, Mapping, Sequence
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


@dataclass(frozen=True, slots=True)
class Moment:
    """A block's turn in the backward: bytes `left` of what the forward kept, elements whose `gradients` are there."""

    name: str
    left: int
    gradients: int


def corners(moments: Iterable[Moment]) -> Sequence[Moment]:
    """Those of which any sum of positive shares of both is the largest; later ones have less left and more gradients.

    They are the upper convex hull: of equal blocks that alternate with others, the first and the last turn.
    """
    found: list[Moment] = []
    for moment in moments:
        while len(found) > 1 and not _beyond(found[-2], found[-1], moment):
            found.pop()
        found.append(moment)
    return found


def _beyond(one: Moment, middle: Moment, other: Moment) -> bool:
    """Whether the middle one lies outside the line between the two others."""
    left, gradients = middle.left - one.left, middle.gradients - one.gradients
    return left * (other.gradients - one.gradients) > gradients * (other.left - one.left)
