"""The chart's rules do what their cases in promtool/ say; told faster, they are the same rules."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from controlplane.binaries import ensure
from controlplane.tools import PROMETHEUS
from llmjob.estimator.vocabulary import Kind, canonical
from observability.engines import FILL_THE_CARD
from observability.recording import USED
from observability.rules import rules

CASES = sorted((Path(__file__).parent / "promtool").glob("*.yaml"))
ROOT = Path(__file__).parents[2]


def loaded(time_scale: int = 1) -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(rules(time_scale))["groups"] for rule in group["rules"]]


ALERTS = {rule["alert"]: rule for rule in loaded() if "alert" in rule}
RECORDS = {rule["record"] for rule in loaded() if "record" in rule}


def test_engines_are_spelt_as_the_operator_spells_them() -> None:
    assert all(canonical(Kind.ENGINE, name) == name for name in FILL_THE_CARD.split("|"))


def test_the_contract_s_recording_rules_are_there() -> None:
    assert {
        "llmjob:gpu_memory_used_bytes:max",
        "llmjob:gpu_memory_used_bytes:sum",
        "llmjob:gpu_memory_needed_bytes:max",
        "llmjob:gpu_memory_used:ratio",
        "llmjob:gpu_class_stranded_bytes:sum",
    } <= RECORDS


def test_every_duration_is_divided_by_the_time_scale() -> None:
    def durations(text: str) -> list[int]:
        unit = {"d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1000, "ms": 1}
        found = re.findall(r"(?:\[|offset |interval: |for: )(\d+)(ms|[dhms])", text)
        return [int(number) * unit[name] for number, name in found]

    slow, fast = durations(rules()), durations(rules(60))
    assert len(slow) > 30
    assert fast == [duration // 60 for duration in slow]


@pytest.mark.parametrize("time_scale", [0, -1])
def test_a_time_scale_that_is_not_positive_is_refused(time_scale: int) -> None:
    with pytest.raises(ValueError, match=f"time_scale is {time_scale}: give a whole number from 1"):
        rules(time_scale)


def test_a_rule_reads_only_what_was_recorded_before_it() -> None:
    """Within a group rules run in order; what a rule reads of itself is what it wrote the time before."""
    recorded: set[str] = set()
    for rule in loaded():
        recorded |= {rule.get("record", "")}
        assert set(re.findall(r"llmjob:[a-z_:]+", rule["expr"])) <= recorded


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_says_what_is_wrong_what_to_do_and_where_to_read_on(name: str) -> None:
    annotations = ALERTS[name]["annotations"]
    assert annotations["summary"]
    assert annotations["description"].endswith(".")
    path, _, anchor = annotations["runbook_url"].partition("#")
    headings = re.findall(r"^## (.+)$", (ROOT / path).read_text(encoding="utf-8"), re.MULTILINE)
    assert anchor in [heading.lower() for heading in headings]
    assert ALERTS[name]["labels"]["severity"] in {"info", "warning", "critical"}


def test_the_runbook_has_no_entry_without_an_alert() -> None:
    headings = re.findall(r"^## (.+)$", (ROOT / "docs" / "runbooks.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert set(headings) == set(ALERTS)


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_has_a_case_that_fires_and_one_that_does_not(name: str) -> None:
    cases = [
        case
        for path in CASES
        for test in yaml.safe_load(path.read_text(encoding="utf-8"))["tests"]
        for case in test.get("alert_rule_test", [])
        if case["alertname"] == name
    ]
    assert any(case["exp_alerts"] for case in cases)
    assert any(not case["exp_alerts"] for case in cases)


@pytest.fixture(scope="session")
def promtool() -> Path:
    return ensure((PROMETHEUS,), quiet=True)["promtool"]


def run(promtool: Path, *arguments: str) -> str:
    answer = subprocess.run([promtool, *arguments], capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return answer.stdout


@pytest.mark.cluster
@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_the_rules_do_what_the_cases_say(promtool: Path, path: Path) -> None:
    assert "SUCCESS" in run(promtool, "test", "rules", str(path))


@pytest.mark.cluster
@pytest.mark.parametrize("time_scale", [1, 60, 3600])
def test_prometheus_takes_the_rules_at_every_speed(promtool: Path, tmp_path: Path, time_scale: int) -> None:
    file = tmp_path / "rules.yaml"
    file.write_text(rules(time_scale), encoding="utf-8")
    assert f"SUCCESS: {len(loaded())} rules found" in run(promtool, "check", "rules", "--lint=all", str(file))


@pytest.mark.cluster
def test_told_sixty_times_faster_the_hour_without_the_operator_is_a_minute(promtool: Path, tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text(rules(60), encoding="utf-8")
    pod = 'namespace="ml",pod="train-0"'
    case = {
        "rule_files": ["rules.yaml"],
        "evaluation_interval": "1s",
        "tests": [
            {
                "interval": "1s",
                "input_series": [
                    {
                        "series": f'llmjob_pod_info{{{pod},llmjob="train",role="main",class="l4"}}',
                        "values": "1x2 stale",
                    },
                    {"series": f'DCGM_FI_DEV_FB_USED{{UUID="GPU-a",{pod}}}', "values": "1x140"},
                ],
                "promql_expr_test": [
                    {"expr": f"count({USED})", "eval_time": "59s", "exp_samples": [{"labels": "{}", "value": 1}]},
                    {"expr": f"count({USED})", "eval_time": "65s", "exp_samples": []},
                ],
            }
        ],
    }
    (tmp_path / "case.yaml").write_text(yaml.safe_dump(case), encoding="utf-8")
    run(promtool, "test", "rules", str(tmp_path / "case.yaml"))
