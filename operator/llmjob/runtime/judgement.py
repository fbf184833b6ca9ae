"""A job judged: every role's request and verdict, and the worst of them, which is the job's."""

from dataclasses import dataclass

from llmjob.decision.severity import severity
from llmjob.decision.verdict import Verdict
from llmjob.estimator.task import FineTuning, Inference
from llmjob.workloads.request import AnyRequest, Request


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
        return max(self.roles, key=lambda role: severity(role.verdict))
