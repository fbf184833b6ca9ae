"""The model's tensors on one GPU, as a serving engine holds them."""

import re
from dataclasses import dataclass
from fractions import Fraction
from math import ceil
from typing import Final

from llmjob.estimator.architecture import Architecture
from llmjob.estimator.interval import Interval
from llmjob.estimator.model import Model
from llmjob.estimator.parts import Part
from llmjob.estimator.result import Basis, ComponentName
from llmjob.estimator.shape import quantization_of
from llmjob.estimator.task import Inference, Parallelism
from llmjob.estimator.weights import HeldWeights, weights

_GGUF_BITS: Final = re.compile(r"I?Q(\d)")


_PLAIN_BYTES: Final = 2
# No source: a rule of thumb for padding and for matrices that an engine gives room to besides the linears.
_SLOT_RESIDUAL: Final = Fraction(1, 5)


@dataclass(frozen=True, slots=True)
class _Bits:
    """Bits per element of a mixed type: at least, expected, at most."""

    lower: Fraction
    expected: Fraction
    upper: Fraction


def held_weights(
    model: Model, architecture: Architecture, degrees: Parallelism, *, copies_head: bool = False
) -> HeldWeights:
    """Bytes on one GPU of the worst rank, by the stated dtype and quantisation, else the checkpoint's own.

    `copies_head`: the engine may hold a quantised checkpoint's head apart from the embedding it is tied to.
    """
    quantization = model.quantization or ("FP8" if model.dtype == "FP8" else None)
    if quantization is not None and _GGUF_BITS.match(quantization):
        return _mixed(architecture, quantization, degrees)
    held = weights(architecture, dtype=model.dtype, quantization=quantization, parallelism=degrees)
    twice = 0
    if copies_head and architecture.tied and quantization_of(model, architecture) is not None:
        twice = architecture.embedding_parameters * _PLAIN_BYTES // degrees.tensor
    memory = held.memory
    return HeldWeights(Interval(memory.lower, memory.expected, memory.upper + twice), held.basis)


def adapter_slots(architecture: Architecture, task: Inference) -> Part:
    """Room for LoRA adapters that a server keeps loaded: A and B in 16 bit on every dense matrix of every block.

    B is divided over tensor-parallel ranks, A is not; which matrices an engine gives room to varies, so nothing of it
    counts in the lower bound.
    """
    held = 0
    if task.adapters is not None:
        per_rank = 0
        for run in architecture.layers:
            matrices = [weight for weight in run.block.weights if weight.linear and weight.copies == 1]
            inputs = sum(weight.inputs for weight in matrices)
            outputs = sum(-(-weight.outputs // task.parallelism.tensor) for weight in matrices)
            per_rank += run.count * (inputs + outputs)
        held = -(
            -per_rank * _PLAIN_BYTES * task.adapters.max_rank * task.adapters.max_loaded // task.parallelism.pipeline
        )
    return Part(
        name=ComponentName.ADAPTERS,
        lower=0,
        expected=held,
        upper=held,
        above=ceil(held * _SLOT_RESIDUAL),
        basis=Basis.RULE_OF_THUMB,
    )


def _mixed(architecture: Architecture, name: str, degrees: Parallelism) -> HeldWeights:
    """A GGUF type: named after the bits of most elements; scales, and larger types for some tensors, come on top.

    Source: bits per weight in tools/quantize/README.md of ggml-org/llama.cpp (Llama-3.1-8B: Q4_K_M 4.89, Q8_0 8.50,
    Q2_K 3.16, IQ1_S 2.00): every type has 0.25 to 1.3 bits more than its name. A rule of thumb until headers are read.
    """
    match = _GGUF_BITS.match(name)
    bits = int(match.group(1)) if match else 16
    mix = _Bits(Fraction(bits), bits + Fraction(3, 4), bits + Fraction(3, 2))
    split = degrees.tensor * degrees.pipeline
    low, middle, high = (
        ceil(architecture.parameters * share / 8 / split) for share in (mix.lower, mix.expected, mix.upper)
    )
    return HeldWeights(Interval(low, middle, high), Basis.RULE_OF_THUMB)
