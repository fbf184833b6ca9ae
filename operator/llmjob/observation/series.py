"""Series of Prometheus: an answer of its HTTP API read without trust, and the samples that can be true."""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

# Beyond every count of bytes, tokens or shares, and what floating point still counts by ones.
_MOST: Final = 2.0**53


class BadAnswer(ValueError):
    """An answer that is none of Prometheus'; the message says in which way."""


class Sample(NamedTuple):
    """A value at a time in Unix seconds."""

    time: float
    value: float


@dataclass(frozen=True, slots=True)
class Series:
    """A series' labels, `__name__` among them, and its samples."""

    labels: Mapping[str, str]
    samples: tuple[Sample, ...]

    @property
    def name(self) -> str:
        return self.labels.get("__name__", "")


def read_matrix(answer: object) -> list[Series]:
    """The series of an instant query for ranges, as its JSON has them.

    Samples that no gauge of memory, tokens or shares can have (NaN, infinite, negative) are left out, and a series that
    has none left too.

    Raises:
        BadAnswer: where it is not of that shape.
    """
    if not isinstance(answer, Mapping):
        raise BadAnswer("it is no JSON object")
    if answer.get("status") != "success":
        raise BadAnswer(f"its status is {str(answer.get('status'))[:20]!r}")
    data = answer.get("data")
    if not isinstance(data, Mapping) or data.get("resultType") != "matrix":
        raise BadAnswer("it holds no ranges")
    result = data.get("result")
    if not isinstance(result, list):
        raise BadAnswer("it holds no list of series")
    found = (_series(item) for item in result)
    return [series for series in found if series.samples]


def _series(item: object) -> Series:
    if not isinstance(item, Mapping):
        raise BadAnswer("one of its series is no object")
    labels, values = item.get("metric"), item.get("values")
    if not isinstance(labels, Mapping) or not isinstance(values, list):
        raise BadAnswer("one of its series has no labels or no values")
    return Series({str(key): str(value) for key, value in labels.items()}, tuple(_true(values)))


def _true(values: Iterable[object]) -> Iterator[Sample]:
    for item in values:
        if not isinstance(item, list) or len(item) != 2:  # noqa: PLR2004, a pair
            raise BadAnswer("one of its samples is no pair")
        try:
            sample = Sample(float(item[0]), float(item[1]))
        except (TypeError, ValueError) as error:
            raise BadAnswer("one of its samples is no pair of numbers") from error
        if math.isfinite(sample.time) and 0 <= sample.value <= _MOST:
            yield sample
