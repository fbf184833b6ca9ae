"""Pods of a job, created through the real API server: annotated, steered, warned of, refused where nothing helps."""

import json
from collections.abc import Callable
from typing import Any

import pytest

Space = Callable[..., str]


def terms(pod: dict[str, Any]) -> list[dict[str, Any]]:
    """The required node selector terms."""
    affinity = pod["spec"].get("affinity", {}).get("nodeAffinity", {})
    found: list[dict[str, Any]] = affinity.get("requiredDuringSchedulingIgnoredDuringExecution", {}).get(
        "nodeSelectorTerms", []
    )
    return found


def excluded(pod: dict[str, Any]) -> set[str]:
    """Products that every term excludes."""
    sets = [
        {value for e in term["matchExpressions"] if e["operator"] == "NotIn" for value in e["values"]}
        for term in terms(pod)
    ]
    return set.intersection(*sets) if sets else set()


def given(running: Any, place: str, **job: Any) -> None:
    answer = running.apply(running.llmjob("job", **job), namespace=place)
    assert answer.returncode == 0, answer.stderr
    running.judged(place, "job")


@pytest.mark.parametrize("level", ["warn", "enforce"])
def test_a_pod_is_annotated_and_kept_off_cards_that_are_too_small(running: Any, space: Space, level: str) -> None:
    place = space(level)
    given(running, place, parameters="25B")
    assert running.apply(running.new_pod("worker", "job", pool=None), namespace=place).returncode == 0
    stored = running.pod(place, "worker")
    assert stored["metadata"]["labels"]["status.llmjob.dev/decided"] == "true"
    written = stored["metadata"]["annotations"]
    assert written["status.llmjob.dev/verdict"] == "Fits"
    # 25B in 16 bit: weights 50 GB, 10 % each for activations and KV cache, 2 GB runtime; the upper end 11 GB more.
    assert written["status.llmjob.dev/need"] == "57.7Gi (46.6Gi-68.0Gi)"
    assert written["status.llmjob.dev/input-hash"]
    assert excluded(stored) == {"Tesla-T4", "NVIDIA-L4"}


def test_an_exclusion_is_added_to_every_term_of_the_users_own_affinity(running: Any, space: Space) -> None:
    place = space("warn")
    given(running, place, parameters="25B")
    mine = [{"matchExpressions": [{"key": "pool", "operator": "In", "values": [value]}]} for value in ("big", "middle")]
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": mine}}
    pod = running.new_pod("worker", "job", pool=None, spec={"affinity": {"nodeAffinity": required}})
    assert running.apply(pod, namespace=place).returncode == 0
    stored = terms(running.pod(place, "worker"))
    assert [term["matchExpressions"][0] for term in stored] == [term["matchExpressions"][0] for term in mine]
    assert excluded(running.pod(place, "worker")) == {"Tesla-T4", "NVIDIA-L4"}


@pytest.mark.parametrize("how", ["audit", "steering-off"])
def test_steering_rests_at_level_audit_and_where_the_namespace_says_off(running: Any, space: Space, how: str) -> None:
    place = space("audit") if how == "audit" else space("warn", steering="off")
    given(running, place, parameters="25B")
    assert running.apply(running.new_pod("worker", "job", pool=None), namespace=place).returncode == 0
    stored = running.pod(place, "worker")
    assert stored["metadata"]["annotations"]["status.llmjob.dev/verdict"] == "Fits"
    assert terms(stored) == []


def test_a_pod_bound_to_a_node_is_annotated_but_not_steered(running: Any, space: Space) -> None:
    place = space("warn")
    given(running, place, parameters="25B")
    pod = running.new_pod("worker", "job", pool=None, spec={"nodeName": "small-1"})
    assert running.apply(pod, namespace=place).returncode == 0
    stored = running.pod(place, "worker")
    assert "status.llmjob.dev/verdict" in stored["metadata"]["annotations"]
    assert terms(stored) == []


def test_a_bare_pod_that_can_never_fit_is_refused_under_enforce_and_warned_of_under_warn(
    running: Any, space: Space
) -> None:
    place = space("warn")
    given(running, place, pool="small", parameters="13B")
    answer = running.apply(running.new_pod("first", "job", pool="small"), namespace=place)
    assert answer.returncode == 0
    assert "Warning: first: needs 30.9 GiB per GPU" in answer.stderr
    running.cluster.kubectl("label", "namespace", place, "llmjob.dev/enforcement=enforce", "--overwrite")
    running.wait_for_denial(place)
    answer = running.apply(running.new_pod("second", "job", pool="small"), namespace=place)
    assert "denied the request: InsufficientGPUMemory: needs 30.9 GiB" in answer.stderr
    assert not running.cluster.client.exists(f"/api/v1/namespaces/{place}/pods/second")


@pytest.mark.parametrize(("level", "starts"), [("enforce", True), ("strict", False)])
def test_a_controllers_pod_is_denied_only_under_strict(running: Any, space: Space, level: str, starts: bool) -> None:  # noqa: FBT001
    place = space("warn")
    given(running, place, pool="small", parameters="13B")
    running.cluster.kubectl("label", "namespace", place, f"llmjob.dev/enforcement={level}", "--overwrite")
    running.wait_for_denial(place)
    pod = running.new_pod("owned", "job", pool="small")
    owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "rs", "uid": "1", "controller": True}
    pod["metadata"]["ownerReferences"] = [owner]
    answer = running.apply(pod, namespace=place)
    assert (answer.returncode == 0) is starts, answer.stderr
    assert "needs 30.9 GiB per GPU" in answer.stderr


def test_a_pod_with_another_gpu_count_than_its_role_is_told(running: Any, space: Space) -> None:
    place = space("enforce")
    given(running, place)
    answer = running.apply(running.new_pod("worker", "job", gpus=3), namespace=place)
    assert answer.returncode == 0
    assert "Warning: worker: the pod asks for 3 GPUs, its role main for 1" in answer.stderr
    assert running.pod(place, "worker")["metadata"]["annotations"]["status.llmjob.dev/verdict"] == "GPUCountMismatch"


def test_a_pod_that_names_a_job_that_does_not_exist_is_allowed_with_a_warning(running: Any, space: Space) -> None:
    place = space("enforce")
    answer = running.apply(running.new_pod("early", "absent"), namespace=place)
    assert answer.returncode == 0
    assert "there is no LLMJob absent" in answer.stderr
    assert running.pod(place, "early")["metadata"]["annotations"]["status.llmjob.dev/verdict"] == "Pending"


def test_under_strict_a_pod_that_names_a_job_that_does_not_exist_is_denied(running: Any, space: Space) -> None:
    answer = running.apply(running.new_pod("early", "absent"), namespace=space("strict"))
    assert "denied the request: Pending" in answer.stderr


def test_pods_of_no_job_and_pods_without_a_gpu_are_left_alone(running: Any, space: Space) -> None:
    place = space("strict")
    given(running, place)
    assert running.apply(running.new_pod("free", None, pool=None), namespace=place).stderr == ""
    assert running.apply(running.new_pod("cpu", "job", gpus=0, pool=None), namespace=place).stderr == ""
    for name in ("free", "cpu"):
        written = running.pod(place, name)["metadata"].get("annotations", {})
        assert not [key for key in written if key.startswith("status.llmjob.dev/")]


def test_outputs_that_a_user_wrote_are_overwritten(running: Any, space: Space) -> None:
    place = space("warn")
    given(running, place)
    pod = running.new_pod("liar", "job")
    pod["metadata"]["annotations"] = {"status.llmjob.dev/verdict": "Tight", "status.llmjob.dev/need": "1Gi"}
    pod["metadata"]["labels"]["status.llmjob.dev/decided"] = "false"
    running.apply(pod, namespace=place)
    stored = running.pod(place, "liar")["metadata"]
    assert stored["annotations"]["status.llmjob.dev/verdict"] == "Fits"
    assert stored["annotations"]["status.llmjob.dev/need"] != "1Gi"
    assert stored["labels"]["status.llmjob.dev/decided"] == "true"


def test_a_steered_pod_runs_on_a_card_that_is_large_enough(running: Any, space: Space) -> None:
    place = space("warn")
    given(running, place, parameters="25B")
    known = [{"matchExpressions": [{"key": "pool", "operator": "NotIn", "values": ["odd"]}]}]
    affinity = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": known}}}
    running.apply(running.new_pod("worker", "job", pool=None, spec={"affinity": affinity}), namespace=place)
    found = running.eventually(lambda: running.pod(place, "worker")["spec"].get("nodeName"))
    assert found == "big-1", json.dumps(running.pod(place, "worker")["status"])
