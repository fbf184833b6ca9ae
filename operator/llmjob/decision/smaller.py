"""The smallest GPU class of the fleet that would do for what a job was seen to need."""

from dataclasses import dataclass
from typing import Final

from llmjob.decision.outcome import Estimates, judge_class
from llmjob.decision.verdict import Outcome
from llmjob.estimator.interval import Interval, fits
from llmjob.estimator.result import Estimate
from llmjob.fleet.fleet import Fleet
from llmjob.fleet.gpu_class import GPUClass, Sharing, gpu_of
from llmjob.workloads.request import Request

# Use is sampled (dcgm-exporter: every 30 s), so peaks between two samples are not seen.
_MARGIN_PERCENT: Final = 10
# Of a shared card nobody promises a part.
_ISOLATED: Final = frozenset({Sharing.NONE, Sharing.MIG})


@dataclass(frozen=True, slots=True, kw_only=True)
class WouldDo:
    """A class, and what would be needed on it with the margin: bytes per GPU."""

    gpu_class: GPUClass
    need: int


def smaller_class(request: Request, fleet: Fleet, running: GPUClass, observed: int) -> WouldDo | None:
    """The smallest eligible class below `running` on which `observed` bytes per GPU fit with a margin of 10 %.

    What differs between the cards by estimate (context, the engine's defaults) is added to what was seen; a class that
    the prediction's lower bound rules out is never named, nor one with too few GPUs a node or a shared card.
    """
    here = gpu_of(running)
    estimates = Estimates(request.model, request.task)
    made = estimates.on(here)
    if here is None or not isinstance(made, Estimate):
        return None
    eligible = (item for item in fleet.eligible(request.scheduling, request.gpu_resource) if item.sharing in _ISOLATED)
    sized = [(item.usable.lower, item) for item in eligible if item.usable is not None]
    for usable, item in sorted(sized, key=lambda pair: (pair[0], pair[1].name)):
        if usable >= here.usable.lower:
            return None
        judged = judge_class(item, estimates, request.gpus_per_pod)
        if judged.estimate is None or judged.outcome.outcome is Outcome.TOO_LARGE:
            continue
        if request.gpus_per_pod > 1 and item.sharing is not Sharing.NONE:
            continue
        need = _need(judged.estimate, made, observed)
        if need is not None:
            usable_here = gpu_of(item)
            if usable_here is not None and fits(Interval.exact(need), usable_here.usable):
                return WouldDo(gpu_class=item, need=need)
    return None


def _need(there: Estimate, here: Estimate, observed: int) -> int | None:
    """What would be needed there, with the margin; None where the engine's own budget does not hold it."""
    moved = observed + max(0, there.per_gpu.expected - here.per_gpu.expected)
    budget = there.budget
    if budget is not None and budget.available is not None:
        budgeted = max(0, budget.needed.expected + moved - there.per_gpu.expected)
        if not fits(Interval.exact(_with_margin(budgeted)), budget.available):
            return None
    return _with_margin(moved)


def _with_margin(amount: int) -> int:
    return -(-amount * (100 + _MARGIN_PERCENT) // 100)
