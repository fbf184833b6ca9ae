"""Start, stop and hard times of the two processes."""

import signal
import time
from collections.abc import Callable
from typing import Any

import pytest

Space = Callable[..., str]


@pytest.mark.parametrize("component", ["controller", "webhook"])
def test_a_stop_is_orderly_and_quick(running: Any, component: str) -> None:
    before = running.containers(component)[0]

    def ended() -> dict[str, Any] | None:
        [now] = [item for item in running.containers(component) if item["pod"] == before["pod"]]
        return now if now["restartCount"] > before["restartCount"] else None

    running.signal(before["pod"], component, signal.SIGTERM)
    asked = time.monotonic()
    now = running.eventually(ended)
    assert time.monotonic() - asked < 3
    assert now["lastState"]["terminated"]["exitCode"] == 0
    running.eventually(lambda: all(item["ready"] for item in running.containers(component)))


def test_the_webhook_is_not_ready_without_a_valid_certificate(running: Any) -> None:
    def use_none(spec: dict[str, Any]) -> None:
        spec["volumes"][0]["secret"]["secretName"] = "absent"

    with running.copy("webhook", use_none) as webhook:
        running.eventually(lambda: webhook.probe("livez") == 200, 60)
        assert webhook.probe("readyz") == 503


def test_jobs_applied_while_the_controller_was_away_get_their_status_when_it_is_back(
    running: Any, space: Space
) -> None:
    place = space("warn")
    with running.away("controller"):
        running.apply(running.llmjob("gone"), running.llmjob("kept"), namespace=place)
        running.cluster.kubectl("delete", "llmjob", "gone", "-n", place, "--timeout=5s")
        assert "status" not in running.job(place, "kept")
    assert running.judged(place, "kept")["status"]["summary"]["reason"] == "Fits"


def test_while_the_webhook_is_away_pods_start_and_jobs_are_refused(running: Any, space: Space) -> None:
    place = space("enforce")
    with running.away("webhook"):
        assert running.apply(running.new_pod("worker", "job"), namespace=place).returncode == 0
        answer = running.apply(running.llmjob("job"), namespace=place)
        assert "failed calling webhook" in answer.stderr
    assert running.apply(running.llmjob("job"), namespace=place).returncode == 0


def test_while_the_webhook_is_away_warn_refuses_nobody(running: Any, space: Space) -> None:
    place = space("warn")
    with running.away("webhook"):
        assert running.apply(running.llmjob("job"), namespace=place).returncode == 0


def test_while_the_webhook_is_away_jobs_may_still_be_labelled_and_deleted(running: Any, space: Space) -> None:
    place = space("enforce")
    held = running.llmjob("job")
    held["metadata"]["finalizers"] = ["example.org/held"]
    assert running.apply(held, namespace=place).returncode == 0
    with running.away("webhook"):
        kubectl = running.cluster.kubectl
        kubectl("label", "llmjob", "job", "-n", place, "team=a")
        kubectl("delete", "llmjob", "job", "-n", place, "--wait=false")
        kubectl("patch", "llmjob", "job", "-n", place, "--type=merge", "-p", '{"metadata":{"finalizers":null}}')
        running.eventually(lambda: not running.cluster.client.exists(running.job_path(place, "job")))


def test_both_processes_outlive_a_restart_of_the_api_server(running: Any, space: Space) -> None:
    running.cluster.restart_api_server()
    place = space("warn")
    job = running.llmjob("job", pool="small", parameters="13B")
    running.eventually(lambda: "Warning: job:" in running.apply(job, namespace=place).stderr)
    running.judged(place, "job")
