"""What the controller leaves on LLMJobs of a real API server: status, conditions, events; and nothing else."""

import json
from collections.abc import Callable
from typing import Any

from controlplane import nodes

Space = Callable[..., str]


def condition(job: dict[str, Any], kind: str) -> dict[str, Any]:
    found: dict[str, Any] = next(item for item in job["status"]["conditions"] if item["type"] == kind)
    return found


def patches(running: Any, namespace: str, name: str) -> int:
    """Status writes that the API server's audit log has for a job."""
    count = 0
    for line in running.cluster.layout.audit_log.read_text().splitlines():
        entry = json.loads(line)
        about = entry.get("objectRef", {})
        if (about.get("namespace"), about.get("name"), about.get("subresource")) == (namespace, name, "status"):
            count += entry["verb"] in {"patch", "update"}
    return count


def test_status_says_need_parts_classes_and_verdict(running: Any, space: Space) -> None:
    place = space("warn")
    running.apply(running.llmjob("job", pool=None, parameters="7B"), namespace=place)
    status = running.judged(place, "job")["status"]
    assert status["summary"] == {
        "model": "7B",
        "task": "Inference",
        "need": "17.5 (13.0–21.0) GiB",
        "gpus": "1x1",
        "reason": "Fits",
    }
    role = status["roles"][0]
    assert (role["name"], role["referenceClass"]) == ("main", "nvidia-l4")
    parts = {part["name"]: part["expected"] for part in role["components"]}
    assert parts["Weights"] == "13671875Ki"  # 14 × 10^9 bytes
    outcomes = {found["name"]: found["outcome"] for found in role["classes"]}
    assert (outcomes["nvidia-t4"], outcomes["nvidia-l4"], outcomes["nvidia-a100-80gb"]) == ("Tight", "Fits", "Fits")
    assert status["model"] == {"name": "7B", "parameters": 7_000_000_000, "source": "Parameters"}


def test_conditions_follow_the_verdict_with_generation_and_the_time_of_change(running: Any, space: Space) -> None:
    place = space("warn")
    running.apply(running.llmjob("job", pool="big"), namespace=place)
    first = running.judged(place, "job")
    assert (condition(first, "Fits")["status"], condition(first, "Fits")["reason"]) == ("True", "Fits")
    assert condition(first, "Estimated")["status"] == "True"
    running.apply(running.llmjob("job", pool="small", parameters="13B"), namespace=place)
    second = running.judged(place, "job", generation=2)
    assert (condition(second, "Fits")["status"], condition(second, "Fits")["reason"]) == (
        "False",
        "InsufficientGPUMemory",
    )
    assert condition(second, "Fits")["observedGeneration"] == 2
    before, after = condition(first, "Estimated"), condition(second, "Estimated")
    assert after["lastTransitionTime"] == before["lastTransitionTime"]


def test_an_unknown_model_is_a_condition_that_names_the_field(running: Any, space: Space) -> None:
    place = space("warn")
    job = running.llmjob("job", parameters=None, spec={"model": {"id": "acme/mystery"}})
    running.apply(job, namespace=place)
    found = running.judged(place, "job")
    estimated = condition(found, "Estimated")
    assert (estimated["status"], estimated["reason"]) == ("False", "ModelUnknown")
    assert "spec.model" in estimated["message"]
    assert condition(found, "Fits")["status"] == "Unknown"


def test_columns_print_the_summary(running: Any, space: Space) -> None:
    place = space("warn")
    running.apply(running.llmjob("job", pool="big"), namespace=place)
    running.judged(place, "job")
    printed = running.cluster.kubectl("get", "llmj", "-n", place).stdout
    assert "17.5 (13.0–21.0) GiB" in printed
    assert "Fits" in printed


def test_one_patch_a_change_and_nothing_else_is_left_on_the_object(running: Any, space: Space) -> None:
    place = space("warn")
    running.apply(running.llmjob("job", pool="big"), namespace=place)
    running.judged(place, "job")
    running.apply(running.llmjob("job", pool="big", parameters="8B"), namespace=place)
    found = running.judged(place, "job", generation=2)
    running.apply(running.llmjob("later", pool="big"), namespace=place)
    running.judged(place, "later")  # by now the controller has seen its own write come back
    assert patches(running, place, "job") == 2
    assert "finalizers" not in found["metadata"]
    assert [key for key in found["metadata"].get("annotations", {}) if "last-applied" not in key] == []


def test_each_new_verdict_is_an_event(running: Any, space: Space) -> None:
    place = space("warn")
    running.apply(running.llmjob("job", pool="big"), namespace=place)
    running.judged(place, "job")
    running.apply(running.llmjob("job", pool="small", parameters="13B"), namespace=place)

    def reasons() -> list[tuple[str, str]] | None:
        events = running.cluster.client.request("GET", f"/api/v1/namespaces/{place}/events")["items"]
        found = [(e["reason"], e["type"]) for e in events if e["involvedObject"]["name"] == "job"]
        return sorted(found) if len(found) >= 2 else None

    assert running.eventually(reasons) == [("Fits", "Normal"), ("InsufficientGPUMemory", "Warning")]


def test_a_new_gpu_class_changes_the_verdict_of_jobs_that_nobody_touched(running: Any, space: Space) -> None:
    place = space("warn")
    running.apply(running.llmjob("job", pool="later", parameters="7B"), namespace=place)
    assert running.judged(place, "job")["status"]["summary"]["reason"] == "NoEligibleGPU"
    client = running.cluster.client
    client.request("POST", "/api/v1/nodes", nodes.node("later-1", nodes.H100, 8, extra_labels={"pool": "later"}))

    def reason() -> str:
        return str(running.job(place, "job")["status"]["summary"]["reason"])

    try:
        running.eventually(lambda: reason() == "Fits")
    finally:
        client.request("DELETE", "/api/v1/nodes/later-1")
    running.eventually(lambda: reason() == "NoEligibleGPU")


def test_deletion_does_not_wait_for_the_controller(running: Any, space: Space) -> None:
    place = space("warn")
    running.apply(running.llmjob("job", pool="big"), namespace=place)
    running.judged(place, "job")
    running.cluster.kubectl("delete", "llmjob", "job", "-n", place, "--timeout=5s")
    assert not running.cluster.client.exists(running.job_path(place, "job"))


def test_a_status_that_somebody_damaged_is_made_right_again(running: Any, space: Space) -> None:
    place = space("warn")
    running.apply(running.llmjob("job", pool="big"), namespace=place)
    right = running.judged(place, "job")["status"]
    path = running.job_path(place, "job") + "/status"
    damage = {"status": {"summary": {"reason": "Lies", "need": None}, "roles": None}}
    running.cluster.client.request("PATCH", path, damage, content="application/merge-patch+json")
    running.eventually(lambda: running.job(place, "job")["status"] == right)
