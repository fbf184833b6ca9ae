"""How a checkpoint is quantised: quantization_config read from a config.json."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantizationConfig:
    """`method` is canonical (FP8, INT8, INT4, NF4, AWQ, GPTQ, MXFP4, NVFP4); `bits` of an element.

    `group` elements share one scale (None: a scale per output channel), `block` the rows and columns that do (FP8).
    `kept` are the modules left at the model's dtype: glob patterns, or suffixes of module paths.
    """

    method: str
    bits: int
    group: int | None = None
    block: tuple[int, int] | None = None
    kept: tuple[str, ...] = ()
