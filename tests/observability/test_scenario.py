"""Every panel's query, asked of a real Prometheus in a scripted scenario, returns what the script says."""

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from controlplane.exporters import Exporter, Server
from controlplane.monitoring import Monitoring, Target, older
from controlplane.promql import QueryFailed
from controlplane.scratch import Scratch
from observability.dashboards import DASHBOARDS
from observability.panels import Dashboard, Panel, Query
from observability.rules import rules
from tests.observability.scenario import A100, COMPONENTS, EXPIRY, GIB, L4, APIServer, Operator, engine, gpus

pytestmark = pytest.mark.cluster

CHOSEN = {"$namespace": "ml", "$llmjob": "chat", "$role": "main", "$__rate_interval": "8s", "$__range": "1m"}
ANY = "a figure above 0"  # counts of things that go on while we look
OLDER = older()


def one(value: object) -> dict[str, Any]:
    return {"": value}


def per_class(l4: float, a100: float, unit: float = 1) -> dict[str, Any]:
    return {L4: l4 * unit, A100: a100 * unit}


def per_job(unit: float = 1, **values: float) -> dict[str, Any]:
    return {f"ml {name}": value * unit for name, value in values.items()}


ACTUAL = {"train": 15, "drift": 18, "full": 40, "chat": 54}
# (actual − expected) ÷ expected
ERRORS = {"train": 1 / 14, "drift": 6 / 12, "full": -10 / 50, "chat": 9 / 45}
PROFILES = {"/LoRA": (1 / 14 + 6 / 12) / 2, "/Full": -10 / 50, "vLLM/": 9 / 45}

# By page and title, one table for each query: labels that tell the series apart, and the value.
SCRIPT: dict[tuple[str, str], list[dict[str, Any]]] = {
    ("fleet", "GPUs that hold a job"): [one(4)],
    # L4: 2 × 20 − 15 − 18 = 7; A100: 2 × 76 − 40 − 54 = 58.
    ("fleet", "Stranded memory"): [one(65 * GIB)],
    ("fleet", "Usable memory in use"): [one((15 + 18 + 40 + 70) / (2 * 20 + 2 * 76))],
    ("fleet", "Roles that fit nowhere"): [one(1)],
    ("fleet", "GPU classes"): [
        per_class(2, 1), per_class(8, 8), per_class(23, 80, GIB), per_class(24, 80, GIB), per_class(20, 76, GIB),
        per_class(22, 78, GIB),
    ],
    ("fleet", "In use of what is usable"): [per_class(33 / 40, 110 / 152)],
    ("fleet", "Usable memory of GPUs that hold a job"): [per_class(40, 152, GIB)],
    ("fleet", "Predicted"): [per_class(14 + 12, 50 + 45, GIB)],
    ("fleet", "Used"): [per_class(33, 110, GIB)],
    ("fleet", "Stranded"): [per_class(7, 58, GIB)],
    ("job", "Expected per GPU"): [per_job(GIB, chat=45)],
    ("job", "On the fullest GPU"): [per_job(GIB, chat=70)],
    ("job", "Held against the prediction"): [per_job(GIB, chat=54)],
    ("job", "Error"): [per_job(chat=0.2)],
    ("job", "Out of memory"): [one(ANY)],
    ("job", "Predicted and actual memory per GPU"): [
        per_job(GIB, chat=value) for value in (40, 60, 45, 70, 54)
    ],
    ("job", "What the prediction is made of"): [{name: value * GIB for name, value in COMPONENTS.items()}],
    ("job", "Used by GPU"): [{"chat-0 GPU-chat/": 70 * GIB}],
    ("job", "Highest use of the KV cache"): [{"chat-0": 0.5}],
    ("job", "Error over time"): [per_job(chat=0.2)],
    ("job", "Verdict"): [{"Fits": 1}],
    ("job", "Out of GPU memory"): [one(ANY)],
    ("accuracy", "Inside their interval"): [one(0.75)],
    ("accuracy", "Roles compared"): [one(4)],
    ("accuracy", "Median error"): [one(0.2)],
    ("accuracy", "Most above its prediction"): [one(0.5)],
    ("accuracy", "Inside their interval, over time"): [one(0.75)],
    ("accuracy", "Inside their interval, by engine and method"): [{"/LoRA": 0.5, "/Full": 1, "vLLM/": 1}],
    ("accuracy", "Median error by engine and method"): [PROFILES],
    ("accuracy", "Largest error by engine and method"): [PROFILES | {"/LoRA": 0.5, "/Full": 0.2}],
    ("accuracy", "Every role"): [
        per_job(**ERRORS),
        per_job(GIB, **ACTUAL),
        per_job(GIB, train=14, drift=12, full=50, chat=45),
        per_job(GIB, train=12, drift=10, full=30, chat=40),
        per_job(GIB, train=16, drift=16, full=60, chat=60),
    ],
    ("admission", "Requests"): [one(ANY)],
    ("admission", "Errors of ours"): [one(ANY)],
    ("admission", "Passed unjudged"): [one(ANY)],
    ("admission", "Certificate ends in"): [one(EXPIRY)],
    ("admission", "Settings"): [one(1)],
    ("admission", "Rate by outcome"): [{"allowed": ANY, "denied": ANY, "error": ANY}],
    ("admission", "Rate by reason"): [{"Fits": ANY, "InsufficientGPUMemory": ANY, "": ANY}],
    ("admission", "Rate by what was asked"): [{"CREATE pods": ANY}],
    ("admission", "Share of errors"): [one(0.1)],
    # All of three milliseconds, in the bucket from two to five.
    ("admission", "Latency"): [{"pods": 0.0035}, {"pods": 0.00497}],
    ("admission", "Age of the views"): [{"operator-0 nodes": 3, "operator-0 llmjobs": 5}],
}  # fmt: skip
PANELS = {(page.uid.removeprefix("llmjob-"), panel.title): panel for page in DASHBOARDS for panel in page.panels()}


@dataclass
class Scene:
    """The Prometheus, and what it scrapes."""

    prometheus: Monitoring
    exporters: Server

    def until(self, promql: str, condition: Callable[[list[float]], bool]) -> None:
        deadline = time.monotonic() + 60
        while not condition(values := [sample.value for sample in self.prometheus.query(promql)]):
            assert time.monotonic() < deadline, f"{promql} is {values}"
            time.sleep(0.1)


@pytest.fixture(scope="module", params=["3", *(["2"] if OLDER else [])], ids=lambda major: f"prometheus-{major}")
def scene(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """All of it, told sixty times faster and scraped each second, until everything has come."""
    file = tmp_path_factory.mktemp("rules") / "rules.yaml"
    file.write_text(rules(60), encoding="utf-8")
    scratch = Scratch()
    scripted: dict[str, Exporter] = {"operator": Operator(), "dcgm": gpus(), "vllm": engine(), "apiserver": APIServer()}
    own = {
        "operator": {"namespace": "llmjob-system", "pod": "operator-0"},
        "dcgm": {"namespace": "gpu-operator", "pod": "dcgm-x7"},
        "vllm": {"namespace": "ml", "pod": "chat-0"},
        "apiserver": {},
    }
    try:
        with Server(scripted) as exporters:
            targets = [
                Target(job=name, url=exporters.url(name), labels=own[name], honor_labels=name == "operator")
                for name in scripted
            ]
            binary = OLDER if request.param == "2" else None
            with Monitoring.start(scratch, targets, [file], binary=binary, quiet=True) as prometheus:
                found = Scene(prometheus, exporters)
                found.until("llmjob:gpu_class_stranded_bytes:sum", lambda values: len(values) == 2)
                found.until(
                    'count_over_time(up{job=~"operator|apiserver"}[12s])', lambda values: min(values, default=0) > 9
                )
                yield found
    finally:
        scratch.remove()


def chosen(query: Query) -> str:
    """The query as Grafana would send it."""
    promql = query.expr
    for variable, value in CHOSEN.items():
        promql = promql.replace(variable, value)
    return promql


def asked(query: Query, panel: Panel, prometheus: Monitoring) -> dict[str, float]:
    """The series' last values, by the labels that tell them apart."""
    promql = chosen(query)
    now = time.time()
    try:
        if panel.instant:
            found = [(sample.labels, sample.value) for sample in prometheus.query(promql)]
        else:
            found = [(series.labels, series.points[-1][1]) for series in prometheus.query_range(promql, now - 8, now)]
    except QueryFailed as error:
        pytest.fail(f"{promql}: {error}")
    return {named(labels, query): value for labels, value in found}


def named(labels: Any, query: Query) -> str:
    if "engine" in labels or "method" in labels or "engine" in query.legend:
        return f"{labels.get('engine', '')}/{labels.get('method', '')}"
    if "webhook" in labels and "operation" in labels:
        return f"{labels['operation']} {labels['webhook']}"
    if "view" in labels:
        return f"{labels['pod']} {labels['view']}"
    if "gpu" in labels:
        return f"{labels['pod']} {labels['gpu']}"
    for name in ("class", "component", "reason", "outcome", "webhook", "pod"):
        if name in labels:
            return str(labels[name])
    return f"{labels['namespace']} {labels['llmjob']}" if "llmjob" in labels else ""


def test_the_script_has_a_line_for_every_panel() -> None:
    assert SCRIPT.keys() == PANELS.keys()


@pytest.mark.parametrize("key", SCRIPT, ids=": ".join)
def test_a_panel_shows_what_the_script_says(scene: Scene, key: tuple[str, str]) -> None:
    panel, wanted = PANELS[key], SCRIPT[key]
    for query, want in zip(panel.queries, wanted, strict=True):
        got = asked(query, panel, scene.prometheus)
        assert got.keys() == want.keys(), query.expr
        for name, value in want.items():
            if value == ANY:
                assert got[name] > 0
            elif value == EXPIRY:
                assert got[name] == pytest.approx(EXPIRY - time.time(), abs=30)
            else:
                assert got[name] == pytest.approx(value, abs=1e-9), (name, query.expr)


@pytest.mark.parametrize("page", DASHBOARDS, ids=lambda page: page.uid)
def test_a_legend_names_labels_that_its_series_have(scene: Scene, page: Dashboard) -> None:
    for panel in page.panels():
        for query in panel.queries:
            had = {label for sample in scene.prometheus.query(chosen(query)) for label in sample.labels}
            assert set(re.findall(r"{{(\w+)}}", query.legend)) <= had, panel.title


def test_the_job_above_its_estimate_raises_the_alert_and_no_other_does(scene: Scene) -> None:
    alert = 'ALERTS{alertname="LLMJobAboveEstimate",alertstate="firing"}'
    scene.until(alert, lambda values: values == [1])
    assert [sample.labels["llmjob"] for sample in scene.prometheus.query(alert)] == ["drift"]


def test_use_goes_on_when_the_operator_goes_away(scene: Scene) -> None:
    """The last test of the scene: it takes the operator away."""
    scene.exporters.remove("operator")
    scene.until("llmjob_pod_info", lambda values: not values)
    gone = time.time()
    scene.until(f"timestamp(llmjob:gpu_memory_used_bytes:max) > {gone + 3}", lambda values: len(values) == 4)
    used = {
        sample.labels["llmjob"]: sample.value for sample in scene.prometheus.query("llmjob:gpu_memory_used_bytes:max")
    }
    assert used == {"train": 15 * GIB, "drift": 18 * GIB, "full": 40 * GIB, "chat": 70 * GIB}
    assert [sample.value for sample in scene.prometheus.query("llmjob:gpu_memory_needed_bytes:max")] == [54 * GIB]
