"""Score a group: how many rows are inside the interval, how wide it is, how far off the expected value."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Final

from benchmarks.accuracy.case import Case, Row
from benchmarks.accuracy.comparison import MEASURES, Comparison
from benchmarks.accuracy.groups import Group
from benchmarks.accuracy.serving_cases import SERVING_READERS
from benchmarks.accuracy.training_cases import TRAINING_READERS
from llmjob.estimator.estimate import estimate
from llmjob.estimator.result import Unknown

READERS: Final[Mapping[str, Callable[[Row], Case]]] = {**SERVING_READERS, **TRAINING_READERS}


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """One row's outcome: a comparison, or why there is none."""

    row: Row
    comparison: Comparison | None = None
    no_config: bool = False
    unknown: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """A group's figures over the rows whose architecture is at hand; unknown rows count as outside."""

    group: Group
    scored: tuple[Scored, ...]

    @property
    def comparisons(self) -> list[Comparison]:
        return [row.comparison for row in self.scored if row.comparison is not None]

    @property
    def no_config(self) -> int:
        return sum(row.no_config for row in self.scored)

    @property
    def unknown(self) -> int:
        return sum(row.unknown is not None for row in self.scored)

    @property
    def inside(self) -> float | None:
        judged = len(self.scored) - self.no_config
        return sum(comparison.inside for comparison in self.comparisons) / judged if judged else None

    @property
    def width(self) -> float | None:
        return median(item.predicted.width for item in self.comparisons) if self.comparisons else None

    @property
    def errors(self) -> list[float]:
        """Absolute relative errors, ascending."""
        return sorted(abs(item.error) for item in self.comparisons)

    @property
    def met(self) -> bool:
        """Whether the group holds what is required of it; true where nothing is."""
        group = self.group
        enough = group.inside is None or (self.inside is not None and self.inside >= group.inside)
        narrow = group.width is None or (self.width is not None and self.width <= group.width)
        return enough and narrow

    def record(self) -> dict[str, object]:
        """The figures as JSON has them."""
        errors = self.errors
        return {
            "group": self.group.name,
            "rows": len(self.scored),
            "noConfig": self.no_config,
            "unknown": self.unknown,
            "inside": self.inside,
            "medianWidth": self.width,
            "medianError": median(errors) if errors else None,
            "p95Error": percentile(errors, 95) if errors else None,
            "worstError": errors[-1] if errors else None,
            "required": self.group.inside is not None,
            "met": self.met,
        }


def score(group: Group) -> Score:
    """Estimate every row of a group as a user would ask, and compare."""
    return Score(group=group, scored=tuple(_score(group, row) for row in group.rows()))


def percentile(ascending: list[float], share: int) -> float:
    """The smallest value that at least `share` percent of the values do not exceed."""
    return ascending[max(0, -(-len(ascending) * share // 100) - 1)]


def _score(group: Group, row: Row) -> Scored:
    case = READERS[group.reader](row)
    if case.model is None:
        return Scored(row=row, no_config=case.unreadable is None, unknown=case.unreadable)
    answer = estimate(case.model, case.task, case.gpu)
    if isinstance(answer, Unknown):
        return Scored(row=row, unknown=f"{answer.field}: {answer.message}")
    return Scored(row=row, comparison=MEASURES[group.measure](row, case, answer))
