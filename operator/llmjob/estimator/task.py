"""What is asked of a model: serving or fine-tuning, with its lengths, its parallelism and its engine.

Names are canonical (vocabulary.py); None means "not stated": the engine's or framework's own default counts.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TypeAlias


@dataclass(frozen=True, slots=True, kw_only=True)
class Parallelism:
    """Degrees of parallelism; GPUs of an instance = tensor × pipeline × context × data."""

    tensor: int = 1
    pipeline: int = 1
    data: int = 1
    context: int = 1
    decode_context: int = 1
    expert: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Speculative:
    """Speculative decoding: `method` such as MTP or Draft, `tokens` a step."""

    method: str | None = None
    tokens: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedAdapters:
    """LoRA adapters that an engine keeps room for."""

    max_loaded: int = 1
    max_rank: int = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Inference:
    """Serving. Lengths in tokens, concurrency in sequences, utilisation a fraction of the card."""

    engine: str | None = None
    engine_version: str | None = None
    engine_args: Sequence[str] = ()
    max_model_len: int | None = None
    concurrency: int | None = None
    max_num_seqs: int | None = None
    max_num_batched_tokens: int | None = None
    gpu_memory_utilization: Fraction | None = None
    kv_cache_dtype: str | None = None
    batch_size: int | None = None
    input_length: int | None = None
    output_length: int | None = None
    speculative: Speculative | None = None
    adapters: LoadedAdapters | None = None
    parallelism: Parallelism = field(default_factory=Parallelism)


@dataclass(frozen=True, slots=True, kw_only=True)
class Adapter:
    """A trained adapter (LoRA and its kin)."""

    rank: int | None = None
    target_modules: Sequence[str] = ()
    modules_to_save: Sequence[str] = ()
    dtype: str | None = None
    dropout: Fraction | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantized:
    """How a quantised base model is prepared for training; None = the framework's default."""

    double_quantization: bool | None = None
    kbit_preparation: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sharding:
    """Data-parallel sharding; degree None = the whole data-parallel group."""

    strategy: str | None = None
    degree: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FineTuning:
    """Training. Sequence length in tokens, micro batch in sequences per GPU."""

    objective: str | None = None
    method: str | None = None
    framework: str | None = None
    framework_version: str | None = None
    optimizer: str | None = None
    optimizer_implementation: str | None = None
    precision: str | None = None
    gradient_accumulation: int | None = None
    adapter: Adapter | None = None
    quantized: Quantized | None = None
    micro_batch_size: int | None = None
    sequence_length: int | None = None
    sequence_length_is: str | None = None
    packing: bool | None = None
    activation_checkpointing: str | None = None
    attention: str | None = None
    kernels: Sequence[str] = ()
    compile: bool | None = None
    sharding: Sharding | None = None
    offload: Sequence[str] = ()
    parallelism: Parallelism = field(default_factory=Parallelism)


Task: TypeAlias = Inference | FineTuning
