"""Parameter counts as people write them: 7B, 0.5B, 671B."""

import re
from decimal import Decimal
from typing import Final

from llmjob.api.patterns import COUNT

_SUFFIX: Final = {"K": 10**3, "M": 10**6, "B": 10**9, "T": 10**12}
_LONGEST: Final = 40
_MOST: Final = 10_000  # the pattern allows four digits before the point


def parse_count(text: str) -> int:
    """Read a count of parameters.

    Raises:
        ValueError: when the text is no count, or zero.
    """
    if not re.fullmatch(COUNT, text):
        raise ValueError(f"{text[:_LONGEST]!r} is no parameter count; write it like 7B, 0.5B or 350M")
    suffix = _SUFFIX.get(text[-1], 1)
    number = Decimal(text[:-1] if text[-1] in _SUFFIX else text)
    count = int(number * suffix)
    if count == 0:
        raise ValueError(f"{text!r} is zero; a model has at least one parameter")
    return count


def format_count(count: int) -> str:
    """A count as `parse_count` reads it, with the largest suffix that needs at most three decimals: "7B", "1.5T"."""
    for suffix in ("T", "B", "M", "K"):
        unit = _SUFFIX[suffix]
        if unit <= count < _MOST * unit and count % (unit // 1000) == 0:
            whole, rest = divmod(count, unit)
            decimals = f"{rest * 1000 // unit:03d}".rstrip("0")
            return f"{whole}.{decimals}{suffix}" if decimals else f"{whole}{suffix}"
    return str(count)
