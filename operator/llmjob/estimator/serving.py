"""Serving with vLLM: what it must place on a GPU to start with the asked length and concurrency, and what it offers.

Source of the accounting: vLLM's start-up (facts measured over versions, profiles/*.toml):

    requested = total × utilisation
    KV pool   = requested − weights − peak activations − non-torch (− CUDA graphs, since 0.21)

Memory in use at start, and before 0.21 the CUDA graphs, come on top of the requested share.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from llmjob.estimator.activations import Corner, StepPeak, step_peak
from llmjob.estimator.architecture import Architecture
from llmjob.estimator.gpu import GPU
from llmjob.estimator.interval import Interval, Range
from llmjob.estimator.model import Model
from llmjob.estimator.overhead import overhead
from llmjob.estimator.parts import Part, total
from llmjob.estimator.profiles import (
    EngineProfile,
    load_profile,
    newest_profile,
    plausible_profiles,
    profile_of,
    profiles_beyond,
)
from llmjob.estimator.result import Basis, Budget, Component, ComponentName, Estimate, Measures, Serving
from llmjob.estimator.sequence import Sequences, asked_sequences
from llmjob.estimator.shape import step_shape
from llmjob.estimator.task import Inference
from llmjob.estimator.tensors import adapter_slots, held_weights
from llmjob.estimator.weights import HeldWeights

_ENGINE = "vLLM"
_SHOWN = 40
_FEW_ROWS = 10  # below it a constant is a rule of thumb


@dataclass(frozen=True, slots=True, kw_only=True)
class _Start:
    """One profile's answer: everything on the GPU, the budgeted part of it, and the pool it would offer."""

    profile: EngineProfile
    per_gpu: Interval
    needed: Interval
    in_use: Interval
    allocated: Interval
    components: tuple[Component, ...]
    available: Range | None
    pool: Interval | None
    sequences: Sequences
    step_tokens: int


def estimate_serving(model: Model, architecture: Architecture, task: Inference, gpu: GPU | None = None) -> Estimate:
    """Estimate a vLLM server, bytes per GPU of the worst rank; names in `model` and `task` are canonical.

    No engine stated is the newest profile; vLLM without a version spans the plausible profiles, expected by the newest.
    """
    sequences, warnings = asked_sequences(architecture, model, task)
    names, doubt = _profiles(task)
    if doubt:
        warnings.append(f"{doubt}: bounds span {', '.join(names)}; expected is {names[-1]}'s")
    held = held_weights(model, architecture, task.parallelism)
    starts = [_start(model, architecture, task, gpu, sequences, load_profile(name), held) for name in names]
    chosen = starts[-1]
    per_gpu = _envelope([start.per_gpu for start in starts])
    needed = _envelope([start.needed for start in starts])
    available = chosen.available and Range(
        min(start.available.lower for start in starts if start.available),
        max(start.available.upper for start in starts if start.available),
    )
    allocated = _envelope([start.allocated for start in starts])
    return Estimate(
        per_gpu=per_gpu,
        components=_components(starts),
        profile=chosen.profile.name,
        parameters=architecture.parameters,
        active_parameters=architecture.active_parameters,
        measures=Measures(allocated=allocated, reserved=allocated, process=per_gpu),
        budget=Budget(needed=needed, available=available),
        serving=_offer(starts, gpu),
        kv_bytes_per_token=chosen.sequences.bytes_per_token,
        warnings=tuple(warnings),
    )


def _profiles(task: Inference) -> tuple[Sequence[str], str | None]:
    """The profiles that may stand behind the task, the expected one last, and why there are several."""
    version = task.engine_version
    if version is None:
        newest = newest_profile(_ENGINE)
        if task.engine is None and newest is not None:
            return (newest,), None
        return plausible_profiles(_ENGINE), "engineVersion is not stated"
    found = profile_of(_ENGINE, version)
    if found is not None:
        return (found,), None
    return profiles_beyond(_ENGINE, version), f"no profile covers engineVersion {version[:_SHOWN]!r}"


def _start(
    model: Model,
    architecture: Architecture,
    task: Inference,
    gpu: GPU | None,
    sequences: Sequences,
    profile: EngineProfile,
    held: HeldWeights,
) -> _Start:
    degrees = task.parallelism
    shape = step_shape(model, architecture)
    few = profile.rows < _FEW_ROWS
    modelled = Basis.RULE_OF_THUMB if few else Basis.MODELLED
    measured = Basis.RULE_OF_THUMB if few else Basis.MEASURED

    counts, tokens = _step_settings(task, profile, gpu, sequences.length)
    corners = tuple(zip((Corner.LOW, Corner.EXPECTED, Corner.HIGH), counts, tokens, strict=True))
    low, expected, high = (
        step_peak(
            shape,
            profile.activation,
            sequences=number,
            tokens=length,
            tensor=degrees.tensor,
            pipeline=degrees.pipeline,
            corner=corner,
        )
        for corner, number, length in corners
    )
    rule = profile.activation
    peak = Part(
        name=ComponentName.ACTIVATIONS,
        lower=min(low.total, expected.total),
        expected=expected.total,
        upper=max(high.total, expected.total),
        below=int(rule.relative[0] * low.total) + rule.absolute,
        above=int(rule.relative[1] * high.total) + rule.absolute,
        basis=modelled,
    )
    sequences = sequences.paged(
        hybrid=profile.hybrid_cache,
        group_ratio=profile.group_ratio,
        checkpoint_cache=profile.checkpoint_cache,
    )
    cache = sequences.part(*tokens)
    over = overhead(
        shape,
        profile,
        tensor=degrees.tensor,
        pipeline=degrees.pipeline,
        product=(gpu.product or gpu.name) if gpu else None,
    )
    weights = Part.of(ComponentName.WEIGHTS, held.memory, held.basis)
    non_torch = Part.of(ComponentName.RUNTIME, over.non_torch, measured)
    in_use = Part.of(ComponentName.RUNTIME, over.in_use, measured, budgeted=False)
    graphs = Part.of(ComponentName.CUDA_GRAPHS, over.graphs, modelled, budgeted=profile.graphs_in_budget)

    slots = adapter_slots(architecture, task)
    everything = (weights, slots, cache, peak, non_torch, in_use, graphs)
    budgeted = [part for part in everything if part.budgeted]
    available = _available(task, profile, gpu)
    alone = total(part for part in budgeted if part is not cache)
    runtime = over.non_torch + over.in_use
    talk = over.communication
    quiet = runtime.expected - talk.expected
    return _Start(
        profile=profile,
        per_gpu=total(everything),
        needed=total(budgeted),
        in_use=over.in_use,
        allocated=total((weights, slots, cache, peak)),
        components=tuple(
            component
            for component in (
                weights.component(),
                slots.component(),
                *_split(peak, low, expected, high),
                cache.component(),
                graphs.component(),
                Component(ComponentName.COMMUNICATION, talk, measured),
                Component(
                    ComponentName.RUNTIME,
                    Interval(min(quiet, runtime.lower), quiet, max(quiet, runtime.upper - talk.expected)),
                    measured,
                ),
            )
            if component.memory.upper
        ),
        available=available,
        pool=_pool(available, alone) if available else None,
        sequences=sequences,
        step_tokens=tokens[1],
    )


_Ends = tuple[int, int, int]


def _step_settings(task: Inference, profile: EngineProfile, gpu: GPU | None, length: int) -> tuple[_Ends, _Ends]:
    """Sequences and tokens of a step: the kindest, the expected and the harshest; stated ones are all three.

    Without a GPU every card size is plausible, and the middle of the profile's sizes is expected.
    """
    steps = profile.defaults
    if gpu is not None:
        steps = (profile.step(gpu.usable.lower), profile.step(gpu.usable.upper))
    middle = len(steps) // 2
    counts = [step.max_num_seqs for step in steps]
    tokens = [step.tokens(length) for step in steps]
    return _ends(task.max_num_seqs, counts, middle), _ends(task.max_num_batched_tokens, tokens, middle)


def _ends(stated: int | None, pairs: Sequence[tuple[int, int]], middle: int) -> _Ends:
    if stated is not None:
        return stated, stated, stated
    return min(low for low, _ in pairs), pairs[middle][1], max(high for _, high in pairs)


def _available(task: Inference, profile: EngineProfile, gpu: GPU | None) -> Range | None:
    if gpu is None:
        return None
    share = task.gpu_memory_utilization or profile.utilization
    return Range(int(gpu.usable.lower * share), int(gpu.usable.upper * share))


def _pool(available: Range, alone: Interval) -> Interval:
    middle = (available.lower + available.upper) // 2
    return Interval(
        max(0, available.lower - alone.upper),
        max(0, middle - alone.expected),
        max(0, available.upper - alone.lower),
    )


def _split(peak: Part, low: StepPeak, expected: StepPeak, high: StepPeak) -> tuple[Component, ...]:
    """The peak as activations and logits, by the instant that decides at the expected settings."""
    whole = peak.memory
    if not expected.logits:
        return (peak.component(),)
    ends = (low.sampled, expected.logits, high.sampled)
    logits = Interval(min(*ends, whole.lower), expected.logits, max(ends))
    activations = Interval(
        min(whole.lower - logits.lower, whole.expected - logits.expected),
        whole.expected - logits.expected,
        max(whole.upper - logits.upper, whole.expected - logits.expected),
    )
    return (
        Component(ComponentName.ACTIVATIONS, activations, peak.basis),
        Component(ComponentName.LOGITS, logits, peak.basis),
    )


def _components(starts: Sequence[_Start]) -> tuple[Component, ...]:
    """The newest profile's components, their bounds widened to every profile's."""
    chosen = starts[-1]
    found = []
    for component in chosen.components:
        others = [
            next((part.memory for part in start.components if part.name == component.name), Interval(0, 0, 0))
            for start in starts
        ]
        found.append(Component(component.name, _envelope(others), component.basis))
    return tuple(found)


def _envelope(intervals: Sequence[Interval]) -> Interval:
    """The last one's expected value between the outermost bounds."""
    return Interval(
        min(interval.lower for interval in intervals),
        intervals[-1].expected,
        max(interval.upper for interval in intervals),
    )


def _offer(starts: Sequence[_Start], gpu: GPU | None) -> Serving | None:
    chosen = starts[-1]
    if gpu is None or chosen.available is None:
        return None
    pools = [start.pool for start in starts if start.pool is not None]
    pool = _envelope(pools)
    sequences = chosen.sequences
    needed = sequences.one(chosen.step_tokens)
    requested = (chosen.available.lower + chosen.available.upper) // 2
    usable = (gpu.usable.lower + gpu.usable.upper) // 2
    concurrency = Fraction(pool.expected, needed) if needed else Fraction(0)
    return Serving(
        starts=pool.expected >= needed and requested + chosen.in_use.expected <= usable,
        kv_pool=pool,
        kv_tokens=int(concurrency * sequences.length),
        concurrency=float(round(concurrency, 2)),
        longest_length=sequences.longest(pool.expected, chosen.step_tokens),
    )
