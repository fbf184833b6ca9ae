"""The first sentence of a message, by reason: the need, and what there is."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from llmjob.decision.outcome import Judged
from llmjob.decision.verdict import Outcome
from llmjob.estimator.interval import Interval
from llmjob.estimator.result import Estimate, Limit
from llmjob.fleet.gpu_class import GPUClass, Sharing
from llmjob.names import Reason
from llmjob.quantity import gib
from llmjob.workloads.request import Request

_SHARING: Final = {Sharing.TIME_SLICING: " (time-sliced)", Sharing.MPS: " (MPS)"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What a message speaks of; `estimate` is for the reference class, without a GPU where there is none."""

    request: Request
    estimate: Estimate
    judged: Sequence[Judged]
    reference: Judged | None

    @property
    def need(self) -> str:
        return need(self.estimate.per_gpu)


def fact(case: Case, reason: Reason) -> str:
    """The sentence that must stand when everything after it is cut off."""
    return _FACTS[reason](case)


def need(interval: Interval) -> str:
    """`needs 19.4 GiB per GPU (18.6–20.9)`."""
    text = f"needs {gib(interval.expected)} GiB per GPU"
    if interval.lower == interval.upper:
        return text
    return f"{text} ({gib(interval.lower)}–{gib(interval.upper)})"


def card(gpu_class: GPUClass) -> str:
    """`Tesla T4 with 14.6 GiB (12 nodes)`; `usable` as its lower end."""
    text = _name(gpu_class)
    if gpu_class.usable is not None:
        text += f" with {gib(gpu_class.usable.lower)} GiB"
    if gpu_class.nodes:
        text += f" ({gpu_class.nodes} node{'s' if gpu_class.nodes > 1 else ''})"
    return text


def _name(gpu_class: GPUClass) -> str:
    mig = f" MIG {gpu_class.mig_profile}" if gpu_class.mig_profile else ""
    return f"{gpu_class.product}{mig}{_SHARING.get(gpu_class.sharing, '')}"


def _gpus(count: int | None) -> str:
    return f"{count or 0} GPU{'s' if count != 1 else ''}"


def _fits(case: Case) -> str:
    others = sum(item.outcome.outcome is Outcome.FITS for item in case.judged) - 1
    more = f" and on {others} other class{'es' if others > 1 else ''}" if others else ""
    return f"{case.need}; fits on {_reference(case)}{more}"


def _tight(case: Case) -> str:
    return f"{case.need}; tight on {_reference(case)}{_budget(case)}, which may run out of memory"


def _too_small(case: Case, known: str = "") -> str:
    return f"{case.need}; the largest {known}eligible GPU is {_reference(case)}{_budget(case)}"


def _too_few(case: Case, known: str = "") -> str:
    most = max((item.gpu_class for item in case.judged), key=lambda item: (item.gpus_per_node or 0, item.name))
    per_gpu = case.need.removeprefix("needs ")
    wanted = _gpus(case.request.gpus_per_pod)
    return f"needs {wanted} in one node, {per_gpu}; the most {known}eligible is {most.gpus_per_node}: {card(most)}"


def _lacking(case: Case, known: str = "") -> str:
    by_count = all(item.outcome.too_few_gpus for item in case.judged)
    return _too_few(case, known) if by_count else _too_small(case, known)


def _incomplete(case: Case) -> str:
    return f"{_lacking(case, 'known ')}; there may be others, the inventory is not declared complete"


def _stale(case: Case) -> str:
    return f"{_lacking(case)}, as far as is known: the last look at the cluster is too old to refuse"


def _unknown_memory(case: Case) -> str:
    unknown = [item.gpu_class for item in case.judged if item.outcome.outcome is Outcome.UNKNOWN]
    rest = "; every other eligible GPU is too small" if len(unknown) < len(case.judged) else ""
    because = f" ({unknown[0].unknown_because})" if unknown[0].unknown_because else ""
    return f"{case.need}; the memory of {_name(unknown[0])} is unknown{because}{rest}"


def _no_gpu(case: Case) -> str:
    return f"{case.need}; no node that it may run on offers {case.request.gpu_resource or 'a GPU'}"


def _mismatch(case: Case) -> str:
    request = case.request
    return (
        f"the pod asks for {_gpus(request.pod_gpus)}, its role {request.role} for {request.gpus_per_pod}: "
        "change the pod's request, or the LLMJob's parallelism or topology"
    )


def _reference(case: Case) -> str:
    return card(case.reference.gpu_class) if case.reference is not None else "of unknown memory"


def _budget(case: Case) -> str:
    """What of the card the engine takes, where that is what binds."""
    budget = case.estimate.budget
    binds = case.reference is not None and case.reference.outcome.limit is Limit.BUDGET
    if not binds or budget is None or budget.available is None:
        return ""
    return f", of which the engine takes {gib(budget.available.lower)} and needs {gib(budget.needed.expected)}"


_FACTS: Final[Mapping[Reason, Callable[[Case], str]]] = {
    Reason.NO_ELIGIBLE_GPU: _no_gpu,
    Reason.GPU_COUNT_MISMATCH: _mismatch,
    Reason.FITS: _fits,
    Reason.TIGHT: _tight,
    Reason.INVENTORY_UNKNOWN: _unknown_memory,
    Reason.INCOMPLETE_INVENTORY: _incomplete,
    Reason.STALE: _stale,
    Reason.NOT_ENOUGH_GPUS_PER_NODE: _too_few,
    Reason.INSUFFICIENT_GPU_MEMORY: _too_small,
}
