"""Asks a Prometheus over its HTTP API, with the standard library only."""

import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


class QueryFailed(Exception):
    """Prometheus refused a query; the message is its own."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A series' labels (with `__name__` where it has one) and its value at a time (Unix seconds)."""

    labels: Mapping[str, str]
    value: float
    time: float


@dataclass(frozen=True, slots=True)
class Series:
    """A series' labels and its points (Unix seconds, value), in order."""

    labels: Mapping[str, str]
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Prometheus:
    """The one at `url`."""

    url: str

    def query(self, promql: str, at: float | None = None) -> list[Sample]:
        """An instant query, at a Unix time or now. Raises QueryFailed, or OSError where there is no answer."""
        data = self._api("query", {"query": promql} | ({} if at is None else {"time": f"{at:.3f}"}))
        if data["resultType"] in {"scalar", "string"}:
            time, value = data["result"]
            return [Sample({}, float(value), time)]
        return [Sample(item["metric"], float(item["value"][1]), item["value"][0]) for item in data["result"]]

    def query_range(self, promql: str, start: float, end: float, step: float = 1.0) -> list[Series]:
        """A range query from `start` to `end` (Unix seconds) each `step` seconds; raises as `query` does."""
        times = {"start": f"{start:.3f}", "end": f"{end:.3f}", "step": f"{step:g}"}
        data = self._api("query_range", {"query": promql, **times})
        return [
            Series(item["metric"], tuple((time, float(value)) for time, value in item["values"]))
            for item in data["result"]
        ]

    def ready(self) -> bool:
        """Whether it answers queries."""
        try:
            self.request("/-/ready", timeout=2)
        except OSError:
            return False
        return True

    def request(self, path: str, body: bytes | None = None, *, timeout: float = 30) -> bytes:
        """The answer to a GET, or to a POST where there is a body. Raises urllib.error.HTTPError, OSError."""
        with urllib.request.urlopen(self.url + path, body, timeout=timeout) as answer:
            return bytes(answer.read())

    def _api(self, name: str, parameters: Mapping[str, str]) -> Any:  # noqa: ANN401 - JSON
        try:
            text = self.request(f"/api/v1/{name}", urllib.parse.urlencode(parameters).encode())
        except urllib.error.HTTPError as error:
            with error:
                said = error.read().decode(errors="replace")
            raise QueryFailed(f"{parameters['query']}: {said}") from None
        return json.loads(text)["data"]
