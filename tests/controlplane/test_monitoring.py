"""What is written for Prometheus, and its build beside other work."""

import os
import time
from pathlib import Path

import pytest

from controlplane import cache, monitoring
from controlplane.monitoring import Target, configure
from controlplane.process import wait_until
from controlplane.tools import PROMETHEUS


def test_targets_of_a_job_share_a_scrape_configuration_and_each_keeps_its_path_and_labels() -> None:
    found = configure(
        [
            Target(job="gpu", url="http://127.0.0.1:81/a/metrics", labels={"pod": "a"}),
            Target(job="gpu", url="http://127.0.0.1:81/metrics"),
            Target(job="llmjob", url="https://127.0.0.1:82", honor_labels=True),
        ],
        [],
    )
    gpu, llmjob = found["scrape_configs"]
    assert (gpu["honor_labels"], llmjob["honor_labels"]) == (False, True)
    first, second = gpu["static_configs"]
    assert first == {
        "targets": ["127.0.0.1:81"],
        "labels": {
            "job": "gpu",
            "instance": "127.0.0.1:81/a/metrics",
            "pod": "a",
            "__scheme__": "http",
            "__metrics_path__": "/a/metrics",
        },
    }
    assert second["labels"]["instance"] == "127.0.0.1:81"
    [only] = llmjob["static_configs"]
    assert (only["labels"]["__scheme__"], only["labels"]["__metrics_path__"]) == ("https", "/metrics")


def test_a_job_of_both_treatments_of_labels_has_two_scrape_configurations_of_different_names() -> None:
    urls = "http://a:1/metrics", "http://b:1/metrics"
    found = configure([Target(job="gpu", url=url, honor_labels="b" in url) for url in urls], [])
    names = [scrape["job_name"] for scrape in found["scrape_configs"]]
    assert len(set(names)) == 2


def test_rule_files_are_named_by_their_whole_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert configure([], [Path("rules.yml")])["rule_files"] == [str(tmp_path / "rules.yml")]


def test_prometheus_is_built_beside_other_work_at_a_lower_priority(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    go = tmp_path / "path" / "go"
    go.parent.mkdir()
    go.write_text('#!/bin/sh\n[ "$1" = env ] && { echo go1.99.0; exit 0; }\necho "no such package" >&2; exit 2\n')
    go.chmod(0o755)
    monkeypatch.setenv("PATH", f"{go.parent}:/usr/bin:/bin")
    build = monitoring.build_ahead(tmp_path / "build.log")
    assert build is not None
    wait_until(lambda: os.getpriority(os.PRIO_PROCESS, build.pid) >= 10, "a lower priority", (), 10)
    deadline = time.monotonic() + 30
    while build.running:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    said = build.tail()
    assert "prometheus v0.316.0 did not build:\nno such package" in said or "GB free" in said


def test_nothing_is_built_ahead_where_prometheus_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("KUBEBUILDER_ASSETS", raising=False)
    entry = cache.root() / PROMETHEUS.key
    entry.mkdir(parents=True)
    for name in PROMETHEUS.packages:
        (entry / name).touch()
    assert monitoring.build_ahead(tmp_path / "build.log") is None
