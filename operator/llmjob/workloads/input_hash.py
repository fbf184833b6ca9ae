"""A stable hash over everything an answer depends on, except the fleet and what the object is called.

Canonical form: JSON without white space, object keys sorted, ASCII only. A dataclass is an object of its fields and of
its name under "type", a field that is None or empty is left out (so that a new optional field changes no old hash), a
fraction is "n/d", an enumeration its value, a set a sorted list, a tuple a list. The hash is the first 32 hexadecimal
digits of its SHA-256.
"""

import json
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import fields, is_dataclass
from enum import Enum
from fractions import Fraction
from hashlib import sha256
from typing import Final

_DIGITS: Final = 32
_SCALARS: Final = frozenset({str, bool, int, float})


def hash_of(*parts: object) -> str:
    """The hash of some values; equal values give equal hashes in every process and version of Python."""
    text = json.dumps([_plain(part) for part in parts], separators=(",", ":"), sort_keys=True)
    return sha256(text.encode("ascii")).hexdigest()[:_DIGITS]


def _plain(value: object) -> object:  # noqa: PLR0911, one line a kind
    if value is None or type(value) in _SCALARS:
        return value
    if is_dataclass(value) and not isinstance(value, type):
        return _object(
            {"type": type(value).__name__} | {item.name: getattr(value, item.name) for item in fields(value)}
        )
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Fraction):
        return f"{value.numerator}/{value.denominator}"
    if isinstance(value, Mapping):
        return _object({str(key): item for key, item in value.items()})
    if isinstance(value, AbstractSet):
        return sorted(json.dumps(_plain(item), sort_keys=True) for item in value)
    if isinstance(value, Sequence):
        return [_plain(item) for item in value]
    raise TypeError(f"{type(value).__name__} has no canonical form")


def _object(items: Mapping[str, object]) -> dict[str, object]:
    plain = {key: _plain(item) for key, item in items.items()}
    return {key: item for key, item in plain.items() if item is not None and item not in ({}, [])}
