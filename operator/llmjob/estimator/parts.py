"""Parts of an estimate with two kinds of doubt: settings that nobody stated, and residuals of the method.

Settings enter as their plausible ends and add up; residuals are independent and combine as a root of squares.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from math import isqrt
from typing import Self

from llmjob.estimator.interval import Interval
from llmjob.estimator.result import Basis, Component, ComponentName


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One part in bytes: its value at the kindest, the expected and the harshest settings, and residuals around it.

    `budgeted`: the engine places it inside its share of the card.
    """

    name: ComponentName
    lower: int
    expected: int
    upper: int
    below: int = 0
    above: int = 0
    basis: Basis
    budgeted: bool = True

    @classmethod
    def of(cls, name: ComponentName, memory: Interval, basis: Basis, *, budgeted: bool = True) -> Self:
        """A part whose whole interval is residual."""
        return cls(
            name=name,
            lower=memory.expected,
            expected=memory.expected,
            upper=memory.expected,
            below=memory.expected - memory.lower,
            above=memory.upper - memory.expected,
            basis=basis,
            budgeted=budgeted,
        )

    @property
    def memory(self) -> Interval:
        return Interval(max(0, self.lower - self.below), self.expected, self.upper + self.above)

    def component(self) -> Component:
        return Component(self.name, self.memory, self.basis)


def total(parts: Iterable[Part]) -> Interval:
    """The sum of parts: settings add, residuals combine as the root of their squares."""
    kept = tuple(parts)
    expected = sum(part.expected for part in kept)
    lower = sum(part.lower for part in kept) - _root(part.below for part in kept)
    upper = sum(part.upper for part in kept) + _root(part.above for part in kept)
    return Interval(min(max(0, lower), expected), expected, max(upper, expected))


def _root(residuals: Iterable[int]) -> int:
    squares = sum(residual * residual for residual in residuals)
    return isqrt(squares - 1) + 1 if squares else 0
