"""Parameter counts as people write them: 7B, 0.5B, 671B."""

import re
from decimal import Decimal
from typing import Final

from llmjob.api.patterns import COUNT

_SUFFIX: Final = {"K": 10**3, "M": 10**6, "B": 10**9, "T": 10**12}
_LONGEST: Final = 40


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
    """A count with the largest suffix that leaves at most three decimals, else the whole number: 7000000000 is "7B"."""
    for suffix in ("T", "B", "M", "K"):
        unit = _SUFFIX[suffix]
        if count >= unit and count % (unit // 1000) == 0:
            return (
                f"{Decimal(count) / unit:f}".rstrip("0").rstrip(".") + suffix
                if count % unit
                else f"{count // unit}{suffix}"
            )
    return str(count)
