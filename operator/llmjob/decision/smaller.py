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
    if running.usable is None:
        return None
    estimates = Estimates(request.model, request.task)
    here = estimates.on(gpu_of(running))
    if not isinstance(here, Estimate):
        return None
    # Slices have no links between them, and shares may lie on one card.
    allowed = _ISOLATED if request.gpus_per_pod == 1 else {Sharing.NONE}
    sized = [
        (item.usable, item)
        for item in fleet.eligible(request.scheduling, request.gpu_resource)
        if item.sharing in allowed and item.usable is not None and item.usable.upper < running.usable.lower
    ]
    for usable, item in sorted(sized, key=lambda pair: (pair[0].lower, pair[1].name)):
        judged = judge_class(item, estimates, request.gpus_per_pod)
        if judged.estimate is not None and judged.outcome.outcome is not Outcome.TOO_LARGE:
            moved = observed + max(0, judged.estimate.per_gpu.expected - here.per_gpu.expected)
            need = _with_margin(moved)
            if fits(Interval.exact(need), usable) and _budget_holds(judged.estimate, moved):
                return WouldDo(gpu_class=item, need=need)
    return None


def _budget_holds(estimate: Estimate, need: int) -> bool:
    """Whether an engine that fills the card would place `need` bytes, with the margin, inside its own budget there."""
    budget = estimate.budget
    if budget is None or budget.available is None:
        return True
    budgeted = max(0, budget.needed.expected + need - estimate.per_gpu.expected)
    return fits(Interval.exact(_with_margin(budgeted)), budget.available)


def _with_margin(amount: int) -> int:
    return -(-amount * (100 + _MARGIN_PERCENT) // 100)
