"""The chart ships dashboards and rules where they are asked for, as Grafana's sidecar and the operator take them."""

import json
from typing import Any

import pytest
import yaml

from observability.dashboards import DASHBOARDS
from observability.rules import rules
from tools import renders

pytestmark = pytest.mark.cluster

BOTH = ("--set", "dashboards.enabled=true,prometheusRule.enabled=true")


def rendered(*arguments: str) -> list[dict[str, Any]]:
    answer = renders.template(*arguments)
    assert answer.returncode == 0, answer.stderr
    return [found for found in yaml.safe_load_all(answer.stdout) if found]


def shipped(*arguments: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The ConfigMaps of dashboards, and the PrometheusRules."""
    found = rendered(*arguments)
    pages = [item for item in found if item["metadata"]["labels"].get("app.kubernetes.io/component") == "dashboards"]
    return pages, [item for item in found if item["kind"] == "PrometheusRule"]


def test_neither_is_there_unless_it_is_asked_for() -> None:
    assert shipped() == ([], [])


def test_every_dashboard_is_a_config_map_that_the_sidecar_finds() -> None:
    pages, _ = shipped(*BOTH)
    assert {page["kind"] for page in pages} == {"ConfigMap"}
    assert {page["metadata"]["labels"]["grafana_dashboard"] for page in pages} == {"1"}
    loaded = {name: json.loads(text)["uid"] for page in pages for name, text in page["data"].items()}
    assert loaded == {f"{page.uid}.json": page.uid for page in DASHBOARDS}


def test_no_dashboard_has_the_name_of_a_config_map_of_the_operator() -> None:
    pages, _ = shipped(*BOTH)
    assert {page["metadata"]["name"] for page in pages} == {
        f"llmjob-dashboard-{name}" for name in ("fleet", "job", "accuracy", "admission")
    }


def test_the_sidecar_s_labels_and_annotations_can_be_chosen() -> None:
    chosen = "dashboards.labels.team=gpu,dashboards.annotations.grafana_folder=GPU"
    for page in shipped(*BOTH, "--set", chosen)[0]:
        assert page["metadata"]["labels"]["team"] == "gpu"
        assert page["metadata"]["annotations"] == {"grafana_folder": "GPU"}


def test_the_prometheus_rule_holds_the_rule_file() -> None:
    _, [rule] = shipped(*BOTH, "--set", "prometheusRule.labels.release=prometheus")
    assert rule["metadata"]["labels"]["release"] == "prometheus"
    assert rule["spec"] == yaml.safe_load(rules())


@pytest.mark.parametrize("url", ["https://docs.example/llmjob", "https://docs.example/llmjob/"])
def test_alerts_link_to_where_the_docs_are_published(url: str) -> None:
    _, [rule] = shipped(*BOTH, "--set", f"prometheusRule.docsUrl={url}")
    links = {
        item["alert"]: item["annotations"]["runbook_url"]
        for group in rule["spec"]["groups"]
        for item in group["rules"]
        if "alert" in item
    }
    assert links["LLMJobViewStale"] == "https://docs.example/llmjob/runbooks.md#llmjobviewstale"
    assert all(link.startswith("https://docs.example/llmjob/runbooks.md#") for link in links.values())


def test_helm_lint_takes_both() -> None:
    answer = renders.helm("lint", str(renders.CHART), "--strict", *BOTH)
    assert answer.returncode == 0, answer.stdout


@pytest.mark.parametrize(
    ("value", "named"),
    [
        ("dashboards.enabled=sometimes", "/dashboards/enabled"),
        ("prometheusRule.docsUrl=docs", "/prometheusRule/docsUrl"),
    ],
)
def test_a_wrong_value_is_refused_by_its_name(value: str, named: str) -> None:
    answer = renders.template("--set", value)
    assert answer.returncode
    assert named in answer.stderr
