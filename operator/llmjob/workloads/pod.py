"""What a pod asks for: the role of the LLMJob that its labels name, on the nodes where this pod may run."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from llmjob.estimator.result import Unknown
from llmjob.names import DEFAULT_ROLE, JOB_LABEL, ROLE_LABEL, Reason
from llmjob.workloads.gpu_resources import GPUAsk, asks_for_gpu
from llmjob.workloads.input_hash import hash_of
from llmjob.workloads.pod_scheduling import scheduling_of
from llmjob.workloads.request import AnyRequest, UnknownRequest

if TYPE_CHECKING:
    from llmjob.api.llmjob import LLMJob

__all__ = ["asks_for_gpu", "request_from_pod"]


@dataclass(frozen=True, slots=True)
class _Identity:
    name: str
    namespace: str | None
    job: str
    role: str


def request_from_pod(pod: Mapping[str, object], job: "LLMJob | None", *, missing: bool = False) -> AnyRequest | None:
    """The request of a pod; None where it names no job or nothing in it asks for a GPU.

    `job` is the LLMJob that the pod's label names, None where it is not known; `missing` says that it surely does not
    exist. Without the job, or without the role in it, the answer is an UnknownRequest with reason Pending. Never
    fails, whatever the pod's shape.
    """
    identity = _identity(pod, job)
    ask = asks_for_gpu(pod)
    if ask is None or not identity.job:
        return None
    if job is None:
        return _pending(pod, identity, ask, JOB_LABEL, _no_job(identity, missing=missing))
    from llmjob.workloads.llmjob import requests_from_llmjob  # noqa: PLC0415, needs pydantic

    requests = requests_from_llmjob(job)
    request = next((item for item in requests if item.role == identity.role), None)
    if request is None:
        roles = ", ".join(item.role for item in requests)
        message = f"LLMJob {identity.job} has no role {identity.role!r}: set the label {ROLE_LABEL} to one of {roles}"
        return _pending(pod, identity, ask, ROLE_LABEL, message)
    scheduling = scheduling_of(pod)
    return replace(
        request,
        name=identity.name,
        namespace=identity.namespace,
        scheduling=scheduling,
        gpu_resource=ask.resource,
        pod_gpus=ask.count,
        input_hash=hash_of(request.input_hash, scheduling, ask),
    )


def _identity(pod: Mapping[str, object], job: "LLMJob | None") -> _Identity:
    metadata = pod.get("metadata")
    metadata = metadata if isinstance(metadata, Mapping) else {}
    labels = metadata.get("labels")
    labels = labels if isinstance(labels, Mapping) else {}
    job_name = _text(labels.get(JOB_LABEL))
    return _Identity(
        name=_text(metadata.get("name")) or _text(metadata.get("generateName")) or job_name,
        namespace=_text(metadata.get("namespace")) or (job.metadata.namespace if job else None),
        job=job_name,
        role=_text(labels.get(ROLE_LABEL)) or DEFAULT_ROLE,
    )


def _no_job(identity: _Identity, *, missing: bool) -> str:
    where = f" in namespace {identity.namespace}" if identity.namespace else ""
    state = f"there is no LLMJob {identity.job}{where}" if missing else f"LLMJob {identity.job} is not known{where} yet"
    return f"{state}: apply it, or correct the label {JOB_LABEL}"


def _pending(pod: Mapping[str, object], identity: _Identity, ask: GPUAsk, label: str, message: str) -> UnknownRequest:
    scheduling = scheduling_of(pod)
    unknown = Unknown(reason=Reason.PENDING, field=f"metadata.labels[{label}]", message=message)
    return UnknownRequest(
        name=identity.name,
        unknown=unknown,
        namespace=identity.namespace,
        role=identity.role,
        scheduling=scheduling,
        gpu_resource=ask.resource,
        pod_gpus=ask.count,
        input_hash=hash_of(unknown, scheduling, ask),
    )


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
