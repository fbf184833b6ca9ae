"""A job judged: every role's request and verdict, and the worst of them, which is the job's."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from llmjob.decision.decide import decide
from llmjob.decision.policy import Policy
from llmjob.decision.verdict import Action, Verdict
from llmjob.estimator.task import FineTuning, Inference
from llmjob.fleet.fleet import Fleet
from llmjob.names import Reason
from llmjob.runtime.views import SeenJob
from llmjob.workloads.llmjob import requests_from_llmjob
from llmjob.workloads.request import AnyRequest, Request

# From the best to the worst, for the job's own verdict; within a rank the first role counts.
_RANK: Final[Mapping[Reason, int]] = {
    Reason.FITS: 0,
    Reason.TIGHT: 1,
    Reason.GPU_COUNT_MISMATCH: 2,
    Reason.MODEL_UNKNOWN: 3,
    Reason.PENDING: 3,
    Reason.STALE: 3,
    Reason.INVENTORY_UNKNOWN: 3,
    Reason.NO_ELIGIBLE_GPU: 4,
    Reason.INCOMPLETE_INVENTORY: 5,
    Reason.NOT_ENOUGH_GPUS_PER_NODE: 6,
    Reason.INSUFFICIENT_GPU_MEMORY: 7,
    Reason.BAD_INPUT: 8,
}
_ACTIONS: Final = (Action.ALLOW, Action.WARN, Action.DENY)


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleJudgement:
    """One role's request and the verdict on it."""

    request: AnyRequest
    verdict: Verdict

    @property
    def name(self) -> str:
        return self.request.role

    @property
    def engine(self) -> str | None:
        task = self.request.task if isinstance(self.request, Request) else None
        return task.engine if isinstance(task, Inference) else None

    @property
    def method(self) -> str | None:
        task = self.request.task if isinstance(self.request, Request) else None
        return task.method if isinstance(task, FineTuning) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """All roles of a job; `worst` decides for the job."""

    namespace: str
    name: str
    roles: tuple[RoleJudgement, ...]

    @property
    def worst(self) -> RoleJudgement:
        return max(self.roles, key=lambda role: (_ACTIONS.index(role.verdict.action), _RANK[role.verdict.reason]))


def judge(seen: SeenJob, fleet: Fleet, policy: Policy) -> Judgement:
    """Judge every role of a job that could be read."""
    if seen.job is None:
        raise ValueError("a job that could not be read has no roles")
    requests = requests_from_llmjob(seen.job)
    roles = tuple(RoleJudgement(request=request, verdict=decide(request, fleet, policy)) for request in requests)
    return Judgement(namespace=seen.namespace, name=seen.name, roles=roles)
