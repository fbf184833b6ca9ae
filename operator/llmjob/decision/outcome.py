"""How a class does: the two tests, what processes see of the card and what the engine budgets on it."""

from dataclasses import dataclass
from typing import Final

from llmjob.decision.verdict import ClassOutcome, Outcome
from llmjob.estimator.estimate import estimate
from llmjob.estimator.gpu import GPU
from llmjob.estimator.interval import Interval, Range, fits, too_large
from llmjob.estimator.model import Model
from llmjob.estimator.result import Estimate, Limit, Unknown
from llmjob.estimator.task import Task
from llmjob.fleet.gpu_class import GPUClass, Sharing, gpu_of

# The worse of the two tests counts.
_WORST_FIRST: Final = (Outcome.TOO_LARGE, Outcome.TIGHT, Outcome.FITS)


class Estimates:
    """One model and task on many classes; classes that offer the same memory share one estimate."""

    def __init__(self, model: Model, task: Task) -> None:
        self._model = model
        self._task = task
        self._made: dict[tuple[str | None, str | None, Range | None], Estimate | Unknown] = {}

    def on(self, gpu: GPU | None) -> Estimate | Unknown:
        """The estimate on a GPU; None assumes none."""
        key = (gpu.vendor, gpu.product, gpu.usable) if gpu else (None, None, None)
        if key not in self._made:
            self._made[key] = estimate(self._model, self._task, gpu)
        return self._made[key]


@dataclass(frozen=True, slots=True)
class Judged:
    """A class with its outcome, its estimate, and whether its memory alone rules it out."""

    gpu_class: GPUClass
    outcome: ClassOutcome
    estimate: Estimate | None = None
    too_large_by_memory: bool = False


def judge_class(gpu_class: GPUClass, estimates: Estimates, gpus: int) -> Judged:
    """Judge one class for a role that needs `gpus` GPUs a pod; tested in the order of `Outcome`."""
    gpu = gpu_of(gpu_class)
    answer = estimates.on(gpu) if gpu is not None else None
    if gpu is None or not isinstance(answer, Estimate):
        return Judged(gpu_class, ClassOutcome(name=gpu_class.name, outcome=Outcome.UNKNOWN))
    need, usable = answer.per_gpu, gpu.usable
    by_memory, limit = _worse(answer, usable)
    too_few = gpu_class.gpus_per_node is not None and gpu_class.gpus_per_node < gpus
    outcome = Outcome.TOO_LARGE if too_few else by_memory
    # Shares may lie on one card, and slices have no links between them.
    if outcome is Outcome.FITS and gpus > 1 and gpu_class.sharing is not Sharing.NONE:
        outcome = Outcome.TIGHT
    judged = ClassOutcome(
        name=gpu_class.name,
        outcome=outcome,
        need=need,
        usable=usable.lower,
        headroom=usable.lower - need.upper,
        limit=limit,
        too_few_gpus=too_few,
    )
    return Judged(gpu_class, judged, answer, too_large_by_memory=by_memory is Outcome.TOO_LARGE)


def _worse(answer: Estimate, usable: Range) -> tuple[Outcome, Limit]:
    """The worse of the two tests and which it is; where both say the same, the one with less headroom."""
    memory = _test(answer.per_gpu, usable)
    budget = answer.budget
    if budget is None or budget.available is None:
        return memory, Limit.MEMORY
    budgeted = _test(budget.needed, budget.available)
    left = usable.lower - answer.per_gpu.upper
    left_of_budget = budget.available.lower - budget.needed.upper
    if (_WORST_FIRST.index(budgeted), left_of_budget) < (_WORST_FIRST.index(memory), left):
        return budgeted, Limit.BUDGET
    return memory, Limit.MEMORY


def _test(need: Interval, room: Range) -> Outcome:
    if too_large(need, room):
        return Outcome.TOO_LARGE
    return Outcome.FITS if fits(need, room) else Outcome.TIGHT
