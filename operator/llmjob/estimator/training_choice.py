"""What a job leaves open, as the values that it may have."""

from dataclasses import dataclass
from typing import Generic, TypeVar

_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True)
class Choice(Generic[_Value]):
    """A setting that a job leaves open: the value that counts, and those that need least and most memory."""

    expected: _Value
    kindest: _Value
    harshest: _Value

    @classmethod
    def known(cls, value: _Value) -> "Choice[_Value]":
        return cls(value, value, value)
