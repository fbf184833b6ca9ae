"""What one role of one job asks for, the same for an LLMJob, a pod and the command line."""

from dataclasses import dataclass
from typing import TypeAlias

from llmjob.estimator.model import Model
from llmjob.estimator.result import Unknown
from llmjob.estimator.task import Task
from llmjob.fleet.scheduling import ANYWHERE, Scheduling
from llmjob.names import DEFAULT_ROLE, Level


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One role's question: this model, this task, so many GPUs a pod, on nodes where it may run.

    `gpu_resource` is the extended resource a pod asks for, None for "any GPU" (an LLMJob). `pod_gpus` is what the pod
    asks for, None where no pod is at hand; `stated_gpus_per_pod` is None where parallelism decides `gpus_per_pod`.
    `input_hash` covers everything the answer depends on except the fleet.
    """

    name: str
    model: Model
    task: Task
    namespace: str | None = None
    role: str = DEFAULT_ROLE
    pods_per_instance: int = 1
    gpus_per_pod: int = 1
    stated_gpus_per_pod: int | None = None
    scheduling: Scheduling = ANYWHERE
    gpu_resource: str | None = None
    pod_gpus: int | None = None
    enforcement: Level | None = None
    input_hash: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownRequest:
    """A role that cannot be estimated, and why: an unknown model, an unknown name, a job not there yet."""

    name: str
    unknown: Unknown
    namespace: str | None = None
    role: str = DEFAULT_ROLE
    scheduling: Scheduling = ANYWHERE
    gpu_resource: str | None = None
    pod_gpus: int | None = None
    gpus_per_pod: int | None = None
    pods_per_instance: int = 1
    enforcement: Level | None = None
    input_hash: str = ""


AnyRequest: TypeAlias = Request | UnknownRequest
