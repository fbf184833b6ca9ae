"""A judgement as the status of an LLMJob, and the smallest merge patch that makes an object's status so. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from llmjob.decision.verdict import Advice, ClassOutcome
from llmjob.estimator.interval import Interval
from llmjob.estimator.result import Component
from llmjob.names import Condition, Reason
from llmjob.quantity import format_quantity, gib
from llmjob.runtime.judgement import Judgement, RoleJudgement
from llmjob.runtime.usage.status import Usage
from llmjob.runtime.views import SeenJob
from llmjob.workloads.request import Request

Json = dict[str, Any]
# A condition's status, reason and message.
Told = tuple[str, str, str]

_ORDER: Final = {str(kind): place for place, kind in enumerate(Condition)}
_LONGEST: Final = 4096
_SHORT: Final = 128
_NAME: Final = 253
_CLASSES: Final = 256


def status_of(
    seen: SeenJob,
    judgement: Judgement | None,
    now: str,
    more: Mapping[Condition, Told | None] | None = None,
    usage: Usage | None = None,
) -> Json:
    """The status of a job as it should be; `judgement` is None where the job could not be read.

    `now` (RFC 3339) is written where a condition's status changed; `more` are conditions beside those of the judgement
    (None ends one), conditions of other types are kept. `usage` is what was observed.
    """
    current = seen.content.get("status") or {}
    told: dict[Condition, Told | None] = {**_judged(seen, judgement), **(more or {})}
    usage = usage or Usage()
    conditions = _conditions(seen, told, now, current.get("conditions") or ())
    if judgement is None:
        return {
            "observedGeneration": seen.generation,
            "summary": {"reason": str(Reason.BAD_INPUT)},
            "roles": [],
            "conditions": conditions,
        }
    worst = judgement.worst
    status: Json = {
        "observedGeneration": seen.generation,
        "summary": _summary(worst) | ({"used": usage.used} if usage.used else {}),
        "roles": [_role(role, usage.observed.get(role.name)) for role in judgement.roles],
        "conditions": conditions,
    }
    model = _model(worst)
    if model:
        status["model"] = model
    return status


def merge_patch(current: Mapping[str, Any], wanted: Mapping[str, Any]) -> Json:
    """The smallest RFC 7386 patch that turns `current` into `wanted`; empty where nothing differs."""
    patch: Json = {key: None for key in current if key not in wanted}
    for key, value in wanted.items():
        before = current.get(key)
        if isinstance(value, Mapping) and isinstance(before, Mapping):
            inner = merge_patch(before, value)
            if inner:
                patch[key] = inner
        elif value != before or key not in current:
            patch[key] = value
    return patch


def condition_of(status: Mapping[str, Any], kind: Condition) -> Mapping[str, Any] | None:
    """A condition by type."""
    found: Mapping[str, Any] | None = next(
        (item for item in status.get("conditions") or () if item.get("type") == kind), None
    )
    return found


def _judged(seen: SeenJob, judgement: Judgement | None) -> dict[Condition, Told]:
    if judgement is not None:
        return {Condition.ESTIMATED: _estimated(judgement), Condition.FITS: _fits(judgement)}
    message = str(seen.error) if seen.error else "the job cannot be read"
    return {
        Condition.ESTIMATED: ("False", Reason.BAD_INPUT, message),
        Condition.FITS: ("Unknown", Reason.BAD_INPUT, message),
    }


def _conditions(
    seen: SeenJob, told: Mapping[Condition, Told | None], now: str, current: Sequence[Mapping[str, Any]]
) -> list[Json]:
    before = {str(item.get("type")): item for item in current}
    conditions = []
    for kind, said in told.items():
        known = before.pop(str(kind), None)
        if said is None:
            continue
        state, reason, message = said
        since = known.get("lastTransitionTime") if known and known.get("status") == state else None
        conditions.append(
            {
                "type": str(kind),
                "status": state,
                "reason": str(reason),
                "message": message[:_LONGEST],
                "lastTransitionTime": since or now,
                "observedGeneration": seen.generation,
            }
        )
    conditions += [dict(item) for item in before.values()]
    # One order whether or not there is something new to say of each: another order would be a write.
    return sorted(conditions, key=lambda item: _ORDER.get(str(item.get("type")), len(_ORDER)))


def _estimated(judgement: Judgement) -> Told:
    unknown = [role for role in judgement.roles if role.verdict.estimate is None]
    if not unknown:
        profiles = sorted({role.verdict.estimate.profile for role in judgement.roles if role.verdict.estimate})
        return "True", "Estimated", f"estimated with profile {', '.join(profiles)}"
    verdict = unknown[0].verdict
    if verdict.unknown is None:
        return "Unknown", str(verdict.reason), verdict.message
    return "False", str(verdict.unknown.reason), f"{verdict.unknown.field}: {verdict.unknown.message}"


def _fits(judgement: Judgement) -> Told:
    worst = judgement.worst
    verdict = worst.verdict
    state = {True: "True", False: "False", None: "Unknown"}[verdict.fits]
    prefix = f"role {worst.name}: " if len(judgement.roles) > 1 else ""
    return state, str(verdict.reason), prefix + verdict.message


def _summary(role: RoleJudgement) -> Json:
    request, verdict = role.request, role.verdict
    summary: Json = {"reason": str(verdict.reason)}
    if isinstance(request, Request):
        summary["model"] = request.model.name[:_NAME]
        summary["task"] = role.method or ("Inference" if role.engine is None else f"Inference ({role.engine})")
        summary["gpus"] = f"{request.pods_per_instance}x{request.gpus_per_pod}"
    if verdict.need is not None:
        need = verdict.need
        summary["need"] = f"{gib(need.expected)} ({gib(need.lower)}–{gib(need.upper)}) GiB"
    return summary


def _model(role: RoleJudgement) -> Json:
    if not isinstance(role.request, Request):
        return {}
    model = role.request.model
    found: Json = {"name": model.name[:_NAME], "source": str(model.source)}
    estimate = role.verdict.estimate
    if estimate is not None:
        found["parameters"] = estimate.parameters
        if estimate.active_parameters != estimate.parameters:
            found["activeParameters"] = estimate.active_parameters
    family = getattr(model.architecture, "family", None)
    if family:
        found["architecture"] = str(family)[:_SHORT]
    if model.revision:
        found["revision"] = model.revision[:_NAME]
    return found


def _role(role: RoleJudgement, observed: Json | None) -> Json:
    verdict = role.verdict
    found: Json = {"name": role.name, "inputHash": role.request.input_hash}
    if verdict.estimate is not None:
        found["profile"] = verdict.estimate.profile[:_SHORT]
        found["components"] = [_component(part) for part in verdict.estimate.components]
    if verdict.reference_class is not None:
        found["referenceClass"] = verdict.reference_class
    found["classes"] = [_class(outcome) for outcome in verdict.classes[:_CLASSES]]
    found["excludedClasses"] = list(verdict.excluded_classes[:_CLASSES])
    found["advice"] = [_advice(advice) for advice in verdict.advice[:8]]
    if verdict.warnings:
        found["warnings"] = [warning[:_LONGEST] for warning in verdict.warnings[:16]]
    if observed is not None:
        found["observed"] = observed
    return found


def _component(part: Component) -> Json:
    return {"name": str(part.name), **_interval(part.memory), "basis": str(part.basis)}


def _class(outcome: ClassOutcome) -> Json:
    found: Json = {"name": outcome.name, "outcome": str(outcome.outcome)}
    if outcome.need is not None:
        found |= _interval(outcome.need)
    if outcome.usable is not None:
        found["usable"] = format_quantity(outcome.usable)
    if outcome.headroom is not None:
        found["headroom"] = format_quantity(outcome.headroom)
    return found


def _advice(advice: Advice) -> Json:
    return {"field": advice.field[:_NAME], "value": advice.value[:_NAME], "message": advice.message[:_LONGEST]}


def _interval(memory: Interval) -> Json:
    return {
        "lower": format_quantity(memory.lower),
        "expected": format_quantity(memory.expected),
        "upper": format_quantity(memory.upper),
    }
