"""Actual use of every role from the recording rules' series, as a Prometheus keeps them."""

from collections.abc import Iterable, Mapping
from typing import Final

from llmjob.names import DEFAULT_ROLE
from llmjob.observation.observed import Kind
from llmjob.observation.report import Actual, Point, Source
from llmjob.observation.series import Series

RoleKey = tuple[str, str, str]

# Names of the chart's recording rules.
COMPARED: Final = "llmjob:gpu_memory_compared_bytes:max"
NEEDED: Final = "llmjob:gpu_memory_needed_bytes:max"
USED: Final = "llmjob:gpu_memory_used_bytes:max"
POINTS: Final = 96


def expression(rule: str, step: float, namespace: str | None) -> str:
    """The highest value of a rule within each step (seconds), by role; of one namespace where given.

    Steps shorter than the rules' own interval have the value before them, as Prometheus looks back for it.
    """
    series = rule + (f'{{namespace="{namespace}"}}' if namespace else "")
    span = f"{max(1, round(step * 1000))}ms"
    return f"max by (namespace, llmjob, role) (max_over_time({series}[{span}]) or {series})"


def actuals(
    compared: Iterable[Series], needed: Iterable[Series], *, start: float, end: float, step: float
) -> dict[RoleKey, Actual]:
    """What each role used or needed from `start` to `end`; steps without a sample are gaps, never 0."""
    engines = {role_of(series.labels) for series in needed}
    steps = round((end - start) / step)
    found: dict[RoleKey, Actual] = {}
    for series in compared:
        # What is not of the time that was asked for is no answer.
        at = {
            index: round(sample.value)
            for sample in series.samples
            if 1 <= (index := round((sample.time - start) / step)) <= steps and sample.value > 0
        }
        if not at:
            continue
        key = role_of(series.labels)
        found[key] = Actual(
            kind=Kind.NEED if key in engines else Kind.USED,
            peak=max(at.values()),
            source=Source.PROMETHEUS,
            since=start + (min(at) - 1) * step,
            last=start + max(at) * step,
            course=tuple(Point(start + index * step, at.get(index)) for index in range(1, steps + 1)),
        )
    return found


def highest(series: Iterable[Series]) -> dict[RoleKey, int]:
    """The highest sample of each role, in bytes."""
    found: dict[RoleKey, int] = {}
    for one in series:
        peak = max((round(sample.value) for sample in one.samples), default=0)
        if peak > 0:
            found[role_of(one.labels)] = max(peak, found.get(role_of(one.labels), 0))
    return found


def role_of(labels: Mapping[str, str]) -> RoleKey:
    """Namespace, job and role of a series."""
    return labels.get("namespace", ""), labels.get("llmjob", ""), labels.get("role") or DEFAULT_ROLE
