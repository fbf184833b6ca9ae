"""Each row of the decision table for LLMJobs, asked of the real API server: its answer and the stored object."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

Space = Callable[..., str]

# Reason → a job for it. T4 shows 14.6 GiB to processes, an L4 22.2, an A100 79.1; the simple method's lower bound is
# the weights alone: 7B in 16 bit 13.04 GiB, 13B 24.2.
JOBS: dict[str, dict[str, Any]] = {
    "Fits": {"pool": "big", "parameters": "7B"},
    "Tight": {"pool": "small", "parameters": "7B"},
    "InsufficientGPUMemory": {"pool": "small", "parameters": "13B"},
    "NotEnoughGPUsPerNode": {"pool": "small", "parameters": "1B", "spec": {"parallelism": {"tensor": 2}}},
    "NoEligibleGPU": {"pool": "nowhere", "parameters": "1B"},
    "InventoryUnknown": {"pool": "odd", "parameters": "1B"},
    "ModelUnknown": {"pool": "big", "parameters": None, "spec": {"model": {"id": "acme/mystery"}}},
}
DENIED = {"InsufficientGPUMemory", "NotEnoughGPUsPerNode"}


@pytest.fixture
def incomplete(running: Any) -> Iterator[None]:
    """An inventory that nobody calls complete, until the test ends."""
    running.set_settings("inventory: {complete: false}\n")
    yield
    running.set_settings("inventory: {complete: true}\n")
    running.wait_for_denial()


@pytest.mark.parametrize("reason", JOBS)
def test_warn_allows_each_verdict_and_says_what_is_wrong(running: Any, space: Space, reason: str) -> None:
    place = space("warn")
    answer = running.apply(running.llmjob("job", **JOBS[reason]), namespace=place)
    assert answer.returncode == 0, answer.stderr
    assert ("Warning: job:" in answer.stderr) is (reason != "Fits")
    stored = running.judged(place, "job")
    assert stored["status"]["summary"]["reason"] == reason


@pytest.mark.parametrize("reason", JOBS)
def test_enforce_denies_what_can_never_fit_and_nothing_else(running: Any, space: Space, reason: str) -> None:
    place = space("enforce")
    answer = running.apply(running.llmjob("job", **JOBS[reason]), namespace=place)
    assert (answer.returncode != 0) is (reason in DENIED), answer.stderr
    if reason in DENIED:
        assert "Error from server (Forbidden)" in answer.stderr
        assert f"denied the request: {reason}: needs " in answer.stderr
        assert not running.cluster.client.exists(running.job_path(place, "job"))
    else:
        assert ("Warning: job:" in answer.stderr) is (reason != "Fits")
        assert running.judged(place, "job")["status"]["summary"]["reason"] == reason


@pytest.mark.parametrize("level", ["audit", "off"])
def test_audit_and_off_allow_without_a_word(running: Any, space: Space, level: str) -> None:
    place = space(level)
    answer = running.apply(running.llmjob("job", **JOBS["InsufficientGPUMemory"]), namespace=place)
    assert (answer.returncode, answer.stderr) == (0, "")


@pytest.mark.parametrize("label", [None, "nonsense"])
def test_without_a_known_word_the_namespace_has_the_operators_default_which_is_warn(
    running: Any, space: Space, label: str | None
) -> None:
    answer = running.apply(running.llmjob("job", **JOBS["InsufficientGPUMemory"]), namespace=space(label))
    assert answer.returncode == 0
    assert "Warning: job: needs 30.9 GiB per GPU" in answer.stderr


def test_a_job_may_tighten_its_namespaces_level(running: Any, space: Space) -> None:
    job = running.llmjob("job", pool="small", parameters="13B", spec={"enforcement": "Enforce"})
    answer = running.apply(job, namespace=space("warn"))
    assert "denied the request: InsufficientGPUMemory" in answer.stderr


def test_a_job_cannot_loosen_its_namespaces_level(running: Any, space: Space) -> None:
    job = running.llmjob("job", pool="small", parameters="13B", spec={"enforcement": "Audit"})
    answer = running.apply(job, namespace=space("enforce"))
    assert "denied the request: InsufficientGPUMemory" in answer.stderr


def test_a_405b_full_fine_tune_is_refused_by_every_node_of_the_fleet(running: Any, space: Space) -> None:
    spec = {
        "model": {"parameters": "405B"},
        "inference": None,
        "fineTuning": {"method": "Full", "sharding": {"strategy": "FSDP", "degree": 8}},
    }
    job = running.llmjob("huge", pool="big", parameters=None, spec=spec)
    del job["spec"]["inference"]
    answer = running.apply(job, namespace=space("enforce"))
    assert "denied the request: InsufficientGPUMemory" in answer.stderr


def test_a_denial_carries_the_field_and_the_advice_as_causes(running: Any, space: Space) -> None:
    place = space("enforce")
    job = running.llmjob("job", **JOBS["InsufficientGPUMemory"])
    status = running.refusal(f"/apis/llmjob.dev/v1alpha1/namespaces/{place}/llmjobs", job)
    assert (status["code"], status["reason"]) == (403, "Forbidden")
    causes = {cause["field"]: cause["message"] for cause in status["details"]["causes"]}
    assert causes["spec"].startswith("needs 30.9 GiB per GPU (24.2–36.7)")
    assert causes["spec.scheduling"]


def test_an_unchanged_job_is_never_denied_but_a_changed_one_is(running: Any, space: Space) -> None:
    place = space("warn")
    job = running.llmjob("job", **JOBS["InsufficientGPUMemory"])
    assert running.apply(job, namespace=place).returncode == 0
    running.cluster.kubectl("label", "namespace", place, "llmjob.dev/enforcement=enforce", "--overwrite")
    running.wait_for_denial(place)
    relabelled = {**job, "metadata": {"name": "job", "labels": {"team": "research"}}}
    answer = running.apply(relabelled, namespace=place)
    assert (answer.returncode, answer.stderr) == (0, "")
    answer = running.apply(running.llmjob("job", pool="small", parameters="13.0B"), namespace=place)
    assert answer.returncode == 0, answer.stderr
    assert "Warning: job:" in answer.stderr
    answer = running.apply(running.llmjob("job", pool="small", parameters="14B"), namespace=place)
    assert "denied the request: InsufficientGPUMemory" in answer.stderr


def test_numbers_that_contradict_the_model_are_invalid_and_name_the_field(running: Any, space: Space) -> None:
    place = space("warn")
    config = {
        "model_type": "llama", "hidden_size": 256, "num_hidden_layers": 2, "num_attention_heads": 4,
        "intermediate_size": 512, "vocab_size": 1000, "max_position_embeddings": 2048,
    }  # fmt: skip
    spec = {"model": {"config": config}, "parallelism": {"tensor": 8}}
    job = running.llmjob("job", parameters=None, spec=spec)
    status = running.refusal(f"/apis/llmjob.dev/v1alpha1/namespaces/{place}/llmjobs", job)
    assert status["code"] == 422
    assert [cause["field"] for cause in status["details"]["causes"]] == ["spec.parallelism.tensor"]


@pytest.mark.usefixtures("incomplete")
def test_an_inventory_not_known_to_be_complete_denies_nobody(running: Any, space: Space) -> None:
    place = space("enforce")

    def allowed() -> bool:
        answer = running.apply(running.llmjob("job", **JOBS["InsufficientGPUMemory"]), namespace=place)
        return answer.returncode == 0 and "Warning: job:" in answer.stderr

    running.eventually(allowed)
    running.eventually(lambda: running.judged(place, "job")["status"]["summary"]["reason"] == "IncompleteInventory")


def test_a_stale_view_denies_nobody(running: Any, space: Space) -> None:
    place = space("enforce")
    running.set_settings("inventory: {complete: true}\nviews: {maxAge: 1ms}\n")
    try:

        def allowed() -> bool:
            answer = running.apply(running.llmjob("job", **JOBS["InsufficientGPUMemory"]), namespace=place)
            return answer.returncode == 0 and "too old to refuse" in answer.stderr

        running.eventually(allowed)
    finally:
        running.set_settings("inventory: {complete: true}\n")
        running.wait_for_denial()


def test_the_kill_switch_lets_everything_through_silently(running: Any, space: Space) -> None:
    place = space("enforce")
    running.set_settings("enabled: false\ninventory: {complete: true}\n")
    try:

        def silent() -> bool:
            answer = running.apply(running.llmjob("job", **JOBS["InsufficientGPUMemory"]), namespace=place)
            return (answer.returncode, answer.stderr) == (0, "")

        running.eventually(silent)
    finally:
        running.set_settings("inventory: {complete: true}\n")
        running.wait_for_denial()
