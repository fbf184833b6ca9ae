"""Overheads against what vLLM 0.19.0 logged on an H100 (llm-d-planner's public runs)."""

import pytest

from llmjob.estimator.activations import StepShape
from llmjob.estimator.overhead import overhead
from llmjob.estimator.profiles import load_profile
from llmjob.quantity import GiB

PROFILE = load_profile("vllm-0.19")
LLAMA_8B = StepShape(hidden=4096, vocabulary=128256, layers=32, feed_forward=14336, dtype_bytes=2)
QWEN3_30B = StepShape(
    hidden=2048, vocabulary=151936, layers=48, feed_forward=0, dtype_bytes=2, experts_per_token=8, expert_width=768
)


@pytest.mark.parametrize(
    ("tensor", "pipeline", "non_torch", "in_use"), [(1, 1, 0.25, 0.51), (2, 1, 2.07, 1.53), (4, 1, 2.13, 1.55)]
)
def test_the_measured_overheads_are_inside(tensor: int, pipeline: int, non_torch: float, in_use: float) -> None:
    found = overhead(LLAMA_8B, PROFILE, tensor=tensor, pipeline=pipeline)
    assert found.non_torch.lower <= non_torch * GiB <= found.non_torch.upper
    assert found.in_use.lower <= in_use * GiB <= found.in_use.upper


def test_one_gpu_has_no_communication_and_several_have() -> None:
    assert overhead(LLAMA_8B, PROFILE, tensor=1, pipeline=1).communication.upper == 0
    assert overhead(LLAMA_8B, PROFILE, tensor=2, pipeline=1).communication.expected > GiB
    assert overhead(LLAMA_8B, PROFILE, tensor=1, pipeline=2).communication.expected > 0


@pytest.mark.parametrize(
    ("shape", "pipeline", "measured"), [(LLAMA_8B, 1, 0.91), (QWEN3_30B, 1, 1.41), (LLAMA_8B, 4, 0.51)]
)
def test_cuda_graphs_follow_layers_width_and_experts(shape: StepShape, pipeline: int, measured: float) -> None:
    graphs = overhead(shape, PROFILE, tensor=1, pipeline=pipeline).graphs
    assert graphs.expected / GiB == pytest.approx(measured, abs=0.1)


def test_eager_execution_has_no_graphs_and_an_unknown_mode_perhaps_none() -> None:
    assert overhead(LLAMA_8B, PROFILE, tensor=1, pipeline=1, eager=True).graphs.upper == 0
    unknown = overhead(LLAMA_8B, PROFILE, tensor=1, pipeline=1, eager=None).graphs
    assert unknown.lower == 0
    assert unknown.expected > 0


def test_memory_in_use_at_start_follows_the_cards_context() -> None:
    """A process holds 141 MiB on a T4, 694 on an L4 and 0.51 GiB on an H100 before its first tensor."""
    on = {
        product: overhead(LLAMA_8B, PROFILE, tensor=1, pipeline=1, product=product).in_use
        for product in ("Tesla-T4", "NVIDIA-L4", "NVIDIA-H100-80GB-HBM3", None)
    }
    assert on["NVIDIA-H100-80GB-HBM3"].expected / GiB == pytest.approx(0.51, abs=0.001)
    assert on["Tesla-T4"].expected / GiB == pytest.approx(141 / 1024, abs=0.001)
    assert on["NVIDIA-L4"].expected / GiB == pytest.approx(694 / 1024, abs=0.001)
    assert on[None].lower <= min(found.lower for found in on.values())
    assert on[None].upper >= max(found.upper for found in on.values())
