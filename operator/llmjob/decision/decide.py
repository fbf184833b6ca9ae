"""The one decision, for the CLI, the webhook and the controller alike."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from llmjob.decision import message
from llmjob.decision.advice import advice
from llmjob.decision.outcome import Estimates, Judged, judge_class
from llmjob.decision.policy import Policy, effective_level
from llmjob.decision.steering import exclusions
from llmjob.decision.verdict import Action, Exclusion, Outcome, Verdict
from llmjob.estimator.result import Unknown
from llmjob.estimator.task import Inference
from llmjob.fleet.fleet import Fleet
from llmjob.fleet.gpu_class import gpu_of
from llmjob.names import Level, Reason
from llmjob.workloads.request import AnyRequest, Request, UnknownRequest

_DENIALS: Final = frozenset({Reason.NOT_ENOUGH_GPUS_PER_NODE, Reason.INSUFFICIENT_GPU_MEMORY})
_BEST_FIRST: Final = {
    Outcome.FITS: Reason.FITS,
    Outcome.TIGHT: Reason.TIGHT,
    Outcome.UNKNOWN: Reason.INVENTORY_UNKNOWN,
    Outcome.TOO_LARGE: Reason.INSUFFICIENT_GPU_MEMORY,
}
_WITHOUT_ADVICE: Final = frozenset({Reason.FITS, Reason.GPU_COUNT_MISMATCH, Reason.NO_ELIGIBLE_GPU})


def decide(request: AnyRequest, fleet: Fleet, policy: Policy) -> Verdict:
    """Judge one role against the classes it may run on; pure.

    Reasons and their precedence, outcomes and actions are the tables of the design: no denial but on the lower bound,
    over every eligible class of an inventory that is known to be complete.
    """
    if isinstance(request, UnknownRequest):
        return _unknown(request, request.unknown, policy)
    estimates = Estimates(request.model, request.task)
    eligible = fleet.eligible(request.scheduling, request.gpu_resource)
    # On the first class of known memory, where one is: that estimate is needed anyway.
    general = estimates.on(next((gpu for item in eligible if (gpu := gpu_of(item)) is not None), None))
    if isinstance(general, Unknown):
        return _unknown(request, general, policy)
    judged = [judge_class(item, estimates, request.gpus_per_pod) for item in eligible]
    case = _Case(request, judged, policy)
    reason = case.reason()
    reference = _reference(judged)
    made = reference.estimate if reference is not None and reference.estimate is not None else general
    level = effective_level(policy.level, request.enforcement)
    steered = _steer(estimates, judged, fleet, policy, level)
    changes = () if reason in _WITHOUT_ADVICE else advice(request, estimates, made, judged, fleet)
    text = message.of(reason, request=request, estimate=made, judged=judged, reference=reference, advice=changes)
    return Verdict(
        name=request.name,
        namespace=request.namespace,
        role=request.role,
        reason=reason,
        message=text,
        action=_action(reason, level, policy),
        need=made.per_gpu,
        estimate=made,
        reference_class=reference.gpu_class.name if reference is not None else None,
        classes=tuple(item.outcome for item in judged),
        exclusions=steered,
        excluded_classes=tuple(item.gpu_class.name for item in judged if steered and item.too_large_by_memory),
        advice=changes,
        input_hash=request.input_hash,
        warnings=tuple(dict.fromkeys((*request.model.warnings, *made.warnings))),
    )


@dataclass(frozen=True, slots=True)
class _Case:
    request: Request
    judged: Sequence[Judged]
    policy: Policy

    def reason(self) -> Reason:
        """The first reason that holds; model and job are known here."""
        if not self.judged:
            return Reason.NO_ELIGIBLE_GPU
        if not _count_agrees(self.request):
            return Reason.GPU_COUNT_MISMATCH
        outcomes = {item.outcome.outcome for item in self.judged}
        best = next(outcome for outcome in _BEST_FIRST if outcome in outcomes)
        return self._nothing_fits() if best is Outcome.TOO_LARGE else _BEST_FIRST[best]

    def _nothing_fits(self) -> Reason:
        """Every eligible class is too small: a denial, unless we may not know the whole fleet or know it too late."""
        if not self.policy.inventory_complete:
            return Reason.INCOMPLETE_INVENTORY
        if self.policy.stale:
            return Reason.STALE
        too_few = all(item.outcome.too_few_gpus for item in self.judged)
        return Reason.NOT_ENOUGH_GPUS_PER_NODE if too_few else Reason.INSUFFICIENT_GPU_MEMORY


def _count_agrees(request: Request) -> bool:
    """Whether a pod asks for the GPUs of its role; engines run data-parallel ranks in one pod or in several."""
    if request.pod_gpus is None or request.pod_gpus == request.gpus_per_pod:
        return True
    if not isinstance(request.task, Inference):
        return False
    degrees = request.task.parallelism
    instance = degrees.tensor * degrees.pipeline * degrees.context
    return request.pod_gpus * request.pods_per_instance in (instance, instance * degrees.data)


def _reference(judged: Sequence[Judged]) -> Judged | None:
    """The class that need and metrics speak of: the smallest that Fits, else the smallest Tight, else the largest."""
    known = sorted((item for item in judged if item.estimate is not None), key=_size)
    for outcome in (Outcome.FITS, Outcome.TIGHT):
        if found := [item for item in known if item.outcome.outcome is outcome]:
            return found[0]
    return known[-1] if known else None


def _size(item: Judged) -> tuple[int, int, str]:
    usable = item.gpu_class.usable
    return (usable.lower, usable.upper, item.gpu_class.name) if usable else (0, 0, item.gpu_class.name)


def _action(reason: Reason, level: Level, policy: Policy) -> Action:
    """What admission does."""
    if level in (Level.OFF, Level.AUDIT) or reason is Reason.FITS:
        return Action.ALLOW
    denies = level in (Level.ENFORCE, Level.STRICT) and reason in _DENIALS
    if reason is Reason.PENDING and policy.missing:
        denies = level is Level.STRICT
    return Action.DENY if denies and policy.deniable else Action.WARN


def _steer(
    estimates: Estimates, judged: Sequence[Judged], fleet: Fleet, policy: Policy, level: Level
) -> tuple[Exclusion, ...]:
    if not policy.steering or level in (Level.OFF, Level.AUDIT) or not any(item.too_large_by_memory for item in judged):
        return ()
    nowhere = all(item.outcome.outcome is Outcome.TOO_LARGE for item in judged)
    if nowhere and level is Level.WARN:
        return ()
    everywhere = [judge_class(item, estimates, 1) for item in fleet.classes()]
    return exclusions((item.gpu_class, item.too_large_by_memory) for item in everywhere)


def _unknown(request: AnyRequest, unknown: Unknown, policy: Policy) -> Verdict:
    level = effective_level(policy.level, request.enforcement)
    reason = unknown.reason
    return Verdict(
        name=request.name,
        namespace=request.namespace,
        role=request.role,
        reason=reason,
        message=message.of_unknown(unknown),
        action=_action(reason, level, policy),
        unknown=unknown,
        input_hash=request.input_hash,
    )
