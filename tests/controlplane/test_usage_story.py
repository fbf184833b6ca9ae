"""The script of the demonstration's third act: who drifts, who dies, and where the figures come from."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from controlplane.act_three import failed
from controlplane.nodes import A100_80GB, H100, L4, T4
from controlplane.usage_story import DEATH, DRIFTING, EXHAUSTED, HOUR, MINUTE, last_words, uses
from llmjob.observation.out_of_memory import read_text
from llmjob.observation.signatures import Cause

MIB, GIB = 2**20, 2**30
EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
CARDS = {card.product: card.memory * MIB for card in (T4, L4, A100_80GB, H100)}
PLACES = {
    "llama-70b-serving-0": H100, "llama-8b-lora-0": A100_80GB, "llama-8b-lora-1": L4, "qwen3-8b-serving-0": L4,
    "qwen3-small-serving-0": T4,
}  # fmt: skip


@pytest.fixture(scope="module")
def pods() -> list[dict[str, Any]]:
    """Those of the first act, on a card each that holds them."""
    found = [
        document
        for file in sorted(EXAMPLES.glob("*.yaml"))
        for document in yaml.safe_load_all(file.read_text(encoding="utf-8"))
        if document["kind"] == "Pod"
    ]
    for pod in found:
        pod["spec"]["nodeName"] = PLACES.get(pod["metadata"]["name"], H100).product
    return found


def peak(name: str, pods: list[dict[str, Any]], until: float = HOUR) -> int:
    """The most that a pod's first GPU has in use by then."""
    course = uses(pods, CARDS)[name].gpus[0]
    return max(course(second) for second in range(int(until) + 1))


def test_each_pod_has_a_course_for_each_of_its_gpus(pods: list[dict[str, Any]]) -> None:
    found = uses(pods, CARDS)
    assert found.keys() == {pod["metadata"]["name"] for pod in pods}
    assert {name for name, use in found.items() if len(use.gpus) == 2} == {"llama-70b-serving-0"}


def test_training_uses_what_was_measured_of_it_unless_it_drifts_or_dies(pods: list[dict[str, Any]]) -> None:
    measured = {
        pod["metadata"]["name"]: int(pod["metadata"]["annotations"]["examples.llmjob.dev/measured-bytes"])
        for pod in pods
    }
    for name in (f"{DRIFTING}-1", f"{DRIFTING}-2", f"{EXHAUSTED}-0"):
        assert peak(name, pods) == measured[name]
    assert peak(f"{DRIFTING}-0", pods, 15 * MINUTE) == measured[f"{DRIFTING}-0"]
    assert peak(f"{DRIFTING}-0", pods) == 66 * GIB


def test_the_pod_on_the_smallest_card_dies_when_it_is_full(pods: list[dict[str, Any]]) -> None:
    found = uses(pods, CARDS)
    assert [name for name, use in found.items() if use.dies] == [f"{EXHAUSTED}-1"]
    course = found[f"{EXHAUSTED}-1"].gpus[0]
    assert course(DEATH - 0.001) == pytest.approx(CARDS[L4.product], rel=1e-3)
    assert course(DEATH) == 0


def test_an_engine_needs_its_weights_its_batch_and_what_of_its_pool_was_used(pods: list[dict[str, Any]]) -> None:
    """Figures of vLLM's log on an H100: 15.27 + 0.25 + 0.51 + 0.96 GiB beside the pool, 147,456 bytes a token."""
    use = uses(pods, CARDS)["qwen3-8b-serving-0"]
    assert use.engine is not None
    highest = max(use.engine.usage(second) for second in range(int(HOUR)))
    unused = (use.engine.tokens or 0) * 147456 * (1 - highest)
    # An L4 batches a quarter of the H100's tokens, which took 2.21 GiB.
    need = (15.27 + 0.25 + 0.51 + 0.96 + 2.21 / 4) * GIB + 16384 * 147456
    assert use.gpus[0].peak < CARDS[L4.product]
    assert use.gpus[0].peak - unused == pytest.approx(need, rel=1e-3)
    large = uses(pods, CARDS)["qwen3-8b-serving-1"]
    assert large.engine is not None
    assert (large.engine.tokens or 0) == pytest.approx(418688, rel=1e-3)


def test_an_engine_that_nobody_logged_fills_its_card_and_is_not_scraped(pods: list[dict[str, Any]]) -> None:
    use = uses(pods, CARDS)["qwen3-small-serving-0"]
    assert use.engine is None
    assert use.gpus[0].peak == round(0.9 * CARDS[T4.product])


def test_the_last_words_are_of_a_gpu_without_memory_and_fit_what_a_kubelet_keeps() -> None:
    text = last_words(CARDS[L4.product])
    assert read_text(text).cause is Cause.GPU_OUT_OF_MEMORY
    assert "total capacity of 22.04 GiB" in text
    assert len(text) < 2048


@pytest.mark.parametrize(("policy", "kept"), [("FallbackToLogsOnError", True), ("File", False)])
def test_a_failed_pod_keeps_the_end_of_its_log_only_where_its_spec_says_so(policy: str, *, kept: bool) -> None:
    running = {"name": "main", "restartCount": 0, "ready": True, "state": {"running": {"startedAt": "t"}}}
    conditions = [{"type": "Ready", "status": "True"}, {"type": "PodScheduled", "status": "True"}]
    pod = {
        "spec": {"containers": [{"name": "main", "terminationMessagePolicy": policy}]},
        "status": {"phase": "Running", "conditions": conditions, "containerStatuses": [running]},
    }
    status = failed(pod, 3000 * "x" + "end", datetime(2026, 1, 2, tzinfo=UTC))
    [container] = status["containerStatuses"]
    ended = container["state"]["terminated"]
    assert (status["phase"], container["ready"], container["restartCount"]) == ("Failed", False, 0)
    assert (ended["exitCode"], ended["startedAt"], ended["finishedAt"]) == (1, "t", "2026-01-02T00:00:00Z")
    assert ended.get("message") == (2045 * "x" + "end" if kept else None)
    assert {item["type"]: item["status"] for item in status["conditions"]} == {"Ready": "False", "PodScheduled": "True"}
