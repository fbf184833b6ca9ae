"""The activations of one engine step: what a serving engine holds besides weights and KV cache at its peak.

Source of the formulas: fits to public start-up logs (profiles/*.toml name them and their residuals), γ the bytes of the
dtype, N sequences and T tokens of a step, W the tensor-parallel degree:

    sample  = N·V·(c + γ) + T·h·γ + base      the sampler's probabilities over the vocabulary, never divided by W
    forward = T·(a·h + b·ffn/W)·γ             one layer's inputs and feed-forward
    peak    = max(sample, forward) + T·topk·(max(2I, h) + max(I, h))·2, I divided by W, for mixtures of experts
"""

from dataclasses import dataclass
from enum import IntEnum
from fractions import Fraction
from math import ceil
from typing import Final

from llmjob.estimator.profiles import ActivationRule

_WORKSPACE_BYTES: Final = 2  # of an element of the fused experts' workspace


class Corner(IntEnum):
    """Which of a constant's three values counts."""

    LOW = 0
    EXPECTED = 1
    HIGH = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class StepShape:
    """What of a model decides the memory of a step.

    `feed_forward` is the widest dense feed-forward, 0 without one; `expert_width` and `experts_per_token` are 0 where
    there are no experts; `expert_workspace` is false for kernels that need none (MXFP4); `eight_bit` says that
    activations are quantised to 8 bits before the matrix products (FP8, INT8 weights and activations).
    """

    hidden: int
    vocabulary: int
    layers: int
    feed_forward: int
    dtype_bytes: int
    experts_per_token: int = 0
    expert_width: int = 0
    expert_workspace: bool = True
    multimodal: bool = False
    eight_bit: bool = False


@dataclass(frozen=True, slots=True)
class StepPeak:
    """Bytes at the peak of a step, by part: `logits` is 0 where the forward decides, `sampled` what they would be."""

    activations: int
    logits: int
    sampled: int

    @property
    def total(self) -> int:
        return self.activations + self.logits


def step_peak(
    shape: StepShape,
    rule: ActivationRule,
    *,
    sequences: int,
    tokens: int,
    tensor: int = 1,
    pipeline: int = 1,
    corner: Corner = Corner.EXPECTED,
) -> StepPeak:
    """The peak of one step of `sequences` and `tokens` on the worst rank, in bytes; see the module for the formula."""
    hidden = tokens * shape.hidden * shape.dtype_bytes
    logits = ceil(sequences * shape.vocabulary * (rule.logits_bytes + rule.logits_copies * shape.dtype_bytes))
    sample_rest = hidden + rule.base + (rule.receive_copies * hidden if pipeline > 1 else 0)
    forward = rule.hidden_copies * hidden + ceil(
        Fraction(rule.ffn_copies * tokens * shape.feed_forward * shape.dtype_bytes, tensor)
    )
    if shape.eight_bit and corner is not Corner.LOW:
        forward += ceil(rule.quantized_copies * tokens * (shape.hidden + Fraction(shape.feed_forward, tensor)))
    rest = _experts(shape, rule, tokens, tensor, corner)
    if shape.multimodal:
        encoder = (rule.encoder.low, rule.encoder.expected, rule.encoder.high)[corner]
        rest += (rule.multimodal_copies * hidden if corner is not Corner.LOW else 0) + encoder
    if logits + sample_rest >= forward:
        return StepPeak(sample_rest + rest, logits, logits)
    return StepPeak(forward + rest, 0, logits)


def _experts(shape: StepShape, rule: ActivationRule, tokens: int, tensor: int, corner: Corner) -> int:
    """The workspace of fused experts: two buffers of every routed token."""
    if not shape.expert_workspace or not shape.experts_per_token:
        return 0
    width = ceil(Fraction(shape.expert_width, tensor))
    row = max(2 * width, shape.hidden) + max(width, shape.hidden)
    return ceil(rule.experts[corner] * tokens * shape.experts_per_token * row * _WORKSPACE_BYTES)
