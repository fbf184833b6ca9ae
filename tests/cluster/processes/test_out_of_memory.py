"""Pods that run out of GPU memory: what reaches their status, and what the controller makes of it."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

Space = Callable[..., str]

TORCH = (
    "Traceback (most recent call last):\ntorch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB. "
    "GPU 0 has a total capacity of 79.14 GiB of which 1.00 GiB is free.\n"
)
GPU = {"limits": {"nvidia.com/gpu": "1"}}
ASKING = {"llmjob.dev/termination-message": "logs"}


def pod(running: Any, name: str, job: str = "job", *, asks: bool = True, **spec: Any) -> dict[str, Any]:
    made: dict[str, Any] = running.new_pod(name, job, spec=spec)
    if asks:
        made["metadata"]["annotations"] = ASKING
    return made


def policies(running: Any, place: str, name: str) -> list[str]:
    spec = running.pod(place, name)["spec"]
    return [item["terminationMessagePolicy"] for item in (*spec.get("initContainers", ()), *spec["containers"])]


class Kubelet:
    """Ends and restarts a pod's container, and writes of it what the kubelet does in convertToAPIContainerStatuses.

    kwok, which has started the pod, looks only at those that are Pending or deleted.
    """

    def __init__(self, running: Any, place: str, name: str) -> None:
        self.client, self.path = running.cluster.client, f"/api/v1/namespaces/{place}/pods/{name}"
        running.eventually(lambda: self.pod["status"].get("containerStatuses"))
        self.restarts = 0
        self.ended: dict[str, Any] = {}

    @property
    def pod(self) -> dict[str, Any]:
        found = self.client.request("GET", self.path)
        assert isinstance(found, dict)
        return found

    def end(self, log: str, code: int = 1, reason: str = "Error") -> None:
        """The process ends; of its log the last 2,048 bytes are kept where the pod wants that and it failed."""
        policy = self.pod["spec"]["containers"][0]["terminationMessagePolicy"]
        now = datetime.now(UTC)
        ended = {
            "exitCode": code, "reason": reason, "containerID": f"containerd://{self.restarts:064x}",
            "startedAt": stamp(now - timedelta(minutes=5)), "finishedAt": stamp(now),
            **({"message": log[-2048:]} if policy == "FallbackToLogsOnError" and code else {}),
        }  # fmt: skip
        before, self.ended = self.ended, {"terminated": ended}
        self._write(state=self.ended, lastState=before)

    def back_off(self) -> None:
        """A restart is waited for: the end moves to lastState, and the restart is not counted yet."""
        self._write(state={"waiting": {"reason": "CrashLoopBackOff", "message": "back-off"}}, lastState=self.ended)

    def restart(self) -> None:
        self.restarts += 1
        self._write(state={"running": {"startedAt": stamp(datetime.now(UTC))}}, lastState=self.ended)

    def _write(self, **states: Any) -> None:
        status = self.pod["status"]["containerStatuses"][0] | {"restartCount": self.restarts, **states}
        body = {"status": {"containerStatuses": [status]}}
        self.client.request("PATCH", f"{self.path}/status", body, content="application/merge-patch+json")


def stamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def condition(running: Any, place: str, name: str = "job") -> dict[str, Any]:
    """The condition MemoryExhausted; empty where it is not set."""
    conditions = running.job(place, name).get("status", {}).get("conditions", ())
    return next((dict(item) for item in conditions if item["type"] == "MemoryExhausted"), {})


def state(running: Any, place: str, name: str = "job") -> tuple[str | None, str | None]:
    found = condition(running, place, name)
    return found.get("status"), found.get("reason")


def count(running: Any, place: str, name: str = "job") -> float | None:
    labels = frozenset({("namespace", place), ("llmjob", name), ("role", "main")})
    [samples] = running.samples("controller")
    found = samples.get(("llmjob_gpu_out_of_memory_total", labels))
    return None if found is None else float(found)


def warnings(running: Any, place: str) -> list[str]:
    found = running.cluster.client.request("GET", f"/api/v1/namespaces/{place}/events")["items"]
    return [item["message"] for item in found if item["reason"] == "MemoryExhausted" and item["type"] == "Warning"]


def started(running: Any, place: str, *pods: dict[str, Any], jobs: tuple[str, ...] = ("job",)) -> None:
    assert running.apply(*(running.llmjob(name) for name in jobs), namespace=place).returncode == 0
    for name in jobs:
        running.judged(place, name)
    answer = running.apply(*pods, namespace=place)
    assert answer.returncode == 0, answer.stderr


@pytest.mark.parametrize("level", ["audit", "enforce", None])
def test_gpu_containers_show_their_logs_where_the_namespaces_label_says_so(
    running: Any, space: Space, level: str | None
) -> None:
    place = space(level, **{"termination-message": "logs"})
    gpu, plain = {"name": "gpu", "image": "x", "resources": GPU}, {"name": "plain", "image": "x"}
    own = {**gpu, "name": "own", "terminationMessagePolicy": "FallbackToLogsOnError"}
    spec: dict[str, Any] = {
        "containers": [gpu, plain, own],
        "initContainers": [{**gpu, "name": "first"}, {**plain, "name": "second"}],
    }
    started(running, place, pod(running, "asked", asks=False, **spec))
    running.apply(running.new_pod("stranger", None), namespace=place)
    logs, file = "FallbackToLogsOnError", "File"
    assert policies(running, place, "asked") == [logs, file, logs, file, logs]
    assert policies(running, place, "stranger") == [file]


def test_a_pods_annotation_says_so_too_and_without_either_nothing_is_touched(running: Any, space: Space) -> None:
    place = space("audit")
    started(running, place, pod(running, "asks"), pod(running, "silent", asks=False))
    assert policies(running, place, "asks") == ["FallbackToLogsOnError"]
    assert policies(running, place, "silent") == ["File"]


def test_where_the_level_is_off_nobody_is_asked(running: Any, space: Space) -> None:
    place = space("off", **{"termination-message": "logs"})
    started(running, place, pod(running, "asks"))
    assert policies(running, place, "asks") == ["File"]


def test_a_job_that_ran_out_says_so_counts_each_end_once_and_is_over_it_when_it_is_changed(
    running: Any, space: Space
) -> None:
    place = space("warn")
    started(running, place, pod(running, "worker"))
    assert count(running, place) == 0
    worker = Kubelet(running, place, "worker")
    worker.end(TORCH)
    running.eventually(lambda: state(running, place) == ("True", "OutOfGPUMemory"))
    message = condition(running, place)["message"]
    assert message.startswith("pod worker, container main, ran out of GPU memory on nvidia-a100-80gb after 0:05:00. ")
    assert "FP8 weights" in message
    assert "(PyTorch) it asked for 2.0 GiB, saw a total of 79.1 GiB: CUDA out of memory." in message
    [warning] = running.eventually(lambda: warnings(running, place))
    assert warning == message[:1024]
    assert count(running, place) == 1

    worker.back_off()
    worker.restart()
    worker.end(TORCH)
    running.eventually(lambda: count(running, place) == 2)
    with running.away("controller"):
        worker.back_off()
    running.eventually(lambda: count(running, place) == 0)
    # Its first look is over once it has spoken of a job that came later.
    running.apply(running.llmjob("later"), namespace=place)
    running.judged(place, "later")
    worker.restart()
    worker.end(TORCH)
    running.eventually(lambda: count(running, place) == 1)
    assert (state(running, place), len(warnings(running, place))) == (("True", "OutOfGPUMemory"), 1)

    running.apply(running.llmjob("job", parameters="3B"), namespace=place)
    running.judged(place, "job", generation=2)
    running.eventually(lambda: state(running, place) == ("False", "SpecChanged"))
    assert count(running, place) == 1
    running.cluster.kubectl("delete", "llmjob", "job", "-n", place)
    running.eventually(lambda: count(running, place) is None)


def test_other_ends_and_those_without_a_message_set_nothing(running: Any, space: Space) -> None:
    place = space("warn")
    names = ("host", "alike", "completed", "silent", "real")
    pods = [pod(running, name, name, asks=name != "silent") for name in names]
    started(running, place, *pods, jobs=names)
    Kubelet(running, place, "host").end(TORCH, 137, "OOMKilled")
    Kubelet(running, place, "alike").end("RuntimeError: CUDA error: an illegal memory access was encountered\n")
    Kubelet(running, place, "completed").end(TORCH, 0, "Completed")
    Kubelet(running, place, "silent").end(TORCH)
    Kubelet(running, place, "real").end(TORCH)
    running.eventually(lambda: condition(running, place, "real"))
    assert [condition(running, place, name) for name in names[:-1]] == [{}] * 4
    assert [count(running, place, name) for name in names] == [0, 0, 0, 0, 1]
