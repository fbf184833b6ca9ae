"""The peak of a step against figures that vLLM 0.19.0 logged on an H100 (llm-d-planner's public runs)."""

from dataclasses import replace

import pytest

from llmjob.estimator.activations import Corner, StepShape, step_peak
from llmjob.estimator.profiles import load_profile
from llmjob.quantity import GiB

RULE = load_profile("vllm-0.19").activation
LLAMA_8B = StepShape(hidden=4096, vocabulary=128256, layers=32, feed_forward=14336, dtype_bytes=2)
GRANITE_8B = StepShape(hidden=4096, vocabulary=49155, layers=40, feed_forward=12800, dtype_bytes=2)
MIXTRAL = StepShape(
    hidden=4096, vocabulary=32000, layers=32, feed_forward=0, dtype_bytes=2, experts_per_token=2, expert_width=14336
)
MISTRAL_SMALL = StepShape(
    hidden=5120, vocabulary=131072, layers=40, feed_forward=32768, dtype_bytes=2, multimodal=True, eight_bit=True
)


def peak(shape: StepShape, *, tensor: int = 1, pipeline: int = 1, corner: Corner = Corner.EXPECTED) -> float:
    asked = step_peak(shape, RULE, sequences=1024, tokens=8192, tensor=tensor, pipeline=pipeline, corner=corner)
    return asked.total / GiB


@pytest.mark.parametrize(
    ("shape", "tensor", "pipeline", "measured"),
    [
        (LLAMA_8B, 1, 1, 1.89),
        (replace(LLAMA_8B, dtype_bytes=4), 1, 1, 2.21),
        (LLAMA_8B, 4, 1, 1.89),
        (LLAMA_8B, 1, 2, 2.01),
        (GRANITE_8B, 1, 1, 0.85),
        (MIXTRAL, 2, 1, 1.21),
    ],
    ids=["sampler decides", "FP32", "the sampler is not divided", "last pipeline rank", "forward decides", "experts"],
)
def test_the_peak_is_within_two_percent_of_the_log(
    shape: StepShape, tensor: int, pipeline: int, measured: float
) -> None:
    assert peak(shape, tensor=tensor, pipeline=pipeline) == pytest.approx(measured, rel=0.02)


def test_eight_bit_activations_and_an_image_encoder_are_held_besides() -> None:
    assert peak(MISTRAL_SMALL) == pytest.approx(2.18, rel=0.04)
    assert peak(replace(MISTRAL_SMALL, eight_bit=False)) < 2.1


def test_the_kindest_corner_has_no_encoder_and_no_copies() -> None:
    plain = replace(MISTRAL_SMALL, eight_bit=False, multimodal=False)
    assert peak(MISTRAL_SMALL, corner=Corner.LOW) == peak(plain, corner=Corner.LOW)
    assert peak(MISTRAL_SMALL, corner=Corner.HIGH) > peak(MISTRAL_SMALL)


def test_mxfp4_kernels_hold_no_workspace() -> None:
    without = peak(replace(MIXTRAL, expert_workspace=False), tensor=2)
    routed = 8192 * 2
    assert (peak(MIXTRAL, tensor=2) - without) * GiB == routed * (2 * 7168 + 7168) * 2


def test_logits_are_named_apart_only_where_the_sampler_decides() -> None:
    sampled = step_peak(LLAMA_8B, RULE, sequences=1024, tokens=8192)
    assert sampled.logits == 1024 * 128256 * 29 // 2
    forwarded = step_peak(GRANITE_8B, RULE, sequences=1024, tokens=8192)
    assert forwarded.logits == 0
    assert forwarded.activations == 8192 * (4 * 4096 + 3 * 12800) * 2


def test_older_versions_hold_three_copies_of_the_probabilities() -> None:
    """37.5 bytes per sequence and vocabulary entry: 4.76 GiB logged by vLLM 0.11 (row I0214)."""
    old = load_profile("vllm-0.11").activation
    assert step_peak(LLAMA_8B, old, sequences=1024, tokens=8192).total / GiB == pytest.approx(4.76, rel=0.02)
