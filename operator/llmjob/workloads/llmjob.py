"""What an LLMJob asks for, one request a role."""

from dataclasses import fields
from fractions import Fraction
from typing import Any, TypeVar

from pydantic import BaseModel

from llmjob.api import llmjob as api
from llmjob.api import tasks
from llmjob.api.counts import parse_count
from llmjob.estimator.task import (
    Adapter,
    FineTuning,
    Inference,
    LoadedAdapters,
    Parallelism,
    Quantized,
    Sharding,
    Speculative,
    Task,
)
from llmjob.fleet.scheduling import ANYWHERE, Scheduling
from llmjob.models.reference import ModelReference
from llmjob.names import Level
from llmjob.workloads.build import build_request
from llmjob.workloads.request import AnyRequest

_T = TypeVar("_T")


def requests_from_llmjob(job: api.LLMJob) -> tuple[AnyRequest, ...]:
    """The requests of a job that the reader accepted, in the order of its roles."""
    spec = job.spec
    topology = spec.topology
    request = build_request(
        name=job.metadata.name,
        namespace=job.metadata.namespace,
        reference=_reference(spec.model),
        task=_task(spec),
        pods_per_instance=topology.pods_per_instance if topology else None,
        gpus_per_pod=topology.gpus_per_pod if topology else None,
        scheduling=_scheduling(spec),
        enforcement=Level(spec.enforcement.lower()) if spec.enforcement else None,
    )
    return (request,)


def _reference(model: api.Model) -> ModelReference:
    return ModelReference(
        id=model.id,
        revision=model.revision,
        parameters=parse_count(model.parameters) if model.parameters else None,
        active_parameters=parse_count(model.active_parameters) if model.active_parameters else None,
        config=model.config,
        dtype=model.dtype,
        quantization=model.quantization,
    )


def _task(spec: api.Spec) -> Task:
    parallelism = _copy(spec.parallelism, Parallelism, data=spec.data_parallel)
    if spec.fine_tuning is not None:
        return _fine_tuning(spec.fine_tuning, parallelism)
    return _inference(spec.inference or tasks.Inference(), parallelism)


def _inference(stated: tasks.Inference, parallelism: Parallelism) -> Inference:
    return _copy(
        stated,
        Inference,
        gpu_memory_utilization=_fraction(stated.gpu_memory_utilization),
        speculative=_copy(stated.speculative, Speculative) if stated.speculative else None,
        adapters=_copy(stated.adapters, LoadedAdapters) if stated.adapters else None,
        parallelism=parallelism,
    )


def _fine_tuning(stated: tasks.FineTuning, parallelism: Parallelism) -> FineTuning:
    adapter = stated.adapter
    return _copy(
        stated,
        FineTuning,
        adapter=_copy(adapter, Adapter, dropout=_fraction(adapter.dropout)) if adapter else None,
        quantized=_copy(stated.quantized, Quantized) if stated.quantized else None,
        sharding=_copy(stated.sharding, Sharding) if stated.sharding else None,
        parallelism=parallelism,
    )


def _scheduling(spec: api.Spec) -> Scheduling:
    stated = spec.scheduling
    if stated is None:
        return ANYWHERE
    plain = stated.model_dump(by_alias=True, exclude_none=True, mode="json")
    return Scheduling(
        node_selector=plain.get("nodeSelector", {}),
        affinity=plain.get("affinity"),
        tolerations=tuple(plain.get("tolerations", ())),
        runtime_class=stated.runtime_class_name,
    )


def _fraction(text: str | None) -> Fraction | None:
    return Fraction(text) if text is not None else None


def _copy(source: BaseModel, target: type[_T], **given: Any) -> _T:  # noqa: ANN401, any field of the target
    """The target with the source's fields of the same name; what the source leaves unset keeps the target's default."""
    values = dict(given)
    for item in fields(target):  # type: ignore[arg-type]
        value = getattr(source, item.name, None)
        if item.name not in values and value is not None:
            values[item.name] = tuple(value) if isinstance(value, list) else value
    return target(**values)
