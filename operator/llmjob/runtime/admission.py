"""The answer to an admission request: LLMJobs validated, pods of a job annotated, steered, warned of or refused."""

import asyncio
from collections.abc import Mapping
from typing import Any, Final

from llmjob.api.llmjob import LLMJob
from llmjob.decision.message import warning_line
from llmjob.decision.policy import Policy, effective_level
from llmjob.decision.verdict import Action, Verdict
from llmjob.names import Level, Reason
from llmjob.runtime.admission_review import Answer, Cause
from llmjob.runtime.pod_patch import patch_of, printed_need
from llmjob.runtime.pod_question import PodQuestion
from llmjob.runtime.views import SeenJob, plain
from llmjob.runtime.world import Missing, World
from llmjob.workloads.llmjob import requests_from_llmjob
from llmjob.workloads.request import AnyRequest
from llmjob.workloads.termination_message import fall_back_to_logs, wants_logs

Request = Mapping[str, Any]
_MIRROR: Final = "kubernetes.io/config.mirror"
_UNPROCESSABLE: Final = 422
# Below the three seconds that the chart makes the API server wait.
_IN_TIME: Final = 2.5
_TIMEOUT: Final = "Timeout"


class Admission:
    """Answers reviews from a world's views; the only I/O is the world's bounded GET."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def __call__(self, route: Mapping[str, str], request: Request) -> Answer:
        """Answer one request of a path's level, resource and verb, while the API server still waits."""
        uid = str(request["uid"])
        try:
            async with asyncio.timeout(_IN_TIME):
                return await self._review(uid, route, request)
        except TimeoutError:
            warning = "llmjob could not judge this in time: it is allowed unjudged"
            return Answer(uid=uid, reason=_TIMEOUT, warnings=(warning,))

    async def _review(self, uid: str, route: Mapping[str, str], request: Request) -> Answer:
        content = request.get("object")
        level = self._world.level(route["level"]) if "level" in route else None
        off = not self._world.settings.enabled or level is Level.OFF
        if off or not isinstance(content, Mapping) or _metadata(content).get("deletionTimestamp"):
            return Answer(uid=uid)
        if level is None:
            # A label of the namespace asks for the end of logs; no level is about that.
            return Answer(uid=uid, patch=fall_back_to_logs(content) if _created(request, content) else ())
        if route["resource"] == "llmjobs":
            return await self._validate_job(uid, level, request, content)
        pod = PodQuestion.of(self._world, request)
        if not (_created(request, content) and pod.asks):
            return Answer(uid=uid)
        if route["verb"] == "mutate":
            return await self._mutate_pod(uid, level, pod, route.get("steering"))
        return await self._validate_pod(uid, level, pod)

    async def _validate_job(self, uid: str, level: Level, request: Request, content: Request) -> Answer:
        namespace = str(request.get("namespace") or "")
        seen = await asyncio.to_thread(_seen, content, namespace)
        old = request.get("oldObject")
        before = None
        if request["operation"] == "UPDATE" and isinstance(old, Mapping):
            before = await asyncio.to_thread(_seen, old, namespace)
        if seen.job is None:
            if before is not None and before.content.get("spec") == content.get("spec"):
                return Answer(uid=uid, reason=Reason.BAD_INPUT)
            errors = seen.error.errors if seen.error else ()
            causes = tuple(Cause(field=error.path, message=error.message) for error in errors)
            return _invalid(uid, "; ".join(str(error) for error in errors), causes)
        requests = await asyncio.to_thread(requests_from_llmjob, seen.job)
        deniable = before is None or before.job is None or _asked(requests) != await _asked_by(before.job)
        policy = self._world.settings.policy(level, deniable=deniable, stale=self._world.stale)
        verdict = (await self._world.judge(seen, requests, policy)).worst.verdict
        if verdict.reason is Reason.BAD_INPUT and deniable:
            wrong = verdict.unknown
            field, message = (wrong.field, wrong.message) if wrong else ("spec", verdict.message)
            return _invalid(uid, verdict.message, (Cause(field=field, message=message),))
        return _answer(uid, level, verdict)

    async def _mutate_pod(self, uid: str, level: Level, pod: PodQuestion, steering: str | None) -> Answer:
        asked, missing = await pod.first()
        if asked is None:
            return Answer(uid=uid)
        level = effective_level(level, asked.enforcement)
        policy = self._policy(level, pod, missing=missing, steering=steering)
        verdict = await self._world.decide(asked, policy)
        patch = patch_of(pod.pod, verdict, steering=policy.steering)
        if wants_logs(pod.pod):
            patch += fall_back_to_logs(pod.pod)
        return Answer(uid=uid, reason=verdict.reason, patch=patch)

    async def _validate_pod(self, uid: str, level: Level, pod: PodQuestion) -> Answer:
        asked, missing = await pod.first()
        if asked is None:
            return Answer(uid=uid)
        policy = self._policy(effective_level(level, asked.enforcement), pod, missing=missing)
        verdict = await self._world.decide(asked, policy)
        if verdict.action is Action.DENY and not missing:
            # The job may be another by now, or gone; without an answer nothing is denied.
            asked, gone = await pod.again()
            if asked is not None:
                policy = self._policy(
                    effective_level(level, asked.enforcement),
                    pod,
                    missing=gone is Missing.NOT_FOUND,
                    stale=gone is Missing.NO_ANSWER,
                )
                verdict = await self._world.decide(asked, policy)
        return _answer(uid, policy.level, verdict)

    def _policy(
        self, level: Level, pod: PodQuestion, *, missing: bool, stale: bool = False, steering: str | None = None
    ) -> Policy:
        return self._world.settings.policy(
            level,
            steering=steering,
            deniable=_deniable(pod.pod, level),
            stale=stale or self._world.stale,
            missing=missing,
        )


def _answer(uid: str, level: Level, verdict: Verdict) -> Answer:
    audit = {"level": str(level), "reason": str(verdict.reason)}
    if verdict.need is not None:
        audit["need"] = printed_need(verdict.need)
    if verdict.action is Action.DENY:
        causes = [Cause(field=_blamed(verdict), message=verdict.message, reason=str(verdict.reason))]
        causes += [
            Cause(field=_in_spec(found.field), message=found.message, reason="Advice") for found in verdict.advice
        ]
        return Answer(
            uid=uid, allowed=False, reason=verdict.reason, message=f"{verdict.reason}: {verdict.message}",
            causes=tuple(causes), audit=audit,
        )  # fmt: skip
    warnings = (warning_line(verdict), *verdict.warnings) if verdict.action is Action.WARN else ()
    return Answer(uid=uid, reason=verdict.reason, warnings=warnings, audit=audit)


def _invalid(uid: str, message: str, causes: tuple[Cause, ...]) -> Answer:
    return Answer(uid=uid, allowed=False, code=_UNPROCESSABLE, reason=Reason.BAD_INPUT, message=message, causes=causes)


def _blamed(verdict: Verdict) -> str:
    if verdict.unknown is not None:
        return verdict.unknown.field
    return "spec.topology" if verdict.reason is Reason.NOT_ENOUGH_GPUS_PER_NODE else "spec"


def _in_spec(field: str) -> str:
    return field if field.startswith("spec.") else f"spec.{field}"


def _asked(requests: tuple[AnyRequest, ...]) -> list[tuple[str, str]]:
    """The part of a job that decides: the hash covers everything but the fleet."""
    return sorted((request.role, request.input_hash) for request in requests)


async def _asked_by(job: LLMJob) -> list[tuple[str, str]]:
    return _asked(await asyncio.to_thread(requests_from_llmjob, job))


def _seen(content: Mapping[str, Any], namespace: str) -> SeenJob:
    whole = {**content, "metadata": {**_metadata(content), "namespace": namespace}}
    if not whole["metadata"].get("name"):
        # With generateName the API server fills the name in after admission.
        whole["metadata"]["name"] = str(whole["metadata"].get("generateName", "")).rstrip("-.") or "generated"
    return SeenJob.of(plain(whole))


def _created(request: Request, pod: Request) -> bool:
    """Whether the pod comes to be now, and not as the mirror of one that a kubelet runs on its own."""
    mirrored = _MIRROR in (_metadata(pod).get("annotations") or {})
    return request["operation"] == "CREATE" and not mirrored


def _deniable(pod: Request, level: Level) -> bool:
    """Bare pods; under `strict` a controller's pods too."""
    owners = _metadata(pod).get("ownerReferences")
    owned = isinstance(owners, list) and any(isinstance(o, Mapping) and o.get("controller") for o in owners)
    return level is Level.STRICT or not owned


def _metadata(content: Mapping[str, Any]) -> dict[str, Any]:
    metadata = content.get("metadata")
    return dict(metadata) if isinstance(metadata, Mapping) else {}
