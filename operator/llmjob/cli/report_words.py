"""The words of a report, the same in every format."""

from datetime import UTC, datetime
from typing import Final

from llmjob.observation.observed import Kind
from llmjob.observation.report import Finding, Report, Role, Source
from llmjob.quantity import gib

_MINUTE: Final = 60
_HOUR: Final = 3600
_DAY: Final = 86400
# A Prometheus' step of a day's course is a quarter of an hour.
_OLD: Final = 1800
_SPARKS: Final = "▁▂▃▄▅▆▇█"
_GAP: Final = "·"


def scope(report: Report) -> str:
    """Of what it is."""
    return f"namespace {report.namespace}" if report.namespace else "all namespaces"


def heading(report: Report) -> str:
    """Of what, how long, from where, when."""
    jobs = len({(role.namespace, role.name) for role in report.roles})
    source = "Prometheus" if report.source is Source.PROMETHEUS else "the jobs' status"
    window = f"last {span(report.window)}" if report.source is Source.PROMETHEUS else "since each was first observed"
    return f"{scope(report)} · {count(jobs, 'job')} · use from {source}, {window} · {moment(report.at)}"


def verdicts(report: Report) -> str:
    """The whole in one line."""
    unseen = sum(role.actual is None for role in report.roles)
    idle = sum(role.idle or 0 for role in report.roles)
    parts = [
        f"{len(report.near_the_edge())} near the edge",
        f"{len(report.wasting())} wasting",
        f"{unseen} without a figure of use",
        f"{gib(idle)} GiB idle on the GPUs they hold",
    ]
    return " · ".join(parts)


def sentence(role: Role, finding: Finding) -> str:
    """What a finding says of a role, in numbers, and what to do."""
    actual, predicted = role.actual, role.predicted
    verb = "needs" if actual and actual.kind is Kind.NEED else "uses"
    peak = gib(actual.peak) if actual else "?"
    card = f"{gib(role.usable)} GiB of {role.gpu_class}" if role.usable else "the card"
    match finding:
        case Finding.MEMORY_EXHAUSTED:
            return "ran out of GPU memory: its condition MemoryExhausted says what to change"
        case Finding.ABOVE_PREDICTION:
            upper = gib(predicted.upper) if predicted else "?"
            return f"{verb} {peak} GiB, above the predicted upper bound of {upper}: compare its spec with what runs"
        case Finding.NEAR_GPU_LIMIT:
            return f"{verb} {peak} of {card} ({_percent(role.share)}): lower batch or length, or take a larger GPU"
        case Finding.NEAR_UPPER_BOUND:
            upper = gib(predicted.upper) if predicted else "?"
            return f"{verb} {peak} GiB, close to the predicted upper bound of {upper}"
        case Finding.GPU_TOO_LARGE:
            return f"{verb} {peak} of {card} ({_percent(role.share)}){_would_do(role)}"
        case Finding.PREDICTION_TOO_HIGH:
            expected = gib(predicted.expected) if predicted else "?"
            return f"{verb} {peak} GiB where {expected} were predicted: is its spec larger than what runs?"


def _would_do(role: Role) -> str:
    if role.smaller is not None:
        return f"; {smaller(role)} would do"
    return "; no smaller GPU that it may use would do" if role.searched else ""


def smaller(role: Role) -> str:
    """The smaller class that would do."""
    found = role.smaller
    return f"{found.gpu_class} ({gib(found.usable)} GiB)" if found else ""


def predicted(role: Role) -> str:
    """The predicted interval in GiB."""
    found = role.predicted
    return f"{gib(found.expected)} ({gib(found.lower)}–{gib(found.upper)})" if found else "?"


def actual(role: Role, report: Report) -> str:
    """The actual in GiB: that it is a need where it is one, and its age where it is old."""
    found = role.actual
    if found is None:
        return f"? ({gib(role.used)} used)" if role.used else "?"
    age = f" ({span(report.at - found.until)} ago)" if found.until and report.at - found.until > _OLD else ""
    return f"{gib(found.peak)}{' needed' if found.kind is Kind.NEED else ''}{age}"


def error(role: Role) -> str:
    """The error with its sign: above 0 where more is used than expected."""
    return "" if role.error is None else f"{role.error:+.0%}"


def share(role: Role) -> str:
    """The actual's share of the card."""
    return "" if role.share is None else _percent(role.share)


def idle(role: Role) -> str:
    """Idle memory in GiB over the GPUs held."""
    return "" if role.idle is None else gib(role.idle)


def sparkline(role: Role, width: int) -> str:
    """The course of use from 0 to the card, or to the prediction's upper bound; a gap where nothing was sampled."""
    course = role.actual.course if role.actual else ()
    if not course:
        return ""
    top = max(role.usable or 0, role.predicted.upper if role.predicted else 0, *(point.value or 0 for point in course))
    marks = []
    for index in range(width):
        first = index * len(course) // width
        part = course[first : max(first + 1, (index + 1) * len(course) // width)]
        seen = [point.value for point in part if point.value is not None]
        marks.append(_SPARKS[min(len(_SPARKS) - 1, max(seen) * len(_SPARKS) // max(1, top))] if seen else _GAP)
    return "".join(marks)


def gauge(role: Role, width: int) -> str:
    """Use and prediction on the scale of the card; empty where neither is known."""
    peak, predicted = role.actual.peak if role.actual else 0, role.predicted
    top = max(role.usable or 0, peak, predicted.upper if predicted else 0)
    if not (peak or predicted):
        return ""
    marks = []
    for index in range(width):
        # The middle of the cell decides.
        value = top * (2 * index + 1) // (2 * width)
        inside = predicted is not None and predicted.lower <= value < predicted.upper
        marks.append(("▓" if inside else "█") if value < peak else "░" if inside else _GAP)
    return "".join(marks)


def span(seconds: float) -> str:
    """A length of time: "24h", "7d"."""
    for unit, size in (("d", _DAY), ("h", _HOUR), ("m", _MINUTE)):
        if seconds >= 2 * size or (unit != "d" and seconds >= size):
            return f"{seconds / size:.1f}".rstrip("0").rstrip(".") + unit
    return f"{seconds:.0f}s"


def moment(at: float) -> str:
    """A time in UTC."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC")


def count(number: int, noun: str) -> str:
    """A number of things."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _percent(value: float | None) -> str:
    return "?" if value is None else f"{value:.0%}"
