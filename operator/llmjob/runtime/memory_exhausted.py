"""The condition MemoryExhausted: when it holds, when it ends, and what it says. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from llmjob.decision.relief import relief
from llmjob.fleet.fleet import Fleet
from llmjob.fleet.gpu_class import GPUClass, Sharing
from llmjob.names import Condition
from llmjob.observation.container_runs import Run
from llmjob.observation.signatures import Cause
from llmjob.quantity import GiB, MiB, gib
from llmjob.runtime.exhaustion import Exhaustion
from llmjob.runtime.judgement import Judgement, RoleJudgement
from llmjob.runtime.pod_view import JobPod
from llmjob.runtime.status import Told, condition_of
from llmjob.runtime.views import SeenJob
from llmjob.workloads.request import Request

_EXHAUSTED: Final = "OutOfGPUMemory"
_SPEC_CHANGED: Final = "SpecChanged"
_RUNS_AGAIN: Final = "RunsAgain"
# By how many seconds a later run must outlast the one that ended: engines allocate most within minutes of their start.
_LONGER: Final = 600.0
_SHARED: Final = frozenset({Sharing.TIME_SLICING, Sharing.MPS})


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the condition depends on; `now` in RFC 3339."""

    seen: SeenJob
    judgement: Judgement | None
    newest: Exhaustion | None
    pods: Iterable[JobPod]
    fleet: Fleet
    now: str


def memory_exhausted(facts: Facts) -> Told | None:
    """What the condition should say; None where it was never set.

    It holds once a run is known to have ended for want of GPU memory. It ends with a change of the spec (what began
    before that speaks of the old one), or when a later run of that container completed or outlasts the one that ended
    by ten minutes.
    """
    before = condition_of(facts.seen.content.get("status") or {}, Condition.MEMORY_EXHAUSTED)
    state, reason = (str((before or {}).get(key)) for key in ("status", "reason"))
    since = _moment((before or {}).get("lastTransitionTime"))
    newest = facts.newest
    if newest is not None and newest.finished < _moment(
        (facts.seen.content.get("metadata") or {}).get("creationTimestamp")
    ):
        newest = None
    if before is not None and state == "True":
        if int(before.get("observedGeneration") or 0) < facts.seen.generation:
            return "False", _SPEC_CHANGED, "the job was changed since it ran out of GPU memory"
        if _runs_again(newest, since, facts):
            return "False", _RUNS_AGAIN, "a later run completed, or lasts longer than the one that ran out"
        return _exhausted(newest, facts) if newest is not None else (state, reason, str(before.get("message")))
    old = before is not None and newest is not None and since > (
        newest.started if reason == _SPEC_CHANGED else newest.finished
    )  # fmt: skip
    if newest is not None and not old and not _runs_again(newest, since, facts):
        return _exhausted(newest, facts)
    return None if before is None else (state, reason, str(before.get("message")))


def _runs_again(newest: Exhaustion | None, since: float, facts: Facts) -> bool:
    """Whether a later run did better. Where the pod that ended is gone unseen, any run of the job since then counts."""
    after, lasted = (newest.finished, newest.run.lasted) if newest is not None else (since, 0.0)
    now = _moment(facts.now)
    for pod in facts.pods:
        for run in pod.runs:
            same = newest is None or (pod.role, run.container) == (newest.role, newest.run.container)
            if same and run.started is not None and run.started >= after and _did_better(run, lasted + _LONGER, now):
                return True
    return False


def _did_better(run: Run, least: float, now: float) -> bool:
    if run.ending is None:
        return run.started is not None and now - run.started > least
    if run.ending.cause is Cause.COMPLETED:
        return True
    return run.ending.cause is not Cause.GPU_OUT_OF_MEMORY and run.lasted > least


def _exhausted(found: Exhaustion, facts: Facts) -> Told:
    """The key fact first, then what to change; the log's words last, for they may be cut."""
    card = next((item for item in facts.fleet.classes() if item.name == found.gpu_class), None)
    roles = facts.judgement.roles if facts.judgement is not None else ()
    role = next((item for item in roles if item.name == found.role), None)
    text = f"pod {found.pod}, container {found.run.container}, ran out of GPU memory"
    if found.gpu_class:
        text += f" on {found.gpu_class}"
    if found.run.lasted:
        text += f" after {timedelta(seconds=int(found.run.lasted))}"
    if card is not None and card.sharing in _SHARED:
        text += ", which it shares: another pod may have taken the memory"
    if role is not None and card is not None and isinstance(role.request, Request):
        changes = relief(role.request, card, facts.fleet)
        if changes:
            text += f". Needs less, or has more, with: {'; '.join(change.message for change in changes)}"
    return "True", _EXHAUSTED, f"{text}.{_expected(role, card)} {_claimed(found, card)}"


def _expected(role: RoleJudgement | None, card: GPUClass | None) -> str:
    outcomes = role.verdict.classes if role is not None else ()
    there = next((item for item in outcomes if card is not None and item.name == card.name), None)
    if there is None or there.need is None or there.usable is None:
        return ""
    need = there.need
    return (
        f" Expected were {gib(need.expected)} ({gib(need.lower)}–{gib(need.upper)}) of {gib(there.usable)} GiB usable."
    )


def _claimed(found: Exhaustion, card: GPUClass | None) -> str:
    """The log's words, and its figures where there is a card to hold them to."""
    figures = ""
    if card is not None and card.usable is not None:
        claim = found.claim.capped(card.usable.upper)
        told = {"asked for": claim.asked, "had allocated": claim.allocated, "saw a total of": claim.total}
        figures = ", ".join(f"{words} {_amount(value)}" for words, value in told.items() if value is not None)
    return f"By its log ({found.claim.signature}) it {figures or 'ended so'}: {found.claim.excerpt}"


def _amount(value: int) -> str:
    return f"{gib(value)} GiB" if value >= GiB else f"{value / MiB:.0f} MiB"


def _moment(value: object) -> float:
    try:
        return datetime.fromisoformat(str(value)).timestamp()
    except (ValueError, OverflowError):
        return 0.0
