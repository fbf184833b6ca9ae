"""Start, stop and hard times of the two processes."""

import signal
from collections.abc import Callable
from typing import Any

from controlplane.ports import free_ports

Space = Callable[..., str]


def ended(running: Any, process: Any) -> None:
    """It ends by itself within three seconds, in order."""
    try:
        running.eventually(lambda: not process.running, 3)
        assert process._child.poll() == 0, process.tail()
    finally:
        process.kill()


def test_a_stop_is_orderly_and_quick(running: Any) -> None:
    [port] = free_ports(1)
    process = running.start("controller", port)
    running.eventually(lambda: running.is_ready(process, port), 60)
    process.signal(signal.SIGTERM)
    ended(running, process)


def test_the_webhook_stops_in_order_too(running: Any) -> None:
    port, metrics = free_ports(2)
    process = running.start(
        "webhook", metrics, "--port", str(port), "--tls-cert", str(running.cert), "--tls-key", str(running.key)
    )
    running.eventually(lambda: running.is_ready(process, metrics), 60)
    process.signal(signal.SIGTERM)
    ended(running, process)


def test_the_webhook_is_not_ready_without_a_valid_certificate(running: Any) -> None:
    port, metrics = free_ports(2)
    absent = str(running.cluster.directory / "absent.crt")
    process = running.start(
        "webhook", metrics, "--port", str(port), "--tls-cert", absent, "--tls-key", str(running.key)
    )
    try:
        running.eventually(lambda: running.probe(metrics, "livez") == 200, 60)
        assert running.probe(metrics, "readyz") == 503
    finally:
        process.stop()


def test_jobs_applied_while_the_controller_was_away_get_their_status_when_it_is_back(
    running: Any, space: Space
) -> None:
    place = space("warn")
    running.controller.stop()
    try:
        running.apply(running.llmjob("gone"), running.llmjob("kept"), namespace=place)
        running.cluster.kubectl("delete", "llmjob", "gone", "-n", place, "--timeout=5s")
        assert "status" not in running.job(place, "kept")
    finally:
        running.controller.restart()
    assert running.judged(place, "kept")["status"]["summary"]["reason"] == "Fits"


def test_while_the_webhook_is_away_pods_start_and_jobs_are_refused(running: Any, space: Space) -> None:
    place = space("enforce")
    running.webhook.stop()
    try:
        assert running.apply(running.new_pod("worker", "job"), namespace=place).returncode == 0
        answer = running.apply(running.llmjob("job"), namespace=place)
        assert "failed calling webhook" in answer.stderr
    finally:
        running.webhook.restart()
        running.eventually(lambda: running.is_ready(running.webhook, running.webhook_metrics), 60)
    assert running.apply(running.llmjob("job"), namespace=place).returncode == 0


def test_while_the_webhook_is_away_warn_refuses_nobody(running: Any, space: Space) -> None:
    place = space("warn")
    running.webhook.stop()
    try:
        assert running.apply(running.llmjob("job"), namespace=place).returncode == 0
    finally:
        running.webhook.restart()
        running.eventually(lambda: running.is_ready(running.webhook, running.webhook_metrics), 60)


def test_while_the_webhook_is_away_jobs_may_still_be_labelled_and_deleted(running: Any, space: Space) -> None:
    place = space("enforce")
    held = running.llmjob("job")
    held["metadata"]["finalizers"] = ["example.org/held"]
    assert running.apply(held, namespace=place).returncode == 0
    running.webhook.stop()
    try:
        kubectl = running.cluster.kubectl
        kubectl("label", "llmjob", "job", "-n", place, "team=a")
        kubectl("delete", "llmjob", "job", "-n", place, "--wait=false")
        kubectl("patch", "llmjob", "job", "-n", place, "--type=merge", "-p", '{"metadata":{"finalizers":null}}')
        running.eventually(lambda: not running.cluster.client.exists(running.job_path(place, "job")))
    finally:
        running.webhook.restart()
        running.eventually(lambda: running.is_ready(running.webhook, running.webhook_metrics), 60)


def test_both_processes_outlive_a_restart_of_the_api_server(running: Any, space: Space) -> None:
    running.cluster.restart_api_server()
    place = space("warn")
    job = running.llmjob("job", pool="small", parameters="13B")
    running.eventually(lambda: "Warning: job:" in running.apply(job, namespace=place).stderr)
    running.judged(place, "job")
