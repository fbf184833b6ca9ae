"""Fine-tuning: GPU memory of one rank from a ledger of a training step.

Three measures, never mixed: allocated (live tensors), reserved (what the allocator took from the driver) and process
(with CUDA context and NCCL). `lower` of the process is what must be there: live tensors of the kindest plausible
setting, context and NCCL; the cache that the allocator gives back under pressure is only in `expected` and `upper`.
"""

from collections.abc import Iterable, Sequence
from fractions import Fraction
from math import ceil, floor, lcm
from typing import Final

from llmjob.estimator import training_profile
from llmjob.estimator.architecture import Architecture
from llmjob.estimator.gpu import GPU
from llmjob.estimator.interval import Interval
from llmjob.estimator.ledger import Instant, peak
from llmjob.estimator.model import Model
from llmjob.estimator.result import Basis, Component, ComponentName, Estimate, Measures
from llmjob.estimator.task import FineTuning
from llmjob.estimator.training_assumption import assume, has_equal_lengths
from llmjob.estimator.training_profile import PROFILE, Spread
from llmjob.estimator.training_program import Program
from llmjob.estimator.training_shape import leaf, module_names

_LIVE: Final = (
    ComponentName.WEIGHTS,
    ComponentName.ADAPTERS,
    ComponentName.GRADIENTS,
    ComponentName.OPTIMIZER_STATES,
    ComponentName.ACTIVATIONS,
    ComponentName.LOGITS,
)
_BASIS: Final = {
    ComponentName.WEIGHTS: Basis.EXACT,
    ComponentName.ADAPTERS: Basis.EXACT,
    ComponentName.GRADIENTS: Basis.EXACT,
    ComponentName.OPTIMIZER_STATES: Basis.EXACT,
    ComponentName.ACTIVATIONS: Basis.MODELLED,
    ComponentName.LOGITS: Basis.MODELLED,
}
_MODELLED: Final = tuple(name for name, basis in _BASIS.items() if basis is Basis.MODELLED)
_SHOWN: Final = 60
# Share of everything: blocks of the allocator, workspaces, buffers. Source: the 500 rows of
# group faketensor, whose median is 0.15 % out.
_ROUNDING: Final = Fraction(1, 100)


def estimate_training(model: Model, architecture: Architecture, task: FineTuning, gpu: GPU | None = None) -> Estimate:
    """Estimate one rank of a fine-tuning job; bytes per GPU. Names in `model` and `task` are canonical."""
    settings = dict.fromkeys(assume(model, task, gpu))
    steps = [tuple(Program(architecture, setting).instants()) for setting in settings]
    peaks = [peak(step) for step in steps]
    expected = peaks[0]
    experts = any(run.block.experts for run in architecture.layers)
    below, above = training_profile.residual(experts=experts, compiled=bool(task.compile), framework=task.framework)
    live = _live(peaks, below, above)
    context, network = training_profile.context(gpu.product if gpu else None), _communication(task)
    allocated = _allocated(steps, below, above)
    slack = _slack(allocated, task)
    reserved = Interval(allocated.lower, allocated.expected + slack.expected, allocated.upper + slack.upper)
    components = (
        *(Component(name, live[name], _BASIS[name]) for name in _LIVE if live[name].upper),
        *((Component(ComponentName.COMMUNICATION, network, Basis.MEASURED),) if network.upper else ()),
        Component(ComponentName.RUNTIME, _interval(context), Basis.MEASURED),
        Component(ComponentName.ALLOCATOR_SLACK, slack, Basis.MEASURED),
    )
    process = Interval(
        allocated.lower + floor(context.low) + network.lower,
        reserved.expected + ceil(context.expected) + network.expected,
        reserved.upper + ceil(context.high) + network.upper,
    )
    return Estimate(
        per_gpu=process,
        components=components,
        profile=PROFILE,
        parameters=architecture.parameters,
        active_parameters=architecture.active_parameters,
        measures=Measures(allocated=allocated, reserved=reserved, process=process),
        instant=expected.name,
        warnings=(*model.warnings, *_warnings(architecture, task)),
    )


def _warnings(architecture: Architecture, task: FineTuning) -> Sequence[str]:
    found = []
    saved = task.adapter.modules_to_save if task.adapter else ()
    known = module_names(architecture) if saved else frozenset()
    found += [
        f"adapter.modulesToSave: the model has no module {name[:_SHOWN]!r}, so it is not counted"
        for name in saved
        if leaf(name) not in known
    ]
    return found


def _live(peaks: Sequence[Instant], below: Fraction, above: Fraction) -> dict[ComponentName, Interval]:
    """The expected peak's split; each part's ends are those of the other plausible peaks."""
    found = {}
    for name in _LIVE:
        sizes = [instant.live.get(name, 0) for instant in peaks]
        low, high = (below, above) if name in _MODELLED else (Fraction(0), Fraction(0))
        found[name] = Interval(floor(min(sizes) * (1 - low)), sizes[0], ceil(max(sizes) * (1 + high)))
    return found


def _allocated(steps: Sequence[Sequence[Instant]], below: Fraction, above: Fraction) -> Interval:
    """Live bytes at the peak: the expected setting's, and the kindest and harshest with the ledger's residual.

    The residual moves every instant before the largest is taken, so that more work never needs less.
    """
    sizes = [
        [(instant.total, sum(instant.live.get(name, 0) for name in _MODELLED)) for instant in step] for step in steps
    ]
    return Interval(
        floor(min(_moved(step, -_ROUNDING, -below) for step in sizes)),
        peak(steps[0]).total,
        ceil(max(_moved(step, _ROUNDING, above) for step in sizes)),
    )


def _moved(step: Iterable[tuple[int, int]], of_all: Fraction, of_modelled: Fraction) -> Fraction:
    """The largest instant once all of it, and what of it is modelled, are off by so much."""
    unit = lcm(of_all.denominator, of_modelled.denominator)
    whole, part = int((1 + of_all) * unit), int(of_modelled * unit)
    return Fraction(max(total * whole + modelled * part for total, modelled in step), unit)


def _slack(allocated: Interval, task: FineTuning) -> Interval:
    share = training_profile.slack(varying=not has_equal_lengths(task))
    return Interval(0, ceil(allocated.expected * share.expected), ceil(allocated.upper * share.high))


def _communication(task: FineTuning) -> Interval:
    degrees = task.parallelism
    alone = degrees.tensor * degrees.pipeline * degrees.context * degrees.data == 1
    return Interval(0, 0, 0) if alone else _interval(training_profile.communication())


def _interval(spread: Spread) -> Interval:
    return Interval(floor(spread.low), ceil(spread.expected), ceil(spread.high))
