"""A Request from plain values: what manifests, pods and command-line flags all come down to."""

from collections.abc import Mapping
from dataclasses import replace

from llmjob.estimator.model import Model, ModelSource
from llmjob.estimator.result import Unknown
from llmjob.estimator.spelling import spell_out
from llmjob.estimator.task import Task
from llmjob.fleet.scheduling import ANYWHERE, Scheduling
from llmjob.models.catalogue import find
from llmjob.models.reference import ModelReference
from llmjob.models.resolve import resolve
from llmjob.names import DEFAULT_ROLE, Level
from llmjob.workloads.input_hash import hash_of
from llmjob.workloads.request import AnyRequest, Request, UnknownRequest
from llmjob.workloads.topology import Topology, topology_of


def build_request(
    *,
    name: str,
    reference: ModelReference,
    task: Task,
    namespace: str | None = None,
    role: str = DEFAULT_ROLE,
    pods_per_instance: int | None = None,
    gpus_per_pod: int | None = None,
    scheduling: Scheduling = ANYWHERE,
    enforcement: Level | None = None,
) -> AnyRequest:
    """The request of one role; names may be in any spelling, `task.parallelism` is filled in.

    Topology is derived from parallelism where unset. What cannot be estimated (an unknown model or name, numbers that
    contradict each other) gives an UnknownRequest that says which field and how to fix it.
    """
    topology = topology_of(task, pods_per_instance, gpus_per_pod)
    answer = topology if isinstance(topology, Unknown) else _canonical(reference, task)
    if isinstance(answer, Unknown):
        shape = topology if isinstance(topology, Topology) else None
        return UnknownRequest(
            name=name,
            unknown=answer,
            namespace=namespace,
            role=role,
            scheduling=scheduling,
            gpus_per_pod=shape.gpus_per_pod if shape else None,
            pods_per_instance=shape.pods_per_instance if shape else 1,
            enforcement=enforcement,
            input_hash=hash_of(answer, reference, task, topology, scheduling, enforcement),
        )
    assert isinstance(topology, Topology)  # noqa: S101, narrowed above
    model, task = answer
    return Request(
        name=name,
        model=model,
        task=task,
        namespace=namespace,
        role=role,
        pods_per_instance=topology.pods_per_instance,
        gpus_per_pod=topology.gpus_per_pod,
        stated_gpus_per_pod=gpus_per_pod,
        scheduling=scheduling,
        enforcement=enforcement,
        input_hash=hash_of(
            replace(model, architecture=None), _config(reference, model), task, topology, scheduling, enforcement
        ),
    )


def _config(reference: ModelReference, model: Model) -> Mapping[str, object] | None:
    """The config that the architecture was read from: it says as much and is hashed faster."""
    if model.source is ModelSource.CONFIG:
        return reference.config
    entry = find(reference.id) if model.source is ModelSource.CATALOGUE and reference.id else None
    return entry.config if entry else None


def _canonical(reference: ModelReference, task: Task) -> tuple[Model, Task] | Unknown:
    model = resolve(reference)
    return model if isinstance(model, Unknown) else spell_out(model, task)
