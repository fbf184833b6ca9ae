"""What a line about exhausted memory says in bytes: asked for, already allocated, the card's total."""

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

_UNITS: Final = {"b": 1, "bytes": 1, "kib": 2**10, "mib": 2**20, "gib": 2**30, "tib": 2**40}
_AMOUNT: Final = r"(\d{1,15}(?:,\d{3}){0,5}(?:\.\d{1,9})?) ?(bytes|[KMGT]iB|B)\b"
_LONGEST_EXCERPT: Final = 240


def _patterns(*texts: str) -> tuple[re.Pattern[str], ...]:
    return tuple(re.compile(text.replace("AMOUNT", _AMOUNT), re.IGNORECASE) for text in texts)


# PyTorch; vLLM's two; TensorRT; XLA's four; CuPy; llama.cpp's two; NCCL.
_ASKED: Final = _patterns(
    r"Tried to allocate AMOUNT",
    r"desired GPU memory utilization \(\d{1,3}(?:\.\d{1,9})?, AMOUNT\)",
    r"AMOUNT KV cache is needed",
    r"Requested amount of GPU memory \(AMOUNT\)",
    r"trying to allocate AMOUNT",
    r"out of memory (?:allocating|to allocate) AMOUNT",
    r"Failed to allocate request for [^\n(]{1,24}\(AMOUNT\)",
    r"failed to allocate [^\n(]{1,24}\(AMOUNT\) from device",
    r"allocating AMOUNT on device",
    r"buffer of size (\d{1,15})()\b",
    r"CUDA calloc AMOUNT",
)
_TOTAL: Final = _patterns(
    r"total capaci?ty of AMOUNT",
    r"; ?AMOUNT total capacity",
    r"Free memory on device(?: \w{1,16}:\d{1,3})? \(\d{1,9}(?:\.\d{1,9})?/AMOUNT\)",
)
_ALLOCATED: Final = _patterns(
    r"AMOUNT already allocated",
    r"Of the allocated memory AMOUNT is allocated by PyTorch",
    r"\(allocated so far: AMOUNT\)",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A line's claim; amounts in bytes, None where it does not say.

    The line is a tenant's to write, so its claims are shown, capped at the card, and move nobody's estimate.
    """

    signature: str
    excerpt: str
    asked: int | None = None
    allocated: int | None = None
    total: int | None = None

    def capped(self, card: int) -> "Claim":
        """The same, no amount above the card's memory in bytes."""
        return Claim(
            signature=self.signature,
            excerpt=self.excerpt,
            asked=None if self.asked is None else min(self.asked, card),
            allocated=None if self.allocated is None else min(self.allocated, card),
            total=None if self.total is None else min(self.total, card),
        )

    @classmethod
    def of(cls, signature: str, line: str, start: int) -> "Claim":
        """Read a line; the excerpt is what stands from `start` on, printable and at most 240 characters."""
        return cls(
            signature=signature,
            excerpt=_printable(line[start : start + _LONGEST_EXCERPT]),
            asked=_first(_ASKED, line),
            allocated=_first(_ALLOCATED, line),
            total=_first(_TOTAL, line),
        )


def _first(patterns: tuple[re.Pattern[str], ...], line: str) -> int | None:
    for pattern in patterns:
        found = pattern.search(line)
        if found is not None:
            number, unit = found.groups()
            return int(Decimal(number.replace(",", "")) * _UNITS[unit.casefold() or "b"])
    return None


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() else " " for character in text).strip()
