"""From what a job states to settings: one value where it is stated or its default is known, else every plausible one.

The first setting is the expected one; the kindest and the harshest of all give the ends of the interval.
"""

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Final, Literal, TypeAlias

from llmjob.estimator import training_profile
from llmjob.estimator.block import Attention
from llmjob.estimator.gpu import GPU
from llmjob.estimator.model import Model
from llmjob.estimator.task import Adapter, FineTuning, Sharding
from llmjob.estimator.training_block import Kernel
from llmjob.estimator.training_choice import Choice
from llmjob.estimator.training_gradients import GradientsLife, gradients_life, may_hold_whole
from llmjob.estimator.training_numbers import (
    HALF,
    SINGLE,
    HeldNumbers,
    held_numbers,
    is_quantized,
)
from llmjob.estimator.training_profile import FrameworkRule
from llmjob.estimator.training_setting import Logits, Optimizer, Setting, Shards
from llmjob.estimator.vocabulary import ADAPTER_METHODS, SHARDS_GRADIENTS, SHARDS_STATES, SHARDS_WEIGHTS

_End: TypeAlias = Literal["expected", "kindest", "harshest"]

_RANKS: Final = (16, 8, 64)
_FIRST_TARGETS: Final = ("q_proj", "v_proj", "query_key_value", "c_attn", "Wqkv", "qkv_proj", "W_pack")
# Unsloth's own checkpointing, its default, keeps the inputs of layers in host memory (use_gradient_checkpointing =
# "unsloth" of get_peft_model); without a framework it may be Unsloth.
_OFFLOADING: Final = frozenset({"Unsloth", None})
_PEFT: Final = frozenset({"Transformers", "TRL"})
_OFFLOADED: Final = frozenset({"Activations"})
_ALL_TARGETS: Final = ("all-linear",)
_DEFAULT_LENGTH: Final = 2048
_WITHOUT_FLASH: Final = ("T4", "V100")  # no flash kernel before Ampere
# Bytes per token and entry at which a loss shifts labels by copying, so that the forward holds as much. Source: the 58
# rows of group faketensor whose `shift` is "copy", as older releases of Transformers do.
_COPYING: Final = 14


@dataclass(frozen=True, slots=True)
class _States:
    """An optimizer's state per trainable parameter, in elements or in bytes, and its copies."""

    amount: Fraction
    in_elements: bool
    copies: int


@dataclass(frozen=True, slots=True)
class _Open:
    """Every choice of a job but how it holds numbers."""

    optimizer: Choice[_States]
    kernel: Choice[tuple[Kernel, bool]]
    kept_share: Choice[Fraction]
    logits: Choice[tuple[Fraction, int]]
    length: Choice[int]
    adapter: Choice[tuple[int, tuple[str, ...]]]
    saved: Choice[tuple[str, ...]]
    buckets: Choice[bool]
    gradients: Choice[GradientsLife]
    sequence_parallel: Choice[bool]
    shards: Choice[Shards]


def assume(model: Model, task: FineTuning, gpu: GPU | None) -> tuple[Setting, ...]:
    """Settings that a job with canonical names may run under, the expected one first; the model has an architecture.

    Every other choice moves memory one way, so its ends suffice; ways to shard and to hold numbers are all tried.
    """
    return tuple(setting for sharded in _sharded(task) for setting in _assumed(model, sharded, gpu))


def _sharded(task: FineTuning) -> tuple[FineTuning, ...]:
    """The job under each strategy it may run with: many frameworks shard whatever ranks there are by default."""
    stated = task.sharding or Sharding()
    ranks = (stated.degree or task.parallelism.data) * task.parallelism.context
    if stated.strategy is not None or ranks == 1:
        return (task,)
    default = training_profile.framework(task.framework).sharding
    strategies = sorted(("DDP", "FSDP"), key=lambda strategy: strategy != default)
    return tuple(replace(task, sharding=replace(stated, strategy=strategy)) for strategy in strategies)


def _assumed(model: Model, task: FineTuning, gpu: GPU | None) -> tuple[Setting, ...]:
    """The settings under one strategy."""
    if task.method == "Freeze":
        return (*_settings(model, task, gpu), *_nothing_trained(model, task, gpu))
    return _settings(model, task, gpu)


def _nothing_trained(model: Model, task: FineTuning, gpu: GPU | None) -> tuple[Setting, ...]:
    """Freeze at the kindest: only the last layer trains, whose step keeps hardly more than the weights."""
    adapted = replace(task, method="LoRA", adapter=Adapter(rank=1))
    return tuple(replace(setting, length=1) for setting in _settings(model, adapted, gpu)[1::2])


def _settings(model: Model, task: FineTuning, gpu: GPU | None) -> tuple[Setting, ...]:
    rule = training_profile.framework(task.framework)
    adapter = (task.adapter or Adapter()) if task.method in ADAPTER_METHODS else None
    choices = _Open(
        optimizer=_optimizers(task, rule),
        kernel=_kernels(model, task, gpu),
        kept_share=_checkpointing(task, rule),
        logits=_logits(task, rule),
        length=_lengths(task),
        adapter=_trained(adapter),
        saved=_saved(adapter),
        buckets=_buckets(task),
        gradients=gradients_life(task, rule),
        sequence_parallel=_sequence_parallel(task),
        shards=_shards(task),
    )
    numbers = held_numbers(model, task, rule)
    build = _Builder(model, task, adapter, choices)
    return (
        build.setting(numbers[0], "expected"),
        *(build.setting(each, end) for each in numbers for end in ("kindest", "harshest")),
    )


def has_equal_lengths(task: FineTuning) -> bool:
    """Whether every sequence is as long as stated: packed ones are, and those said to be exact."""
    return bool(task.packing) or (task.sequence_length_is or "").casefold() == "exact"


@dataclass(frozen=True, slots=True)
class _Builder:
    """Builds settings of one job, every choice at the same end."""

    model: Model
    task: FineTuning
    adapter: Adapter | None
    choices: _Open

    def setting(self, numbers: HeldNumbers, end: _End) -> Setting:
        task, adapter, choices = self.task, self.adapter, self.choices
        kernel, masks = getattr(choices.kernel, end)
        gradients = getattr(choices.gradients, end)
        rank, targets = getattr(choices.adapter, end)
        size = _adapter_bytes(adapter, task.framework, end)
        return Setting(
            elements=numbers.elements,
            optimizer=_optimizer(getattr(choices.optimizer, end), numbers, None if adapter is None else size),
            logits=_logits_of(getattr(choices.logits, end), numbers, self.model),
            batch=task.micro_batch_size or 1,
            length=getattr(choices.length, end),
            trains_base=adapter is None,
            quantized=adapter is not None and is_quantized(self.model, task),
            adapter_bytes=size,
            adapter_rank=rank,
            adapter_dropout=bool(adapter and adapter.dropout),
            targets=targets,
            saved=getattr(choices.saved, end),
            magnitudes=task.method == "DoRA",
            attention=kernel,
            masks_windows=masks,
            kept_share=getattr(choices.kept_share, end),
            accumulates=(task.gradient_accumulation or 1) > 1,
            buckets=getattr(choices.buckets, end),
            keeps_gradients=gradients.kept,
            bucket=gradients.bucket,
            shards=getattr(choices.shards, end),
            # FSDP1 gathers it, FSDP2 and ZeRO-3 need not.
            gathers_root=end != "kindest" or getattr(choices.shards, end).weights == 1,
            tensor=task.parallelism.tensor,
            sequence_parallel=getattr(choices.sequence_parallel, end),
            pipeline=task.parallelism.pipeline,
            offload=frozenset(task.offload)
            | (_OFFLOADED if end == "kindest" and task.framework in _OFFLOADING else set()),
        )


def _shards(task: FineTuning) -> Choice[Shards]:
    """Ranks that share what a strategy shards; torchtitan's FSDP shards over context ranks too, others may."""
    degree = (task.sharding.degree if task.sharding else None) or task.parallelism.data
    strategy = task.sharding.strategy if task.sharding else None
    alone, wider = (_shards_of(strategy, ranks) for ranks in (degree, degree * task.parallelism.context))
    harshest = replace(alone, gradients=1) if may_hold_whole(task) else alone
    return Choice(expected=wider if task.framework == "Torchtitan" else alone, kindest=wider, harshest=harshest)


def _shards_of(strategy: str | None, degree: int) -> Shards:
    return Shards(
        weights=degree if strategy in SHARDS_WEIGHTS else 1,
        gradients=degree if strategy in SHARDS_GRADIENTS else 1,
        states=degree if strategy in SHARDS_STATES else 1,
    )


def _buckets(task: FineTuning) -> Choice[bool]:
    """DDP reduces gradients in buckets, copies of them unless it is told otherwise."""
    strategy = task.sharding.strategy if task.sharding else None
    if task.parallelism.data > 1 and strategy == "DDP":
        return Choice(expected=True, kindest=False, harshest=True)
    return Choice.known(value=False)


def _sequence_parallel(task: FineTuning) -> Choice[bool]:
    """Megatron and torchtitan share out the tokens of norms and residuals among tensor ranks; others may."""
    if task.parallelism.tensor == 1:
        return Choice.known(value=False)
    usual = task.framework in {"Megatron", "Torchtitan"}
    return Choice(expected=usual, kindest=True, harshest=False)


def _optimizers(task: FineTuning, rule: FrameworkRule) -> Choice[_States]:
    """States and copies; an optimizer that is not stated is AdamW, or what the framework's recipes take."""
    found = training_profile.optimizer(task.optimizer or "AdamW")
    least = training_profile.optimizer(task.optimizer or rule.kindest_optimizer)
    foreach = task.optimizer_implementation in {None, "Foreach"}
    copies = found.copies if foreach else 0
    # What updates a parameter at a time copies no more than that.
    fewest = copies if task.optimizer_implementation and gradients_life(task, rule).kindest.kept else 0
    return Choice(
        expected=_States(found.state.expected, found.in_elements, copies),
        kindest=_States(least.state.low, least.in_elements, fewest),
        harshest=_States(found.state.high, found.in_elements, copies),
    )


def _optimizer(states: _States, numbers: HeldNumbers, adapter: int | None) -> Optimizer:
    """Bytes per trainable parameter; `adapter`: of an adapter's element, None where the base trains."""
    size = adapter or numbers.trained
    return Optimizer(
        gradient=adapter or numbers.gradient,
        states=states.amount * (size if states.in_elements else 1) + numbers.masters,
        copies=states.copies * size,
    )


def _kernels(model: Model, task: FineTuning, gpu: GPU | None) -> Choice[tuple[Kernel, bool]]:
    """Attention kernels and whether windows need a mask; SDPA chooses by GPU and by whether there is padding.

    Unstated it is SDPA (the default "for torch>=2.1.1 when an implementation is available" in the documentation of
    transformers). Eager counts at the most where that does not hold: on GPUs that flash attention does not run on,
    people often ask for it, and attention with capped scores or sinks has it by default (GptOssPreTrainedModel says
    _supports_sdpa = False; Gemma 2's modelling code disabled SDPA by default).
    """
    if task.attention == "Eager":
        return Choice.known((Kernel.EAGER, True))
    if task.attention == "Flash":
        return Choice.known((Kernel.FLASH, False))
    product = gpu.product.replace("-", " ").split() if gpu and gpu.product else []
    old = any(name in product for name in _WITHOUT_FLASH)
    unpadded = Kernel.EFFICIENT if old else Kernel.FLASH
    harshest = unpadded if task.packing else Kernel.PADDED
    mixers = [run.block.mixer for run in model.architecture.layers] if model.architecture else []
    eager = any(isinstance(mixer, Attention) and (mixer.softcapped or mixer.sinks) for mixer in mixers)
    if task.attention is None and (eager or old or not product):
        harshest = Kernel.EAGER
    return Choice(expected=(unpadded, True), kindest=(unpadded, task.attention == "SDPA"), harshest=(harshest, True))


def _checkpointing(task: FineTuning, rule: FrameworkRule) -> Choice[Fraction]:
    """Shares of what blocks keep that stay; what Selective recomputes is the framework's choice."""
    stated = task.activation_checkpointing or rule.checkpointing
    none, half, full = Fraction(1), Fraction(1, 2), Fraction(0)
    if stated in {"Full", "None"}:
        return Choice.known(full if stated == "Full" else none)
    return Choice(expected=half if stated == "Selective" else none, kindest=full, harshest=none)


def _logits(task: FineTuning, rule: FrameworkRule) -> Choice[tuple[Fraction, int]]:
    """Bytes per token and entry at the loss's backward, and those that a caller who holds them keeps till the end."""
    if "LigerFusedLoss" in task.kernels:
        return Choice.known((Fraction(0), 0))
    spread = training_profile.logits_of_release(task.framework, task.framework_version) or rule.logits
    held = HALF if spread.high > spread.expected else 0
    return Choice(expected=(spread.expected, 0), kindest=(spread.low, 0), harshest=(spread.high, held))


def _logits_of(logits: tuple[Fraction, int], numbers: HeldNumbers, model: Model) -> Logits:
    """A head prepared for k-bit training gives FP32 logits, of which 16 bit are then not a copy but one more.

    So does a cap on the logits, whose tanh is kept.
    """
    backward, held = logits
    if not backward:
        return Logits(forward=Fraction(0), backward=Fraction(0))
    prepared = numbers.elements.matrices < numbers.elements.others == SINGLE
    capped = model.architecture is not None and model.architecture.final_softcapped
    most = backward + HALF * (prepared + capped)
    forward = most if backward - held >= _COPYING else most - HALF
    return Logits(forward=forward, backward=most, held=Fraction(held))


def _lengths(task: FineTuning) -> Choice[int]:
    """Tokens of a sequence on this rank; a maximum may be longer than any sample, and one not stated is no length."""
    length = -(-(task.sequence_length or _DEFAULT_LENGTH) // task.parallelism.context)
    sure = task.sequence_length is not None and has_equal_lengths(task)
    return Choice(expected=length, kindest=length if sure else 1, harshest=length)


def _trained(adapter: Adapter | None) -> Choice[tuple[int, tuple[str, ...]]]:
    """Rank and targets of an adapter."""
    if adapter is None:
        return Choice.known((0, ()))
    expected, fewest, most = (adapter.rank,) * 3 if adapter.rank else _RANKS
    targets = tuple(adapter.target_modules)
    return Choice(
        expected=(expected, targets or _ALL_TARGETS),
        kindest=(fewest, targets or _FIRST_TARGETS),
        harshest=(most, targets or _ALL_TARGETS),
    )


def _saved(adapter: Adapter | None) -> Choice[tuple[str, ...]]:
    """Modules trained in full beside the adapter; in which dtype is the framework's choice, so none of it is sure."""
    names = tuple(adapter.modules_to_save) if adapter else ()
    return Choice(expected=names, kindest=(), harshest=names)


def _adapter_bytes(adapter: Adapter | None, framework: str | None, end: _End) -> int:
    """FP32, to which PEFT turns them unless it is told otherwise, or 16 bit at the kindest where others decide."""
    if adapter is None or adapter.dtype is None:
        return HALF if end == "kindest" and framework not in _PEFT else SINGLE
    return HALF if adapter.dtype in {"BF16", "FP16"} else SINGLE
