"""Amounts of memory as Kubernetes writes them."""

from typing import Final

_UNITS: Final = {
    "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40,
}  # fmt: skip


def bytes_of(quantity: str) -> int:
    """Bytes of a whole Quantity (64Mi, 1G, 4096). Raises ValueError."""
    digits = quantity.rstrip("kMGTi")
    unit = quantity[len(digits) :]
    if unit and unit not in _UNITS:
        raise ValueError(f"{quantity!r} is no quantity of memory")
    return int(digits) * _UNITS.get(unit, 1)
