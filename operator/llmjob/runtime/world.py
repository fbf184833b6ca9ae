"""What a decision looks at, gathered: views, settings of the moment, a cache of verdicts, the level and policy."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from llmjob.api.llmjob import LLMJob
from llmjob.decision.decide import decide
from llmjob.decision.policy import Policy
from llmjob.decision.verdict import Verdict
from llmjob.fleet.fleet import Fleet
from llmjob.names import Level
from llmjob.runtime.cluster import ClusterError, Object
from llmjob.runtime.judgement import Judgement, RoleJudgement
from llmjob.runtime.paths import is_name
from llmjob.runtime.settings import Settings
from llmjob.runtime.views import JobView, NodeView, SeenJob
from llmjob.workloads.request import AnyRequest

_GET: Final = 0.5
_REMEMBERED: Final = 4096

# Namespace, name → the stored LLMJob, None where there is none; raises ClusterError.
FindJob = Callable[[str, str, float], Awaitable[Object | None]]


class Missing(Enum):
    """Why a job is not at hand: the API server says 404, or it gave no answer in time."""

    NOT_FOUND = "NotFound"
    NO_ANSWER = "NoAnswer"


@dataclass(slots=True)
class World:
    """The views and settings of a process, and the verdicts given on the fleet as it is."""

    nodes: NodeView
    jobs: JobView
    find_job: FindJob
    settings: Settings = field(default_factory=Settings)
    _fleet: tuple[Fleet, Settings, Fleet] | None = None
    _generation: str = ""
    _verdicts: dict[tuple[object, ...], Verdict] = field(default_factory=dict)
    _deciding: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def fleet(self) -> Fleet:
        """Live nodes and declared pools."""
        live = self.nodes.fleet
        known = self._fleet
        if known is None or known[0] is not live or known[1] is not self.settings:
            known = self._fleet = (live, self.settings, self.settings.with_pools(live))
        return known[2]

    @property
    def stale(self) -> bool:
        """Whether the views are too old, or not complete, to deny by."""
        return not (self.nodes.synced and self.jobs.synced) or self.nodes.age > self.settings.views.max_age

    def level(self, word: str) -> Level:
        """The level of a path: a namespace's own, or the operator's default."""
        return self.settings.default_level if word == "default" else Level(word)

    async def decide(self, request: AnyRequest, policy: Policy) -> Verdict:
        """The verdict on a request; asked again on the same fleet it is not estimated anew.

        Estimating takes a thread, so that probes, watches and other answers never wait for it; one at a time, since
        two would only share the interpreter, and whoever asks the same meanwhile finds the answer.
        """
        fleet = self.fleet
        verdicts = self._verdicts_on(fleet)
        key = (request.namespace, request.name, request.role, request.input_hash, request.pod_gpus, policy)
        found = verdicts.get(key)
        if found is None:
            async with self._deciding:
                found = verdicts.get(key)
                if found is None:
                    found = verdicts[key] = await asyncio.to_thread(decide, request, fleet, policy)
        return found

    async def judge(self, seen: SeenJob, requests: Sequence[AnyRequest], policy: Policy) -> Judgement:
        """The verdicts on every role of a job."""
        roles = [RoleJudgement(request=request, verdict=await self.decide(request, policy)) for request in requests]
        return Judgement(namespace=seen.namespace, name=seen.name, roles=tuple(roles))

    def _verdicts_on(self, fleet: Fleet) -> dict[tuple[object, ...], Verdict]:
        """Verdicts given on this fleet; those of another, or too many, are forgotten."""
        if fleet.generation != self._generation or len(self._verdicts) >= _REMEMBERED:
            # A new one: a verdict under way is put into the one that it was looked up in.
            self._verdicts, self._generation = {}, fleet.generation
        return self._verdicts

    async def job(self, namespace: str, name: str) -> LLMJob | Missing:
        """The job a pod names: from the view, else by one bounded GET. One that cannot be read counts as no answer."""
        seen = self.jobs.find(namespace, name)
        if seen is not None and seen.job is not None:
            return seen.job
        return await self.read_again(namespace, name)

    async def read_again(self, namespace: str, name: str) -> LLMJob | Missing:
        """The job as stored now, by one bounded GET; what cannot be a job's name is none."""
        if not (is_name(namespace) and is_name(name)):
            return Missing.NOT_FOUND
        try:
            async with asyncio.timeout(_GET):
                found = await self.find_job(namespace, name, _GET)
        except (ClusterError, TimeoutError):
            return Missing.NO_ANSWER
        if found is None:
            return Missing.NOT_FOUND
        job = (await asyncio.to_thread(SeenJob.of, found)).job
        return job if job is not None else Missing.NO_ANSWER
