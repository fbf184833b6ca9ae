"""Courses of a run: memory in use on one GPU, or the share of an engine's KV pool in use, as functions of time.

The drawn ones have the shapes that runs of torch and of serving engines show: nothing before the process starts, the
weights read in, then for training a first step that allocates most, a little more as longer samples come, and a
plateau, for the caching allocator gives nothing back.
"""

from bisect import bisect_right
from dataclasses import dataclass
from typing import Final

_LOAD_SECONDS: Final = 60.0
_FIRST_STEP_SECONDS: Final = 20.0
_SETTLE_SECONDS: Final = 300.0
_FIRST_STEP_SHARE: Final = 0.92
"""Of the peak, after the first step: drawn."""
_RESTING_SHARE: Final = 0.4
"""Of the peak, once the weights are there: drawn."""


@dataclass(frozen=True, slots=True)
class Course:
    """Straight lines between knots (seconds, bytes); nothing before the first, the last one's after it.

    `source` says where the figures were measured, or that they are drawn.
    """

    knots: tuple[tuple[float, int], ...]
    source: str = "drawn"

    def __call__(self, seconds: float) -> int:
        """Bytes in use."""
        return round(_between(self.knots, seconds))

    @property
    def peak(self) -> int:
        """The most bytes in use at any time."""
        return max((value for _seconds, value in self.knots), default=0)

    def after(self, seconds: float) -> "Course":
        """The same, that many seconds later."""
        return Course(tuple((time + seconds, value) for time, value in self.knots), self.source)

    def until(self, seconds: float) -> "Course":
        """The same, ended then: the process is gone and nothing is in use."""
        kept = tuple(knot for knot in self.knots if knot[0] < seconds)
        return Course((*kept, (seconds, self(seconds)), (seconds, 0)), self.source)


@dataclass(frozen=True, slots=True)
class Share:
    """A share (0 to 1) over time, by straight lines between knots (seconds, share)."""

    knots: tuple[tuple[float, float], ...]

    def __call__(self, seconds: float) -> float:
        return _between(self.knots, seconds)


IDLE: Final = Course(())
NEVER: Final = Share(())


def training(peak: int, *, resting: int | None = None, source: str = "drawn") -> Course:
    """Weights read in (`resting` bytes), a first step to most of the peak, then the peak (bytes) for good."""
    ready = round(peak * _RESTING_SHARE) if resting is None else resting
    stepped = max(ready, round(peak * _FIRST_STEP_SHARE))
    first = _LOAD_SECONDS + _FIRST_STEP_SECONDS
    return Course(((0, 0), (_LOAD_SECONDS, ready), (first, stepped), (first + _SETTLE_SECONDS, peak)), source)


def serving(ready: int, *, source: str = "drawn") -> Course:
    """An engine that takes its whole share at start (`ready` bytes in use) and keeps it."""
    return Course(((0, 0), (_LOAD_SECONDS, ready)), source)


def drifting(course: Course, to: int, *, begin: float, end: float) -> Course:
    """The course, but from `begin` on growing to `to` bytes at `end` (seconds): a leak, or ever longer samples."""
    kept = tuple(knot for knot in course.knots if knot[0] < begin)
    return Course((*kept, (begin, course(begin)), (end, to)), course.source)


def out_of_memory(course: Course, card: int, *, begin: float, end: float) -> Course:
    """The course, but from `begin` on growing to the `card`'s bytes at `end`, where the process dies."""
    return drifting(course, card, begin=begin, end=end).until(end)


def _between(knots: tuple[tuple[float, float], ...], seconds: float) -> float:
    index = bisect_right(knots, seconds, key=lambda knot: knot[0])
    if index == 0:
        return 0.0
    before = knots[index - 1]
    if index == len(knots):
        return before[1]
    after = knots[index]
    return before[1] + (after[1] - before[1]) * (seconds - before[0]) / (after[0] - before[0])
