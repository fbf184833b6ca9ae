"""What was observed of a role while it ran: by kind the highest sample, and how it compares with the prediction."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

from llmjob.estimator.result import Estimate

# Engines that take what is free, as the estimator spells them: their use says nothing of their need.
_FILL_THE_CARD: Final = frozenset({"vLLM", "SGLang", "TGI", "TensorRTLLM"})


class Kind(StrEnum):
    """What a sample is of, on the fullest GPU: all that is in use, or what the job needs of what its engine took."""

    USED = "used"
    NEED = "need"


@dataclass(frozen=True, slots=True)
class Reading:
    """The highest sample in bytes, when the newest sample was taken (Unix seconds), and who says so.

    Samples are seconds apart: what was higher between two of them is not seen, so it is no peak.
    """

    highest: int
    last: float
    source: str

    def and_then(self, later: "Reading") -> "Reading":
        """Both together."""
        newest = max(self, later, key=lambda reading: reading.last)
        return replace(newest, highest=max(self.highest, later.highest))


@dataclass(frozen=True, slots=True)
class Observed:
    """A role's readings since a time (Unix seconds), and how many pods of it ran then."""

    since: float
    pods: int = 0
    readings: Mapping[Kind, Reading] = field(default_factory=dict)

    @property
    def last(self) -> float:
        """When the newest sample was taken; `since` where there is none."""
        return max((reading.last for reading in self.readings.values()), default=self.since)

    def and_then(self, readings: Mapping[Kind, Reading]) -> "Observed":
        """With later readings."""
        known = dict(self.readings)
        for kind, reading in readings.items():
            known[kind] = known[kind].and_then(reading) if kind in known else reading
        return replace(self, readings=known)

    def differs(self, before: "Observed", share: float) -> bool:
        """Whether a kind is new, or its highest sample is another by at least that share of what it was."""
        for kind, reading in self.readings.items():
            known = before.readings.get(kind)
            if known is None or abs(reading.highest - known.highest) >= max(1, share * known.highest):
                return True
        return False


def fills_the_card(engine: str | None, estimate: Estimate | None) -> bool:
    """Whether an engine takes what is free: by its name, or where the estimate counts with a budget of it."""
    return engine in _FILL_THE_CARD or (estimate is not None and estimate.budget is not None)


def compared(observed: Observed, *, fills: bool) -> Kind | None:
    """The kind to hold against the prediction, like against like; None where none is comparable."""
    kind = Kind.NEED if fills else Kind.USED
    return kind if kind in observed.readings else None


def error_ratio(actual: int, estimate: Estimate | None) -> float | None:
    """(actual − expected) ÷ expected of process memory; None without an estimate, or where nothing is expected."""
    if estimate is None or estimate.per_gpu.expected == 0:
        return None
    return (actual - estimate.per_gpu.expected) / estimate.per_gpu.expected
