"""Exit codes: what a script learns from `estimate` and `check` without reading their output."""

from collections.abc import Iterable
from enum import IntEnum
from typing import Final

from llmjob.names import Reason


class ExitCode(IntEnum):
    """Exit codes for scripts; 64 to 74 are those of sysexits.h."""

    FITS = 0
    TIGHT = 1
    TOO_LARGE = 2
    UNKNOWN = 3
    NO_ELIGIBLE_GPU = 4
    USAGE = 64
    BAD_INPUT = 65
    CLUSTER_UNREACHABLE = 69
    OUR_BUG = 70
    OUTPUT_FAILED = 74
    INTERRUPTED = 130


BY_REASON: Final[dict[Reason, ExitCode]] = {
    Reason.FITS: ExitCode.FITS,
    Reason.TIGHT: ExitCode.TIGHT,
    Reason.INSUFFICIENT_GPU_MEMORY: ExitCode.TOO_LARGE,
    Reason.NOT_ENOUGH_GPUS_PER_NODE: ExitCode.TOO_LARGE,
    Reason.INCOMPLETE_INVENTORY: ExitCode.TOO_LARGE,
    Reason.MODEL_UNKNOWN: ExitCode.UNKNOWN,
    Reason.INVENTORY_UNKNOWN: ExitCode.UNKNOWN,
    Reason.PENDING: ExitCode.UNKNOWN,
    Reason.STALE: ExitCode.UNKNOWN,
    Reason.GPU_COUNT_MISMATCH: ExitCode.UNKNOWN,
    Reason.NO_ELIGIBLE_GPU: ExitCode.NO_ELIGIBLE_GPU,
    Reason.BAD_INPUT: ExitCode.BAD_INPUT,
}

_WORST_FIRST: Final = (
    ExitCode.BAD_INPUT,
    ExitCode.TOO_LARGE,
    ExitCode.NO_ELIGIBLE_GPU,
    ExitCode.UNKNOWN,
    ExitCode.TIGHT,
    ExitCode.FITS,
)


def worst(codes: Iterable[ExitCode]) -> ExitCode:
    """Of several documents the worst counts; none at all is bad input (there was nothing to judge)."""
    seen = set(codes)
    return next((code for code in _WORST_FIRST if code in seen), ExitCode.BAD_INPUT)
