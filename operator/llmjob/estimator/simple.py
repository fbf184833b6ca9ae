"""The simple method: an estimate from a parameter count alone.

Source of every rule and constant: Alibaba Cloud PAI, "Simple GPU memory estimator". GB are 10^9 bytes. Each part is
rounded up to a byte after division, then summed: `expected` is that sum. `lower` is the weights alone, because no
denial may rest on rules of thumb; `upper` adds the activations and the KV cache once more, and 1 GB.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import ceil
from typing import Final

from llmjob.estimator.interval import Interval
from llmjob.estimator.model import Model, ModelSource
from llmjob.estimator.result import Basis, Component, ComponentName, Estimate, Unknown
from llmjob.estimator.task import FineTuning, Inference, Task
from llmjob.estimator.vocabulary import (
    ADAPTER_METHODS,
    PLACES_LAYERS,
    SHARDS_GRADIENTS,
    SHARDS_STATES,
    SHARDS_WEIGHTS,
)
from llmjob.names import Reason
from llmjob.quantity import GB

PROFILE: Final = "simple"

_RULE_OF_THUMB: Final = Fraction(1, 10)  # activations, and the KV cache, of the 16-bit weights at one sequence
_RULE_LENGTH: Final = 2048  # tokens of that sequence
_RUNTIME: Final = 2 * GB  # input batch, CUDA context, framework: the tables' figure of "1 to 2 GB"
_RUNTIME_SPREAD: Final = 1 * GB
_SIXTEEN_BIT: Final = Fraction(2)
_GRADIENT_BYTES: Final = Fraction(2)
_ADAPTER_SHARE: Final = Fraction(1, 100)  # trainable share in the seed's tables

_DTYPE_BYTES: Final[Mapping[str, Fraction]] = {
    "FP32": Fraction(4), "FP16": _SIXTEEN_BIT, "BF16": _SIXTEEN_BIT, "FP8": Fraction(1),
}  # fmt: skip
_HALF: Final = Fraction(1, 2)
_QUANTIZED_BYTES: Final[Mapping[str, Fraction]] = {
    "INT8": Fraction(1), "FP8": Fraction(1), "INT4": _HALF, "NF4": _HALF, "AWQ": _HALF, "GPTQ": _HALF,
    "MXFP4": Fraction(17, 32),  # 32 elements of 4 bit and one scale byte
    "NVFP4": Fraction(9, 16),  # 16 elements of 4 bit and one scale byte
}  # fmt: skip
# Bytes of optimizer state per trainable parameter. The seed's table: 4-byte values, AdamW where none is stated; beyond
# it 8-bit Adam keeps two 1-byte moments, Lion and Muon one moment.
OPTIMIZER_BYTES: Final[Mapping[str, int]] = {
    "SGD": 0, "SGDMomentum": 4, "RMSProp": 4, "Adam": 8, "AdamW": 8,
    "Adam8bit": 2, "PagedAdam8bit": 2, "Lion": 4, "Muon": 4,
}  # fmt: skip
_SEED_OPTIMIZERS: Final = ("SGD", "SGDMomentum", "RMSProp", "Adam")
_DEFAULT_OPTIMIZER: Final = "AdamW"
_GGUF_BITS: Final = re.compile(r"I?Q(\d)")


@dataclass(frozen=True, slots=True)
class _Part:
    name: ComponentName
    memory: Interval
    basis: Basis = Basis.RULE_OF_THUMB


@dataclass(frozen=True, slots=True)
class _Precision:
    """Bytes per parameter: what is sure, and what counts."""

    lower: Fraction
    expected: Fraction


def estimate_simple(model: Model, task: Task) -> Estimate | Unknown:
    """Estimate from `model.parameters` (and `active_parameters`) alone; bytes per GPU. Names are canonical.

    Unknown when the model has no count.
    """
    if model.parameters is None:
        return Unknown(
            reason=Reason.MODEL_UNKNOWN,
            field="spec.model",
            message=f"nothing says how many parameters {model.name!r} has; state model.parameters or model.config",
        )
    if isinstance(task, Inference):
        return _inference(model, model.parameters, task)
    return _fine_tuning(model, model.parameters, task)


def scenarios(parameters: int, active_parameters: int | None = None) -> Mapping[str, Estimate]:
    """The seed's seven scenarios, by the names that the command line prints; fine-tuning with Adam."""
    asked: dict[str, tuple[str | None, Task]] = {
        "inference-16bit": (None, Inference()),
        "inference-8bit": ("INT8", Inference()),
        "inference-4bit": ("INT4", Inference()),
        "full": (None, FineTuning(method="Full", optimizer="Adam")),
        "lora": (None, FineTuning(method="LoRA", optimizer="Adam")),
        "qlora-8bit": ("INT8", FineTuning(method="QLoRA", optimizer="Adam")),
        "qlora-4bit": ("INT4", FineTuning(method="QLoRA", optimizer="Adam")),
    }
    found = {}
    for name, (quantization, task) in asked.items():
        model = Model(
            name=name,
            source=ModelSource.PARAMETERS,
            parameters=parameters,
            active_parameters=active_parameters,
            quantization=quantization,
        )
        estimate = estimate_simple(model, task)
        if isinstance(estimate, Estimate):
            found[name] = estimate
    return found


def optimizer_states(parameters: int) -> Mapping[str, tuple[int, int]]:
    """The seed's optimizer table: bytes of state in full fine-tuning and at 1 % trainable, by optimizer."""
    return {
        name: (parameters * OPTIMIZER_BYTES[name], ceil(parameters * OPTIMIZER_BYTES[name] * _ADAPTER_SHARE))
        for name in _SEED_OPTIMIZERS
    }


def _inference(model: Model, parameters: int, task: Inference) -> Estimate:
    degrees = task.parallelism
    warnings = []
    sure = model.source is not ModelSource.NAME
    if task.engine_args:
        sure = False
        warnings.append(f"engineArgs are not read yet and may change the need: {' '.join(task.engine_args)[:200]}")
    if task.engine in PLACES_LAYERS:
        sure = False
        warnings.append(f"how many layers {task.engine} places on the GPU is not stated: all count, none is sure")
    weights = _weights(
        parameters,
        _precision(model),
        degrees.tensor * degrees.pipeline,
        _spread(model, task),
        sure=sure,
        offloaded=False,
    )
    if task.max_model_len is not None:
        length = task.max_model_len
    elif task.input_length is None and task.output_length is None:
        length = _RULE_LENGTH
    else:
        length = (task.input_length or 0) + (task.output_length or 0)
    tokens = (task.batch_size or 1) * length
    activations = _activations(model, parameters, tokens)
    cache = _activations(model, parameters, tokens * (task.concurrency or 1))
    parts = (
        _Part(ComponentName.WEIGHTS, weights, Basis.MODELLED),
        _Part(ComponentName.ACTIVATIONS, _doubted(activations)),
        _Part(ComponentName.KV_CACHE, _doubted(cache)),
    )
    return _estimate(model, parameters, parts, warnings)


def _fine_tuning(model: Model, parameters: int, task: FineTuning) -> Estimate:
    warnings = []
    sure = model.source is not ModelSource.NAME
    method = task.method
    if task.adapter and task.adapter.modules_to_save and method in ADAPTER_METHODS:
        warnings.append(
            "adapter.modulesToSave is not counted: how large these modules are does not follow from a count"
        )
    precision = _precision(model)
    if model.quantization is None and method == "QLoRA":
        precision = _Precision(_QUANTIZED_BYTES["NF4"], _QUANTIZED_BYTES["NF4"])
    elif model.quantization is None and model.dtype is None and task.precision == "FP32":
        precision = _Precision(_DTYPE_BYTES["FP32"], _DTYPE_BYTES["FP32"])

    optimizer = task.optimizer or _DEFAULT_OPTIMIZER
    if optimizer not in OPTIMIZER_BYTES:
        sure = False
        warnings.append(f"the states of {optimizer} do not follow from a parameter count: AdamW's count instead")
    state_bytes = OPTIMIZER_BYTES.get(optimizer, OPTIMIZER_BYTES[_DEFAULT_OPTIMIZER])

    split = task.parallelism.tensor * task.parallelism.pipeline
    strategy = task.sharding.strategy if task.sharding else None
    degree = (task.sharding.degree if task.sharding else None) or task.parallelism.data
    # Where no strategy is stated none counts, but many frameworks shard by default: that much is not sure.
    perhaps = degree * task.parallelism.context if strategy is None else 1
    trainable = parameters * (_ADAPTER_SHARE if method in ADAPTER_METHODS else 1)
    weights = _weights(
        parameters,
        precision,
        split * (degree if strategy in SHARDS_WEIGHTS else 1),
        _spread(model, task) * perhaps,
        sure=sure,
        offloaded="Parameters" in task.offload,
    )
    gradients = ceil(trainable * _GRADIENT_BYTES / (split * (degree if strategy in SHARDS_GRADIENTS else 1)))
    states = ceil(Fraction(trainable * state_bytes) / (split * (degree if strategy in SHARDS_STATES else 1)))
    activations = _activations(model, parameters, (task.micro_batch_size or 1) * (task.sequence_length or _RULE_LENGTH))
    parts = (
        _Part(ComponentName.WEIGHTS, weights, Basis.MODELLED),
        _Part(ComponentName.GRADIENTS, Interval(0, gradients, gradients), Basis.MODELLED),
        _Part(ComponentName.OPTIMIZER_STATES, _kept(states, offloaded="Optimizer" in task.offload), Basis.MODELLED),
        _Part(ComponentName.ACTIVATIONS, _doubted(0 if "Activations" in task.offload else activations)),
    )
    return _estimate(model, parameters, parts, warnings)


def _estimate(model: Model, parameters: int, parts: tuple[_Part, ...], warnings: list[str]) -> Estimate:
    runtime = Interval(0, _RUNTIME, _RUNTIME + _RUNTIME_SPREAD)
    parts = (*parts, _Part(ComponentName.RUNTIME, runtime))
    total = sum((part.memory for part in parts), Interval(0, 0, 0))
    return Estimate(
        per_gpu=total,
        components=tuple(Component(part.name, part.memory, part.basis) for part in parts if part.memory.upper),
        profile=PROFILE,
        parameters=parameters,
        active_parameters=model.active_parameters or parameters,
        warnings=(*model.warnings, *warnings),
    )


def _weights(
    parameters: int, precision: _Precision, split: int, perhaps: int, *, sure: bool, offloaded: bool
) -> Interval:
    """`split` ranks share them surely, `perhaps` times as many at the kindest."""
    if offloaded:
        return Interval(0, 0, 0)
    expected = ceil(parameters * precision.expected / split)
    lower = min(expected, ceil(parameters * precision.lower / (split * perhaps))) if sure else 0
    return Interval(lower, expected, expected)


def _spread(model: Model, task: Task) -> int:
    """Times that experts are spread over more ranks than tensor parallelism's, at the most.

    In serving vLLM deals them to all ranks of tensor and data parallelism, whatever degree is stated.
    """
    degrees = task.parallelism
    if model.active_parameters is None or degrees.expert == 1:
        return 1
    return degrees.expert if isinstance(task, FineTuning) else max(degrees.data, ceil(degrees.expert / degrees.tensor))


def _precision(model: Model) -> _Precision:
    if model.quantization is None:
        stated = _DTYPE_BYTES[model.dtype] if model.dtype else _SIXTEEN_BIT
        return _Precision(stated, stated)
    if model.quantization in _QUANTIZED_BYTES:
        stated = _QUANTIZED_BYTES[model.quantization]
        return _Precision(stated, stated)
    # A GGUF type is named after the bits of an element; scales, and the larger types that a mix gives to some tensors,
    # come on top and stay under 1.5 bits (bits per weight in tools/quantize/README.md of ggml-org/llama.cpp).
    match = _GGUF_BITS.match(model.quantization)
    bits = int(match.group(1)) if match else 0
    return _Precision(Fraction(bits, 8), Fraction(2 * bits + 3, 16))


def _activations(model: Model, parameters: int, tokens: int) -> int:
    """10 % of the 16-bit weights that one token uses, by 2,048 tokens; the KV cache follows the same rule."""
    used = model.active_parameters or parameters
    return ceil(used * _SIXTEEN_BIT * _RULE_OF_THUMB * Fraction(tokens, _RULE_LENGTH))


def _doubted(amount: int) -> Interval:
    return Interval(0, amount, 2 * amount)


def _kept(amount: int, *, offloaded: bool) -> Interval:
    return Interval(0, 0, 0) if offloaded else Interval(0, amount, amount)
