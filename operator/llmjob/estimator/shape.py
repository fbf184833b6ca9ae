"""What of an architecture decides the memory of an engine's step."""

from typing import Final

from llmjob.estimator.activations import StepShape
from llmjob.estimator.architecture import Architecture
from llmjob.estimator.model import Model
from llmjob.estimator.quantization import DTYPE_BYTES

_EIGHT_BIT: Final = frozenset({"FP8", "INT8"})


def step_shape(model: Model, architecture: Architecture) -> StepShape:
    """The widest of each part over the model's layers; a layer that mixes both counts both."""
    blocks = [run.block for run in architecture.layers]
    dense = [block.feed_forward.width for block in blocks if block.feed_forward]
    experts = [block.experts for block in blocks if block.experts]
    widest = max(experts, key=lambda expert: expert.top_k * expert.width, default=None)
    quantization = quantization_of(model, architecture)
    own = architecture.quantization
    return StepShape(
        hidden=architecture.hidden_size,
        vocabulary=architecture.vocab_size,
        layers=architecture.num_layers,
        feed_forward=max((*dense, *(expert.shared_width for expert in experts)), default=0),
        dtype_bytes=DTYPE_BYTES[activation_dtype(model, architecture)],
        experts_per_token=widest.top_k if widest else 0,
        expert_width=widest.width if widest else 0,
        expert_workspace=quantization != "MXFP4",
        multimodal=architecture.multimodal,
        eight_bit=bool(_EIGHT_BIT & (own.methods if own and own.method == quantization else {quantization})),
    )


def quantization_of(model: Model, architecture: Architecture) -> str | None:
    """The quantisation that counts: the stated one, else the checkpoint's own."""
    if model.quantization is not None:
        return model.quantization
    return architecture.quantization.method if architecture.quantization else None


def activation_dtype(model: Model, architecture: Architecture) -> str:
    """The dtype of activations: the stated one, else the checkpoint's; 8-bit weights compute in 16 bit."""
    dtype = model.dtype or architecture.dtype or "BF16"
    return "BF16" if dtype == "FP8" else dtype
