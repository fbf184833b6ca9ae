"""Kubernetes quantities and byte units: read a Quantity exactly, print bytes for people.

GB is 10^9 bytes and GiB is 2^30; bytes are integers and are divided only when printed.
"""

import re
from decimal import Decimal, localcontext
from typing import Final

GB: Final = 10**9
MiB: Final = 2**20
GiB: Final = 2**30

_QUANTITY: Final = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+))(?:([eE][+-]?\d+)|([KMGTPE]i|[numkMGTPE]))?")
_SUFFIX: Final[dict[str, Decimal]] = {
    "n": Decimal("1e-9"), "u": Decimal("1e-6"), "m": Decimal("1e-3"),
    "k": Decimal(10**3), "M": Decimal(10**6), "G": Decimal(10**9),
    "T": Decimal(10**12), "P": Decimal(10**15), "E": Decimal(10**18),
    "Ki": Decimal(2**10), "Mi": Decimal(2**20), "Gi": Decimal(2**30),
    "Ti": Decimal(2**40), "Pi": Decimal(2**50), "Ei": Decimal(2**60),
}  # fmt: skip
_LONGEST: Final = 64


def parse_quantity(text: str | int) -> int:
    """Read a Kubernetes Quantity as a whole number, rounded up as the API server rounds.

    Source of the grammar: k8s.io/apimachinery/pkg/api/resource.

    Raises:
        ValueError: when the text is no Quantity.
    """
    if isinstance(text, int) and not isinstance(text, bool):
        return text
    if not isinstance(text, str) or len(text) > _LONGEST:
        raise ValueError(f"{str(text)[:_LONGEST]!r} is not a Quantity")
    match = _QUANTITY.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not a Quantity such as 16Gi, 24576Mi or 8")
    number, exponent, suffix = match.groups()
    with localcontext() as context:
        context.prec = 100
        if exponent is not None:
            if abs(int(exponent[1:])) > 30:  # noqa: PLR2004, no amount of memory needs more
                raise ValueError(f"{text!r} is out of range for a Quantity")
            value = Decimal(number) * Decimal(10) ** int(exponent[1:])
        else:
            value = Decimal(number) * _SUFFIX.get(suffix or "", Decimal(1))
        return int(value.to_integral_value(rounding="ROUND_CEILING"))


def format_quantity(value: int) -> str:
    """The canonical BinarySI Quantity of a whole number of bytes, exact: 2147483648 is "2Gi"."""
    if value and value % 2**10 == 0:
        for suffix in ("Ei", "Pi", "Ti", "Gi", "Mi", "Ki"):
            unit = int(_SUFFIX[suffix])
            if value % unit == 0:
                return f"{value // unit}{suffix}"
    return str(value)


def gib(value: int) -> str:
    """Bytes as GiB with one decimal, for people: "19.4"."""
    return f"{value / GiB:.1f}"
