"""Durations as people write them in settings and on the command line."""

import re
from typing import Final

_DURATION: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h)")
_SECONDS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def seconds(value: object) -> float:
    """A duration as Go writes it ("5m", "1m30s", "500ms") in seconds.

    Raises:
        ValueError: when it is none; a bare number is refused as ambiguous.
    """
    if not isinstance(value, str):
        raise ValueError("is no duration; write it like 30s, 5m or 1h")  # noqa: TRY004, pydantic reports ValueError
    parts = _DURATION.findall(value)
    if not parts or "".join(number + unit for number, unit in parts) != value:
        raise ValueError(f"{value!r} is no duration; write it like 30s, 5m or 1h")
    return sum(float(number) * _SECONDS[unit] for number, unit in parts)
