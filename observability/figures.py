"""Figures as a reader sees them on a panel: with a unit, as Grafana would write them."""

from typing import Final

from observability.panels import BYTES, COUNT, RATE, SECONDS, SHARE

_GIB: Final = 2**30
_DAY: Final = 86400
_DIGITS: Final = 2
_SUFFIXES: Final = {BYTES: " GiB", SHARE: " %", SECONDS: " s", RATE: " req/s"}


def scaled(value: float, unit: str) -> float:
    """The value on a panel's axis: GiB, percent, seconds."""
    if unit == BYTES:
        return value / _GIB
    return 100 * value if unit == SHARE else value


def tick(value: float, unit: str, highest: float) -> str:
    """A figure of the axis, scaled already, where `highest` is its upper end."""
    if unit == SECONDS and highest < 1:
        return f"{1000 * value:g} ms"
    return f"{value:g}{_SUFFIXES.get(unit, '')}"


def written(value: float, unit: str) -> str:
    """The value with its unit, short."""
    if unit == SECONDS and value >= _DAY:
        return f"{value / _DAY:.0f} d"
    if unit == SECONDS and value < 1:
        return f"{1000 * value:.2g} ms"
    digits = {BYTES: ".1f", SHARE: ".0f", COUNT: ".0f"}.get(unit, ".2g")
    return f"{scaled(value, unit):{digits}}{_SUFFIXES.get(unit, '')}"


def rounded(value: float, unit: str, largest: float) -> float:
    """To as many digits of the largest value beside it as scrapes at uneven times leave the same; counts are whole."""
    if unit == COUNT:
        return float(round(value))
    return 0.0 if largest == 0 else round(value / largest, _DIGITS) * largest
