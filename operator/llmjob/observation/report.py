"""Predicted against actual, for a person: who wastes, who is near the edge, and the totals of each GPU class. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

from llmjob.estimator.interval import Interval
from llmjob.observation.observed import Kind

# The thresholds of the chart's alerts LLMJobNearGPULimit and LLMJobMemoryIdle, so that page and alert agree.
_NEAR: Final = 0.95
_FAR: Final = 0.5
# A job that has just begun has not shown its need: waste is told only after this share of the report's window.
_LONG_ENOUGH: Final = 1 / 24


class Finding(StrEnum):
    """What is to be said of a role, the most urgent first."""

    MEMORY_EXHAUSTED = "MemoryExhausted"
    ABOVE_PREDICTION = "AbovePrediction"
    NEAR_GPU_LIMIT = "NearGPULimit"
    NEAR_UPPER_BOUND = "NearUpperBound"
    GPU_TOO_LARGE = "GPUTooLarge"
    PREDICTION_TOO_HIGH = "PredictionTooHigh"


EDGE: Final = frozenset(
    {Finding.MEMORY_EXHAUSTED, Finding.ABOVE_PREDICTION, Finding.NEAR_GPU_LIMIT, Finding.NEAR_UPPER_BOUND}
)
WASTE: Final = frozenset({Finding.GPU_TOO_LARGE, Finding.PREDICTION_TOO_HIGH})


class Source(StrEnum):
    """Where actual use was read."""

    PROMETHEUS = "Prometheus"
    STATUS = "Status"


@dataclass(frozen=True, slots=True)
class Point:
    """The highest use within one step of time, in bytes; None where nothing was sampled. `at` in Unix seconds."""

    at: float
    value: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Actual:
    """Memory of the fullest GPU that is comparable with the prediction, in bytes: the highest since `since`.

    `since` and `last` are the first and the last sample's Unix seconds, None where unknown; `course` may be empty.
    `holds` is until when nothing higher was seen, where that is later than the last sample that was told.
    """

    kind: Kind
    peak: int
    source: Source
    since: float | None = None
    last: float | None = None
    holds: float | None = None
    course: tuple[Point, ...] = ()

    @property
    def until(self) -> float | None:
        """To when it is known, in Unix seconds."""
        return self.last if self.holds is None else self.holds

    @property
    def seconds(self) -> float:
        """How long it was observed, 0 where unknown."""
        return max(0.0, self.until - self.since) if self.since is not None and self.until is not None else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Smaller:
    """A smaller GPU class that would do for what was seen: `need` with its margin, of `usable`, bytes per GPU."""

    gpu_class: str
    need: int
    usable: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """One role of a job: what is predicted, what is known of its use, and where it runs; bytes per GPU.

    `gpu_class` is the smallest class its pods run on (`runs`: GPUs by class); where none runs, the class that its
    estimate speaks of, and then `runs` is empty. `used` is the fullest GPU's use whatever the engine;
    `exhausted` says whether it ran out of GPU memory, `searched` whether a smaller class was looked for at all.
    """

    namespace: str
    name: str
    role: str
    model: str = ""
    task: str = ""
    reason: str = ""
    gpu_class: str | None = None
    usable: int | None = None
    runs: tuple[tuple[str, int], ...] = ()
    predicted: Interval | None = None
    actual: Actual | None = None
    used: int | None = None
    exhausted: bool = False
    searched: bool = False
    smaller: Smaller | None = None
    findings: tuple[Finding, ...] = ()

    @property
    def gpus(self) -> int:
        """GPUs that its running pods hold."""
        return sum(count for _, count in self.runs)

    @property
    def error(self) -> float | None:
        """(actual − expected) ÷ expected."""
        if self.actual is None or self.predicted is None or not self.predicted.expected:
            return None
        return (self.actual.peak - self.predicted.expected) / self.predicted.expected

    @property
    def share(self) -> float | None:
        """The actual's share of what processes can use of the card."""
        return self.actual.peak / self.usable if self.actual is not None and self.usable else None

    @property
    def idle(self) -> int | None:
        """Bytes that nobody needs, over all GPUs that the role holds; None where that is not known."""
        if self.actual is None or self.usable is None or not self.runs:
            return None
        return max(0, self.usable - self.actual.peak) * self.gpus


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassMemory:
    """A GPU class of the fleet: usable bytes per GPU (None where unknown) and its GPUs."""

    name: str
    usable: int | None
    gpus: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassTotal:
    """What runs on a GPU class: bytes over the GPUs that hold a pod of a job.

    `predicted` and `actual` count only roles of which they are known; `observed_gpus` are the GPUs behind `actual`.
    """

    name: str
    usable: int | None
    gpus: int
    held_gpus: int
    observed_gpus: int
    roles: int
    predicted: int
    actual: int

    @property
    def idle(self) -> int | None:
        """Usable bytes of the observed GPUs less what is needed there."""
        return None if self.usable is None else max(0, self.usable * self.observed_gpus - self.actual)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The whole: `namespace` None is all of them, `window` is seconds, `at` Unix seconds."""

    namespace: str | None
    at: float
    window: float
    source: Source
    roles: tuple[Role, ...]
    classes: tuple[ClassTotal, ...]
    notes: tuple[str, ...] = field(default=())

    def near_the_edge(self) -> tuple[Role, ...]:
        return tuple(role for role in self.roles if EDGE.intersection(role.findings))

    def wasting(self) -> tuple[Role, ...]:
        return tuple(role for role in self.roles if WASTE.intersection(role.findings))


def make_report(
    roles: Iterable[Role],
    classes: Sequence[ClassMemory],
    *,
    namespace: str | None,
    at: float,
    window: float,
    source: Source,
    notes: Sequence[str] = (),
) -> Report:
    """Judge every role and add up the classes; the most urgent roles first, then those with the most idle memory."""
    judged = sorted((_judged(role, window) for role in roles), key=_urgency)
    return Report(
        namespace=namespace,
        at=at,
        window=window,
        source=source,
        roles=tuple(judged),
        classes=_totals(judged, classes),
        notes=tuple(notes),
    )


def findings(role: Role, window: float) -> tuple[Finding, ...]:
    """What is to be said of a role, the most urgent first; nothing of use that is not known."""
    found: set[Finding] = {Finding.MEMORY_EXHAUSTED} if role.exhausted else set()
    actual, predicted = role.actual, role.predicted
    if actual is None:
        return tuple(found)
    long_enough = _long_enough(actual, window)
    if predicted is not None:
        if actual.peak > predicted.upper:
            found.add(Finding.ABOVE_PREDICTION)
        elif actual.peak > predicted.expected and actual.peak >= _NEAR * predicted.upper:
            found.add(Finding.NEAR_UPPER_BOUND)
        if long_enough and actual.peak < _FAR * predicted.expected:
            found.add(Finding.PREDICTION_TOO_HIGH)
    if role.share is not None and role.runs:
        if role.share > _NEAR:
            found.add(Finding.NEAR_GPU_LIMIT)
        if long_enough and role.share < _FAR:
            found.add(Finding.GPU_TOO_LARGE)
    return tuple(finding for finding in Finding if finding in found)


def _judged(role: Role, window: float) -> Role:
    """With its findings; no smaller GPU for what has just begun, or has shown that it needs more than it got."""
    shown = role.actual is not None and _long_enough(role.actual, window) and not role.exhausted
    return replace(role, findings=findings(role, window), smaller=role.smaller if shown else None)


def _long_enough(actual: Actual, window: float) -> bool:
    return actual.seconds >= window * _LONG_ENOUGH


def _urgency(role: Role) -> tuple[int, int, str, str, str]:
    order = list(Finding)
    first = order.index(role.findings[0]) if role.findings else len(order) + (role.actual is None)
    if role.findings and role.findings[0] in WASTE:
        first = order.index(Finding.GPU_TOO_LARGE)
    return (first, -(role.idle or 0), role.namespace, role.name, role.role)


def _totals(roles: Sequence[Role], classes: Sequence[ClassMemory]) -> tuple[ClassTotal, ...]:
    known = {item.name: item for item in classes}
    held = {name for role in roles for name, _ in role.runs}
    totals = []
    for name in sorted(held | known.keys()):
        item = known.get(name) or ClassMemory(name=name, usable=None, gpus=0)
        here = [(role, count) for role in roles for at, count in role.runs if at == name]
        totals.append(
            ClassTotal(
                name=name,
                usable=item.usable,
                gpus=item.gpus,
                held_gpus=sum(count for _, count in here),
                observed_gpus=sum(count for role, count in here if role.actual),
                roles=len(here),
                predicted=sum(role.predicted.expected * count for role, count in here if role.predicted),
                actual=sum(role.actual.peak * count for role, count in here if role.actual),
            )
        )
    return tuple(totals)
