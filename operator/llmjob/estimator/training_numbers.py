"""How a fine-tuning job may hold numbers: bytes of weights, of the residual stream and of what linears compute in."""

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Final

from llmjob.estimator import training_profile
from llmjob.estimator.model import Model
from llmjob.estimator.quantized_blocks import mean_element
from llmjob.estimator.task import FineTuning
from llmjob.estimator.training_profile import FrameworkRule, Spread
from llmjob.estimator.training_setting import Elements
from llmjob.estimator.vocabulary import ADAPTER_METHODS, SHARDS_WEIGHTS, TRAINED_DEQUANTIZED

HALF: Final = 2  # bytes of a 16-bit element
SINGLE: Final = 4  # bytes of an FP32 element
_FULLY_SHARDED: Final = frozenset({"FSDP", "HSDP"})
_MASTERED: Final = frozenset({"ZeRO1", "ZeRO2", "ZeRO3"})


@dataclass(frozen=True, slots=True)
class HeldNumbers:
    """A way to hold numbers: `elements`, and what a trainable base parameter has besides."""

    elements: Elements
    trained: int
    gradient: int
    masters: int = 0


def quantization_of(model: Model) -> str | None:
    """As stated, else the checkpoint's own."""
    if model.quantization is not None:
        return model.quantization
    architecture = model.architecture
    stored = architecture.quantization.method if architecture and architecture.quantization else None
    return None if stored in TRAINED_DEQUANTIZED else stored


def held_numbers(model: Model, task: FineTuning, rule: FrameworkRule) -> tuple[HeldNumbers, ...]:
    """Every way a job with canonical names may hold its numbers, the expected one first."""
    if task.method in ADAPTER_METHODS:
        return tuple(HeldNumbers(elements, SINGLE, SINGLE) for elements in _frozen(model, task, rule))
    if task.precision == "FP32":
        return (HeldNumbers(_plain(SINGLE), SINGLE, SINGLE),)
    pure = HeldNumbers(_plain(HALF), HALF, HALF)
    if task.precision in {"BF16", "FP16"}:
        return (pure,)
    mixed = _mixed(model, task)
    if model.dtype == "FP32":
        return mixed[:1]
    # In which dtype the weights are loaded where that is not stated varies: FP32 in Transformers 4, as stored in 5.
    return mixed if task.precision else (*mixed, pure)


def _mixed(model: Model, task: FineTuning) -> tuple[HeldNumbers, ...]:
    """Ways to train in mixed precision, the one that the framework, the sharding or the dtype says first."""
    strategy = task.sharding.strategy if task.sharding else None
    if strategy in _MASTERED or task.framework in {"DeepSpeed", "Megatron"}:
        # 16-bit parameters and gradients; FP32 masters and states with the optimizer.
        return (HeldNumbers(_plain(HALF), SINGLE, HALF, masters=SINGLE),)
    cast_halves = HeldNumbers(Elements(matrices=Fraction(HALF), others=HALF, autocast=True), HALF, HALF)
    masters = Elements(matrices=Fraction(SINGLE), others=SINGLE)
    if strategy in _FULLY_SHARDED:
        # FSDP keeps FP32 shards whatever was loaded, and gathers and computes in 16 bit.
        return (HeldNumbers(masters, SINGLE, SINGLE), cast_halves)
    if model.dtype in {"BF16", "FP16"}:
        return (cast_halves,)
    masters = replace(masters, stream=SINGLE, autocast=True)
    return (HeldNumbers(masters, SINGLE, SINGLE), cast_halves)


def _frozen(model: Model, task: FineTuning, rule: FrameworkRule) -> tuple[Elements, ...]:
    """Ways to hold a frozen base: as stored, or quantised with or without PEFT's k-bit preparation."""
    size = 4 if model.dtype == "FP32" or (task.precision == "FP32" and model.dtype is None) else 2
    casts = _autocasts(task)
    if not is_quantized(model, task):
        return tuple(
            Elements(
                matrices=Fraction(size),
                others=size,
                stream=size,
                compute=HALF if cast else size,
                autocast=cast,
                gathered=size,
            )
            for cast in casts
        )
    prepared = task.quantized.kbit_preparation if task.quantized else None
    preparations = (rule.kbit, not rule.kbit) if prepared is None else (prepared,)
    if prepared is None and task.sharding and task.sharding.strategy in SHARDS_WEIGHTS:
        preparations = (False,)  # shards must have one dtype, so nothing is made FP32
    return tuple(
        Elements(
            matrices=matrix,
            others=SINGLE if kbit else HALF,
            stream=SINGLE if kbit else HALF,
            compute=2,
            autocast=cast or kbit,
        )
        for kbit in preparations
        for cast in casts
        for matrix in _base_bytes(model, task, plain=SINGLE if kbit else HALF)
    )


def _autocasts(task: FineTuning) -> tuple[bool, ...]:
    if task.precision is None:
        return (True, False)
    return (task.precision.endswith("Mixed"),)


def is_quantized(model: Model, task: FineTuning) -> bool:
    """Whether an adapter is trained on a quantised base."""
    return task.method == "QLoRA" or quantization_of(model) is not None


def _base_bytes(model: Model, task: FineTuning, *, plain: int) -> tuple[Fraction, ...]:
    """Bytes of an element of the base's linears, the expected one first: as the checkpoint has them, else as stated."""
    architecture = model.architecture
    own = architecture.quantization if architecture else None
    if architecture and own and model.quantization in {None, own.method}:
        return mean_element(architecture, own, plain)
    name = quantization_of(model) or ("NF4" if task.method == "QLoRA" else "INT8")
    if name == "NF4":
        double = task.quantized.double_quantization if task.quantized else None
        single = training_profile.quantized_bytes("NF4")
        doubled = training_profile.quantized_bytes("NF4DoubleQuantization")
        chosen = {None: (single, doubled), True: (doubled,), False: (single,)}[double]
        return tuple(spread.expected for spread in chosen if spread)
    spread = training_profile.quantized_bytes(name) or Spread(Fraction(1, 2), Fraction(1), Fraction(1))
    return tuple(dict.fromkeys((spread.expected, spread.low, spread.high)))


def _plain(size: int) -> Elements:
    return Elements(matrices=Fraction(size), others=size, stream=size, compute=size, gathered=size)
