"""Words of PromQL that rules and dashboards share."""

from dataclasses import dataclass
from typing import Final

ROLE: Final = "namespace, llmjob, role"
POD: Final = "namespace, pod"
MIB: Final = 2**20
HOUR: Final = 3600
DAY: Final = 24 * HOUR
# Both processes write some series, and a rolled controller is there twice for a while: `max by` counts each once.
_UNITS: Final = (("d", DAY * 1000), ("h", HOUR * 1000), ("m", 60_000), ("s", 1000), ("ms", 1))


@dataclass(frozen=True, slots=True)
class Clock:
    """Durations of rules, divided by `scale`, so that a demonstration tells an hour in a minute.

    Raises ValueError for a scale that is not positive.
    """

    scale: int = 1

    def __post_init__(self) -> None:
        if self.scale < 1:
            raise ValueError(f"time_scale is {self.scale}: give a whole number from 1")

    def span(self, seconds: int) -> str:
        """A duration as PromQL writes it; never below a millisecond."""
        milliseconds = max(1, seconds * 1000 // self.scale)
        unit, size = next((unit, size) for unit, size in _UNITS if milliseconds % size == 0)
        return f"{milliseconds // size}{unit}"


def remembered(series: str, by: str, clock: Clock) -> str:
    """The operator's series, an hour longer than it is written: the operator may be away."""
    return f"max by ({by}) (last_over_time({series}[{clock.span(HOUR)}]))"


def estimate(bound: str, clock: Clock) -> str:
    """The predicted process memory per GPU by role, in bytes: `lower`, `expected` or `upper`."""
    return remembered(f'llmjob_estimated_gpu_memory_bytes{{measure="process",bound="{bound}"}}', ROLE, clock)


def highest(now: str, record: str, clock: Clock) -> str:
    """A maximum that the rule `record` carries from one evaluation to the next, while `now` is there.

    It costs the same however long the series runs, and a gap of less than an hour does not lose it.
    """
    before = f"last_over_time({record}[{clock.span(HOUR)}])"
    return f"((({now}) > {before}) or {before} or ({now})) and ({now})"
