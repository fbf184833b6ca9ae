"""What a pod under review asks for: its job looked up, its own exclusions from an earlier pass set aside."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

from llmjob.api.llmjob import LLMJob
from llmjob.decision.policy import Policy
from llmjob.decision.unsteered import unsteered
from llmjob.decision.verdict import Exclusion
from llmjob.fleet.node import mapping
from llmjob.fleet.scheduling import ANYWHERE, required_terms
from llmjob.names import DEFAULT_ROLE, JOB_LABEL, ROLE_LABEL, Level
from llmjob.runtime.world import Missing, World
from llmjob.workloads.llmjob import requests_from_llmjob
from llmjob.workloads.pod import request_from_pod
from llmjob.workloads.request import AnyRequest


@dataclass(frozen=True, slots=True)
class PodQuestion:
    """A pod at CREATE, with its namespace, which the object itself may lack."""

    world: World
    pod: Mapping[str, Any]
    namespace: str
    job_name: str

    @classmethod
    def of(cls, world: World, request: Mapping[str, Any]) -> Self:
        """The question of an admission request."""
        pod = request["object"]
        namespace = str(request.get("namespace") or "")
        metadata = {**mapping(pod.get("metadata")), "namespace": namespace}
        labels = mapping(metadata.get("labels"))
        return cls(world, {**pod, "metadata": metadata}, namespace, str(labels.get(JOB_LABEL) or ""))

    @property
    def asks(self) -> bool:
        """Whether the pod names a job and asks for a GPU at all."""
        return request_from_pod(self.pod, None) is not None

    async def by(self, job: LLMJob | None, *, missing: bool = False) -> AnyRequest | None:
        """What it asks for, its job being this one."""
        if job is None:
            return request_from_pod(self.pod, None, missing=missing)
        bare = unsteered(self.pod, await self._exclusions(job))
        return await asyncio.to_thread(request_from_pod, bare, job)

    async def first(self) -> tuple[AnyRequest | None, bool]:
        """What it asks for by what is known, and whether its job surely does not exist."""
        found = await self.world.job(self.namespace, self.job_name)
        if isinstance(found, Missing):
            missing = found is Missing.NOT_FOUND
            return await self.by(None, missing=missing), missing
        return await self.by(found), False

    async def again(self) -> tuple[AnyRequest | None, Missing | None]:
        """The same by the job as it is stored now; where the API server gives no answer, by what is known."""
        found = await self.world.read_again(self.namespace, self.job_name)
        if found is Missing.NO_ANSWER:
            seen = self.world.jobs.find(self.namespace, self.job_name)
            return await self.by(seen.job if seen else None), found
        if isinstance(found, Missing):
            return await self.by(None, missing=True), found
        return await self.by(found), None

    async def _exclusions(self, job: LLMJob) -> tuple[Exclusion, ...]:
        """What steering adds to any pod of the role, wherever its owner lets it run."""
        spec = mapping(self.pod.get("spec"))
        if required_terms(mapping(spec.get("affinity"))) is None:
            return ()
        role = mapping(mapping(self.pod["metadata"]).get("labels")).get(ROLE_LABEL) or DEFAULT_ROLE
        asked = next((item for item in await asyncio.to_thread(requests_from_llmjob, job) if item.role == role), None)
        if asked is None:
            return ()
        anywhere = replace(asked, scheduling=ANYWHERE, input_hash=f"{asked.input_hash}/anywhere")
        return (await self.world.decide(anywhere, Policy(level=Level.ENFORCE))).exclusions
