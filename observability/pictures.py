"""`python -m observability.pictures`: draws the dashboards' panels into docs/pictures/, from their own queries.

A real Prometheus with the chart's rules scrapes the scripted scenario of the tests, of which some figures get a course
of an hour. The script's clock stands still until every rule has seen a moment; then every panel's queries are asked.
"""

import re
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, TypeAlias

from controlplane.exporters import Course, Exporter, Server, Share, courses
from controlplane.monitoring import SCRAPE_SECONDS, Monitoring, Target
from controlplane.process import wait_until
from controlplane.promql import Sample
from controlplane.scratch import Scratch
from observability.dashboards import DASHBOARDS
from observability.drawing import Line, svg
from observability.figures import rounded
from observability.panels import Panel, Style
from observability.recording import ERROR
from observability.rules import rules
from tests.observability.scenario import GIB, APIServer, Operator, engine, gpus

PICTURES: Final = Path(__file__).parents[1] / "docs" / "pictures"
MINUTE: Final = 60.0
MINUTES: Final = tuple(range(0, 61, 3))
CHOSEN: Final = {"$namespace": "ml", "$llmjob": "chat", "$role": "main", "$__range": "1h"}
RATE_SECONDS: Final = 4
"""Four scrapes, which is the least that Grafana takes."""
_SETTLED_SECONDS: Final = 60.0
_USES: Final[Mapping[str, Course]] = {
    "train": courses.training(15 * GIB).after(2 * MINUTE),
    "drift": courses.drifting(courses.training(11 * GIB), 18 * GIB, begin=15 * MINUTE, end=50 * MINUTE),
    "full": courses.training(40 * GIB).after(5 * MINUTE),
    "chat": courses.serving(70 * GIB),
}
_POOL: Final = Share(((0, 0.1), (9 * MINUTE, 0.2), (30 * MINUTE, 0.35), (36 * MINUTE, 0.5), (60 * MINUTE, 0.3)))
_TRAFFIC: Final = Share(((0, 4), (21 * MINUTE, 12), (39 * MINUTE, 9), (60 * MINUTE, 5)))
_DEATHS: Final = (21 * MINUTE, 45 * MINUTE)
_PASSED: Final = (12 * MINUTE,)

Key: TypeAlias = tuple[str, int, tuple[tuple[str, str], ...]]


@dataclass(slots=True)
class Script:
    """The script's clock, and an exporter that tells it."""

    seconds: float = 0.0

    def __call__(self) -> float:
        return self.seconds

    def metrics(self, seconds: float, accept: str) -> tuple[str, str]:
        """The seconds, so that one sees that a moment was scraped."""
        del accept
        return "text/plain; version=0.0.4", f"script_seconds {seconds}\n"


@contextmanager
def scene(script: Script) -> Iterator[Monitoring]:
    """The Prometheus that scrapes the script each second."""
    scripted: dict[str, Exporter] = {
        "script": script,
        "operator": Operator(
            allowed=lambda seconds: round(_TRAFFIC(seconds)),
            errors=lambda _: 0,
            exhausted=lambda seconds: sum(seconds >= death for death in _DEATHS),
        ),
        "dcgm": gpus(_USES),
        "vllm": engine(_POOL),
        "apiserver": APIServer(lambda seconds: sum(seconds >= time for time in _PASSED)),
    }
    own = {
        "operator": {"namespace": "llmjob-system", "pod": "operator-0"},
        "dcgm": {"namespace": "gpu-operator", "pod": "dcgm-x7"},
        "vllm": {"namespace": "ml", "pod": "chat-0"},
    }
    scratch = Scratch()
    try:
        file = scratch.path / "rules.yaml"
        file.write_text(rules(MINUTES[-1]), encoding="utf-8")
        with Server(scripted, clock=script) as exporters:
            targets = [
                Target(job=name, url=exporters.url(name), labels=own.get(name, {}), honor_labels=name == "operator")
                for name in scripted
            ]
            with Monitoring.start(scratch, targets, [file]) as prometheus:
                yield prometheus
    finally:
        scratch.remove()


def asked(prometheus: Monitoring, script: Script) -> dict[str, dict[str, list[Line]]]:
    """The series of every panel, by page and title."""
    found: dict[Key, Line] = {}
    panels = [(f"{page.uid} {panel.title}", panel) for page in DASHBOARDS for panel in page.panels()]
    for minute in MINUTES:
        script.seconds, changed = minute * MINUTE, time.time()
        at = _settled(prometheus, script, changed)
        for name, panel in panels:
            for index, query in enumerate(panel.queries):
                for sample in prometheus.query(chosen(query.expr, _interval(panel, at - changed)), at):
                    labels = tuple(sorted((key, value) for key, value in sample.labels.items() if key != "__name__"))
                    key = (name, index, labels)
                    line = found.get(key) or Line(index, legend(query.legend, sample), dict(labels), ())
                    found[key] = replace(line, points=(*line.points, (float(minute), sample.value)))
    return {
        page.uid: {panel.title: _of_panel(found, f"{page.uid} {panel.title}", panel) for panel in page.panels()}
        for page in DASHBOARDS
    }


def _settled(prometheus: Monitoring, script: Script, changed: float) -> float:
    """When all rules saw every target at the script's moment, and a rate sees nothing else."""

    def until(promql: str, what: str) -> None:
        wait_until(lambda: bool(prometheus.query(promql)), what, (prometheus.process,), _SETTLED_SECONDS)

    until(f"script_seconds == {script.seconds}", "a scrape")
    until(f"min(timestamp(up == 1)) > {changed}", "every scrape")
    scraped = time.time()
    until(f"min(timestamp({ERROR})) > {scraped}", "the rules")
    until(f"vector(time()) > {changed + SCRAPE_SECONDS + RATE_SECONDS}", "scrapes enough for a rate")
    return time.time()


def _interval(panel: Panel, seconds: float) -> str:
    """What $__rate_interval is: for bars as long as a moment lasts, so that each has what happened in it."""
    return f"{round(1000 * (seconds + SCRAPE_SECONDS))}ms" if panel.style is Style.BARS else f"{RATE_SECONDS}s"


def _of_panel(found: Mapping[Key, Line], name: str, panel: Panel) -> list[Line]:
    """In the order of queries and labels. A single figure that is gone by the end of the hour is not shown."""
    lines = [line for key, line in sorted(found.items(), key=lambda item: item[0]) if key[0] == name]
    if panel.instant:
        return [line for line in lines if line.points[-1][0] == MINUTES[-1]]
    largest = max((abs(value) for line in lines for _, value in line.points), default=0.0)
    return [
        replace(line, points=tuple((minute, rounded(value, panel.unit, largest)) for minute, value in line.points))
        for line in lines
    ]


def chosen(expr: str, interval: str) -> str:
    """The query as Grafana would send it."""
    for variable, value in {**CHOSEN, "$__rate_interval": interval}.items():
        expr = expr.replace(variable, value)
    return expr


def legend(template: str, sample: Sample) -> str:
    """The legend with the series' labels."""
    return re.sub(r"{{(\w+)}}", lambda match: sample.labels.get(match[1], ""), template).strip() or "(none)"


def main() -> int:
    """Draw them all."""
    script = Script()
    with scene(script) as prometheus:
        series = asked(prometheus, script)
    PICTURES.mkdir(exist_ok=True)
    for page in DASHBOARDS:
        path = PICTURES / f"{page.uid.removeprefix('llmjob-')}.svg"
        path.write_text(svg(page, series[page.uid]), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
