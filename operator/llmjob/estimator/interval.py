"""Amounts of memory with their uncertainty."""

from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True)
class Range:
    """Two ends of an amount, in bytes: `lower ≤ upper`."""

    lower: int
    upper: int

    def __post_init__(self) -> None:
        if not 0 <= self.lower <= self.upper:
            raise ValueError(f"not a range of bytes: {self.lower} to {self.upper}")

    @classmethod
    def exact(cls, value: int) -> Self:
        return cls(value, value)


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate in bytes, `lower ≤ expected ≤ upper`: lower is what must be there, the only basis of a denial."""

    lower: int
    expected: int
    upper: int

    def __post_init__(self) -> None:
        if not 0 <= self.lower <= self.expected <= self.upper:
            raise ValueError(f"not an interval of bytes: {self.lower}, {self.expected}, {self.upper}")

    @classmethod
    def exact(cls, value: int) -> Self:
        return cls(value, value, value)

    def __add__(self, other: "Interval") -> "Interval":
        return Interval(self.lower + other.lower, self.expected + other.expected, self.upper + other.upper)

    @property
    def width(self) -> float:
        """(upper − lower) ÷ expected; 0 for an exact amount, infinite where only the expected value is 0."""
        if self.upper == self.lower:
            return 0.0
        return (self.upper - self.lower) / self.expected if self.expected else float("inf")


ZERO = Interval(0, 0, 0)


def fits(need: Interval, room: Range) -> bool:
    """Whether it fits surely: at most the least room is needed at the most."""
    return need.upper <= room.lower


def too_large(need: Interval, room: Range) -> bool:
    """Whether it cannot fit: what must be there exceeds the most room. The only basis of a denial."""
    return need.lower > room.upper
