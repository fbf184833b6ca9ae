"""Inference and fine-tuning: what a user states; an unset field means the engine's or framework's own default."""

from decimal import Decimal
from typing import Annotated, ClassVar, Final, Literal

from pydantic import Field

from llmjob.api.base import WHOLE, ApiModel, Rule, RuledModel, Word, stated
from llmjob.api.patterns import FRACTION

Tokens = Annotated[int, Field(ge=1, le=100_000_000), WHOLE]
Sequences = Annotated[int, Field(ge=1, le=1_000_000), WHOLE]
Degree = Annotated[int, Field(ge=1, le=16_384), WHOLE]
Rank = Annotated[int, Field(ge=1, le=65_536), WHOLE]
Small = Annotated[int, Field(ge=1, le=64), WHOLE]
Version = Annotated[str, Field(min_length=1, max_length=32)]
Fraction = Annotated[str, Field(max_length=8, pattern=FRACTION)]
Arguments = Annotated[list[Annotated[str, Field(max_length=1024)]], Field(max_length=128)]
Modules = Annotated[list[Annotated[str, Field(min_length=1, max_length=128)]], Field(max_length=64)]
Words = Annotated[list[Word], Field(max_length=16)]


class Speculative(ApiModel):
    """Speculative decoding."""

    method: Word | None = stated("How drafts are made: MTP, Draft, Eagle, NGram.")
    tokens: Small | None = stated("Tokens drafted a step.")


class LoadedAdapters(ApiModel):
    """LoRA adapters that the engine keeps room for."""

    max_loaded: Rank | None = stated("Adapters on the GPU at once; 1 unless stated.")
    max_rank: Rank | None = stated("Highest rank among them; 16 unless stated.")


_UTILIZATION: Final = Rule(
    cel="!has(self.gpuMemoryUtilization) || (double(self.gpuMemoryUtilization) > 0.0 && "
    "double(self.gpuMemoryUtilization) <= 1.0)",
    holds=lambda inference: (
        inference.gpu_memory_utilization is None or 0 < Decimal(inference.gpu_memory_utilization) <= 1
    ),
    message='gpuMemoryUtilization must be above 0 and at most 1, as "0.9"',
    fields=("gpuMemoryUtilization",),
)


class Inference(RuledModel):
    """Serve the model. `inference: {}` is valid: the engine's defaults, one sequence at a time."""

    rules: ClassVar[tuple[Rule, ...]] = (_UTILIZATION,)

    engine: Word | None = stated(
        "vLLM, SGLang, TGI, TensorRTLLM, LlamaCpp, Ollama or Transformers; vLLM for known models."
    )
    engine_version: Version | None = stated('The engine\'s version, as "0.19".')
    engine_args: Arguments | None = stated("The engine's command-line arguments.")
    max_model_len: Tokens | None = stated("Longest sequence, prompt and output together, in tokens.")
    concurrency: Sequences | None = stated("Sequences of that length to serve at once.")
    max_num_seqs: Sequences | None = stated("Sequences the engine batches at most in a step.")
    max_num_batched_tokens: Tokens | None = stated("Tokens the engine computes at most in a step.")
    gpu_memory_utilization: Fraction | None = stated(
        'Share of the card\'s memory that the engine takes, above 0 and at most 1, as "0.9".'
    )
    kv_cache_dtype: Word | None = stated("Data type of the KV cache: FP8, BF16; the model's own unless stated.")
    speculative: Speculative | None = stated("Speculative decoding.")
    adapters: LoadedAdapters | None = stated("LoRA adapters that the engine keeps room for.")
    batch_size: Sequences | None = stated("Sequences a batch, for engines that do not page (Transformers).")
    input_length: Tokens | None = stated("Prompt length in tokens, for engines that do not page.")
    output_length: Tokens | None = stated("Output length in tokens, for engines that do not page.")


_DROPOUT: Final = Rule(
    cel="!has(self.dropout) || double(self.dropout) < 1.0",
    holds=lambda adapter: adapter.dropout is None or Decimal(adapter.dropout) < 1,
    message='dropout must be at least 0 and below 1, as "0.05"',
    fields=("dropout",),
)


class Adapter(RuledModel):
    """The trained adapter, for LoRA and its kin."""

    rules: ClassVar[tuple[Rule, ...]] = (_DROPOUT,)

    rank: Rank | None = stated("Rank of the adapter, as 16.")
    target_modules: Modules | None = stated("Modules that get an adapter, or all-linear.")
    modules_to_save: Modules | None = stated("Modules that are trained in full beside the adapters.")
    dtype: Word | None = stated("Data type of the adapter's weights; PEFT keeps FP32.")
    dropout: Fraction | None = stated('LoRA dropout, at least 0 and below 1, as "0.05".')


class Quantized(ApiModel):
    """How a quantised base model is prepared for training."""

    double_quantization: bool | None = stated("Quantise the quantisation constants too.")
    kbit_preparation: bool | None = stated("PEFT's k-bit preparation: what is not quantised becomes FP32.")


class Sharding(ApiModel):
    """Sharding over the data-parallel group."""

    strategy: Word | None = stated("DDP, ZeRO1, ZeRO2, ZeRO3, FSDP or HSDP.")
    degree: Degree | None = stated("GPUs that share one copy; all data-parallel ranks unless stated.")


class FineTuning(ApiModel):
    """Train the model. `fineTuning: {}` is valid: full fine-tuning with AdamW."""

    objective: Word | None = stated("SFT, DPO, ORPO, KTO, GRPO, RewardModel or Pretrain.")
    method: Word | None = stated("Full, LoRA, QLoRA, DoRA, Freeze, IA3, PromptTuning or PrefixTuning.")
    framework: Word | None = stated("Transformers, TRL, Unsloth, Axolotl, Torchtune, DeepSpeed, Megatron, ...")
    framework_version: Version | None = stated("The framework's version.")
    optimizer: Word | None = stated("AdamW, SGD, Adam8bit, Adafactor, Lion, Muon, ...; AdamW unless stated.")
    optimizer_implementation: Word | None = stated("Foreach, Fused or Loop.")
    precision: Word | None = stated("FP32, BF16, FP16, BF16Mixed or FP16Mixed.")
    gradient_accumulation: Sequences | None = stated("Micro batches before an optimizer step.")
    adapter: Adapter | None = stated("The trained adapter, for LoRA and its kin.")
    quantized: Quantized | None = stated("How a quantised base model is prepared for training.")
    micro_batch_size: Sequences | None = stated("Sequences per GPU and step.")
    sequence_length: Tokens | None = stated("Tokens a sequence, as 2048.")
    sequence_length_is: Literal["Maximum", "Exact"] | None = stated("Whether sequences may be shorter.")
    packing: bool | None = stated("Whether sequences are packed to full length.")
    activation_checkpointing: Word | None = stated("None, Selective or Full.")
    attention: Word | None = stated("Eager, SDPA or Flash.")
    kernels: Words | None = stated("Kernels that change memory: LigerFusedLoss.")
    compile: bool | None = stated("Whether torch.compile is used.")
    sharding: Sharding | None = stated("Sharding over the data-parallel group.")
    offload: Words | None = stated("What lives in host memory: Optimizer, Parameters, Activations.")


class Parallelism(ApiModel):
    """Degrees of parallelism; GPUs of an instance = tensor × pipeline × context × data."""

    tensor: Degree = stated("Tensor parallel: every layer split over so many GPUs.", default=1)
    pipeline: Degree = stated("Pipeline parallel: layers split into so many stages.", default=1)
    data: Degree | None = stated("Data parallel; unset it is sharding.degree in fineTuning and 1 in inference.")
    context: Degree = stated("Context parallel: sequences split over so many GPUs.", default=1)
    decode_context: Degree = stated("Decode context parallel: KV cache split over so many ranks.", default=1)
    expert: Degree = stated("Expert parallel: experts split over so many ranks.", default=1)


class Topology(ApiModel):
    """How an instance's GPUs are spread over pods."""

    pods_per_instance: Degree | None = stated("Pods of one instance; 1 unless stated.")
    gpus_per_pod: Small | None = stated("GPUs a pod; the instance's GPUs ÷ podsPerInstance unless stated.")
