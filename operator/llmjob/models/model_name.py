"""What a model's name says: a parameter count, an active count, a precision; read where nothing better is known."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

_UNITS: Final[Mapping[str, int]] = {"M": 10**6, "B": 10**9, "T": 10**12}
_NUMBER: Final = r"(\d{1,4}(?:[._]\d{1,3})?)"
# A count stands alone between separators: not the 4b of "4bit", the E4B of "gemma-3n-E4B" or the 7b of "v7b".
_COUNT: Final = re.compile(rf"(?<![0-9A-Za-z.])(?:(\d{{1,3}})x)?{_NUMBER}([MBT])(?![0-9A-Za-z])", re.IGNORECASE)
_ACTIVE: Final = re.compile(rf"(?<![0-9A-Za-z.])A{_NUMBER}([MB])(?![0-9A-Za-z])", re.IGNORECASE)
# "17B-16E": the count is what a token activates, the total is not said.
_EXPERTS_ONLY: Final = re.compile(r"\d[MB]-\d{1,4}E(?![0-9A-Za-z])", re.IGNORECASE)

# The first pattern that the name holds counts, so the longer spellings stand first.
_PRECISIONS: Final = tuple(
    (re.compile(rf"(?<![0-9A-Za-z]){pattern}(?![0-9A-Za-z])", re.IGNORECASE), quantization)
    for pattern, quantization in (
        (r"nvfp4", "NVFP4"),
        (r"mxfp4", "MXFP4"),
        (r"gptq[-_]?int8", "INT8"),
        (r"gptq", "GPTQ"),
        (r"awq", "AWQ"),
        (r"bnb[-_]4bit|nf4", "NF4"),
        (r"bnb[-_]8bit|w8a8|w8a16|int8|8[-_]?bit", "INT8"),
        (r"w4a16|w4a8|int4|4[-_]?bit", "INT4"),
        (r"fp8(?:[-_]dynamic|[-_]block)?", "FP8"),
    )
)
_GGUF: Final = re.compile(
    r"(?<![0-9A-Za-z])(I?Q[1-8]_(?:[01]|K(?:_[SML])?|XXS|XS|NL|[SM]))(?![0-9A-Za-z])", re.IGNORECASE
)
_DTYPES: Final = tuple(
    (re.compile(rf"(?<![0-9A-Za-z]){pattern}(?![0-9A-Za-z])", re.IGNORECASE), dtype)
    for pattern, dtype in ((r"bf16|bfloat16", "BF16"), (r"fp16|float16|f16", "FP16"), (r"fp32|float32|f32", "FP32"))
)


@dataclass(frozen=True, slots=True, kw_only=True)
class NameFacts:
    """What a name says; None where it says nothing. Counts are whole parameters, precisions canonical names."""

    parameters: int | None = None
    active_parameters: int | None = None
    quantization: str | None = None
    dtype: str | None = None


def read_name(model_id: str) -> NameFacts:
    """Read the last path segment of a model id: "Qwen/Qwen3-30B-A3B-FP8" has 30 B, 3 B of them active, at FP8.

    "8x7B" is 56 B, as the name says: experts share layers, so the true count is lower.
    """
    name = model_id.rsplit("/", 1)[-1]
    active = _ACTIVE.search(name)
    return NameFacts(
        parameters=None if _EXPERTS_ONLY.search(name) else _count(name),
        active_parameters=_parameters(active[1], active[2]) if active else None,
        quantization=_quantization(name),
        dtype=next((dtype for pattern, dtype in _DTYPES if pattern.search(name)), None),
    )


def _count(name: str) -> int | None:
    """The first count in billions, else in millions (a context of "1M" stands behind), else in trillions."""
    found: dict[str, int] = {}
    for experts, number, unit in _COUNT.findall(name):
        count = _parameters(number, unit) * (int(experts) if experts else 1)
        if count:
            found.setdefault(unit.upper(), count)
    return next((found[unit] for unit in ("B", "M", "T") if unit in found), None)


def _parameters(number: str, unit: str) -> int:
    return int(Fraction(number.replace("_", ".")) * _UNITS[unit.upper()])


def _quantization(name: str) -> str | None:
    gguf = _GGUF.search(name)
    if gguf:
        return gguf[1].upper()
    return next((quantization for pattern, quantization in _PRECISIONS if pattern.search(name)), None)
