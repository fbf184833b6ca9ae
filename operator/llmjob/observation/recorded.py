"""What an LLMJob's status says of a role: prediction on a class, use that was seen. Odd shapes say nothing."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final

from llmjob.estimator.interval import Interval
from llmjob.names import DEFAULT_ROLE, Condition
from llmjob.observation.observed import Kind
from llmjob.observation.report import Actual, Source
from llmjob.quantity import parse_quantity

Object = Mapping[str, Any]

_BOUNDS: Final = ("lower", "expected", "upper")


def roles_of(status: Object) -> Iterator[tuple[str, Object]]:
    """Name and content of every role."""
    for role in _objects(status.get("roles")):
        yield str(role.get("name") or DEFAULT_ROLE), role


def text_of(status: Object, section: str, key: str) -> str:
    """A text of the status, empty where it has none."""
    found = status.get(section)
    value = found.get(key) if isinstance(found, Mapping) else None
    return value if isinstance(value, str) else ""


def reference_class(role: Object) -> str | None:
    """The class that the estimate speaks of."""
    found = role.get("referenceClass")
    return found if isinstance(found, str) and found else None


def predicted_on(role: Object, gpu_class: str | None) -> Interval | None:
    """The prediction on a class, in bytes per GPU; on the reference class where that one was not judged."""
    judged = {str(item.get("name")): item for item in _objects(role.get("classes"))}
    for name in (gpu_class, reference_class(role)):
        found = _interval(judged[name]) if name in judged else None
        if found is not None:
            return found
    return None


def usable_of(role: Object, gpu_class: str | None) -> int | None:
    """What processes can use of a card of that class, in bytes, where the class was judged."""
    judged = (item for item in _objects(role.get("classes")) if item.get("name") == gpu_class)
    return next((amount for item in judged if (amount := _amount(item.get("usable")))), None)


def goes_on(status: Object) -> bool:
    """Whether the controller sees use now: it writes only what changed, so an old figure may still be the highest."""
    return _holds(status, Condition.USAGE_OBSERVED)


def actual_of(role: Object, *, fills_the_card: bool, now: float | None = None) -> Actual | None:
    """The use that compares with the prediction: what it needs, else what it uses unless its engine fills the card.

    `now` (Unix seconds) is given where the controller goes on to see use.
    """
    observed = role.get("observed")
    if not isinstance(observed, Mapping):
        return None
    for kind in (Kind.NEED,) if fills_the_card else (Kind.NEED, Kind.USED):
        seen = _seen(observed, kind)
        peak = _amount(seen.get("sampledMax")) if seen else None
        if seen and peak:
            return Actual(
                kind=kind,
                peak=peak,
                source=Source.STATUS,
                since=_moment(observed.get("since")),
                last=_moment(seen.get("lastSample")),
                holds=now if observed.get("pods") else None,
            )
    return None


def used_of(role: Object) -> int | None:
    """The fullest GPU's use, in bytes, whatever the engine."""
    observed = role.get("observed")
    seen = _seen(observed, Kind.USED) if isinstance(observed, Mapping) else None
    return _amount(seen.get("sampledMax")) if seen else None


def exhausted(status: Object) -> bool:
    """Whether the job ran out of GPU memory."""
    return _holds(status, Condition.MEMORY_EXHAUSTED)


def _holds(status: Object, kind: Condition) -> bool:
    return any(item.get("type") == kind and item.get("status") == "True" for item in _objects(status.get("conditions")))


def _seen(observed: Object, kind: Kind) -> Object | None:
    return next((item for item in _objects(observed.get("kinds")) if item.get("kind") == kind), None)


def _interval(item: Object) -> Interval | None:
    lower, expected, upper = (_amount(item.get(bound)) for bound in _BOUNDS)
    if lower is None or expected is None or upper is None or not lower <= expected <= upper:
        return None
    return Interval(lower, expected, upper)


def _amount(value: object) -> int | None:
    if not isinstance(value, (str, int)):
        return None
    try:
        amount = parse_quantity(value)
    except ValueError:
        return None
    return amount if amount >= 0 else None


def _moment(value: object) -> float | None:
    try:
        return datetime.fromisoformat(str(value)).timestamp()
    except ValueError:
        return None


def _objects(value: object) -> Iterator[Object]:
    for item in value if isinstance(value, list) else ():
        if isinstance(item, Mapping):
            yield item
