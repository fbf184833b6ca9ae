"""The answer: does it fit, where, why, what would, and what admission does about it."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from llmjob.estimator.interval import Interval
from llmjob.estimator.result import Estimate, Limit, Unknown
from llmjob.names import DEFAULT_ROLE, Reason

_FITS: Final = {
    Reason.FITS: True,
    Reason.INSUFFICIENT_GPU_MEMORY: False,
    Reason.NOT_ENOUGH_GPUS_PER_NODE: False,
}


class Outcome(StrEnum):
    """How a class does, in the order of testing."""

    UNKNOWN = "Unknown"
    TOO_LARGE = "TooLarge"
    FITS = "Fits"
    TIGHT = "Tight"


class Action(StrEnum):
    """What admission does."""

    ALLOW = "allow"
    WARN = "warn"
    DENY = "deny"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassOutcome:
    """One eligible class: the need on it, what it offers, and the outcome.

    `usable` is the lower end of what processes see, `headroom` = usable − upper (negative where it lacks memory);
    both None where the class's memory is unknown. `too_few_gpus` is set where the count, not the memory, rules it out.
    """

    name: str
    outcome: Outcome
    need: Interval | None = None
    usable: int | None = None
    headroom: int | None = None
    limit: Limit | None = None
    too_few_gpus: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Exclusion:
    """A node label key and the values that steering keeps a pod away from."""

    key: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """One change that would make it fit: the field to set, its value, and a phrase for people."""

    field: str
    value: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The decision on one request; `estimate` is for `reference_class`, without a GPU where there is none."""

    name: str
    reason: Reason
    message: str
    action: Action
    namespace: str | None = None
    role: str = DEFAULT_ROLE
    need: Interval | None = None
    estimate: Estimate | None = None
    unknown: Unknown | None = None
    reference_class: str | None = None
    classes: tuple[ClassOutcome, ...] = ()
    exclusions: tuple[Exclusion, ...] = ()
    excluded_classes: tuple[str, ...] = ()
    advice: tuple[Advice, ...] = ()
    input_hash: str = ""
    warnings: tuple[str, ...] = ()

    @property
    def fits(self) -> bool | None:
        """Whether it fits; None where that is not known for sure."""
        return _FITS.get(self.reason)
