"""The JSON and YAML records of estimate, check and fleet: keys, order and units are the contract's."""

import json
from typing import Any, Final

from llmjob.cli.bad import Bad
from llmjob.cli.exit_codes import BY_REASON
from llmjob.decision.verdict import ClassOutcome, Verdict
from llmjob.estimator.interval import Interval, Range
from llmjob.estimator.result import Component, Estimate, Limit, Measures, Serving, Unknown
from llmjob.fleet.gpu_class import GPUClass
from llmjob.workloads.request import AnyRequest

SCHEMA_VERSION: Final = "1"

Record = dict[str, Any]


def render(records: list[Record], output: str) -> str:
    """The records as one JSON array or one YAML list."""
    if output == "json":
        return json.dumps(records, indent=2, ensure_ascii=False)
    import yaml  # noqa: PLC0415, slow to import and not needed for JSON

    return yaml.safe_dump(records, sort_keys=False, allow_unicode=True).rstrip()


def estimate_record(
    request: AnyRequest, answer: Estimate | Unknown, gpu_class: str | None = None, limit: Limit | None = None
) -> Record:
    """One role's estimate; `perGPU` is null where the answer is unknown, `limit` where no GPU is assumed."""
    estimate = answer if isinstance(answer, Estimate) else None
    return {
        "schemaVersion": SCHEMA_VERSION,
        "namespace": request.namespace,
        "name": request.name,
        "role": request.role,
        "gpuClass": gpu_class,
        "perGPU": _interval(estimate.per_gpu) if estimate else None,
        "measures": _measures(estimate.measures) if estimate and estimate.measures else None,
        "components": [_component(part) for part in estimate.components] if estimate else [],
        "gpus": request.pods_per_instance * request.gpus_per_pod if request.gpus_per_pod else None,
        "parameters": estimate.parameters if estimate else None,
        "activeParameters": estimate.active_parameters if estimate else None,
        "profile": estimate.profile if estimate else None,
        "instant": estimate.instant if estimate else None,
        "serving": _serving(estimate.serving) if estimate and estimate.serving else None,
        "limit": str(limit) if limit else None,
        "unknown": None if estimate else _unknown(answer),  # type: ignore[arg-type]
        "warnings": list(estimate.warnings) if estimate else [],
    }


def bad_estimate_record(bad: Bad) -> Record:
    """A document that could not be read, in the shape of an estimate."""
    return {
        "schemaVersion": SCHEMA_VERSION,
        "namespace": bad.namespace,
        "name": bad.name,
        "role": None,
        "gpuClass": None,
        "perGPU": None,
        "measures": None,
        "components": [],
        "gpus": None,
        "parameters": None,
        "activeParameters": None,
        "profile": None,
        "instant": None,
        "serving": None,
        "limit": None,
        "unknown": _unknown(bad.unknown),
        "warnings": [],
    }


def verdict_record(verdict: Verdict) -> Record:
    """One role's verdict."""
    return {
        "namespace": verdict.namespace,
        "name": verdict.name,
        "role": verdict.role,
        "reason": str(verdict.reason),
        "message": verdict.message,
        "exitCode": int(BY_REASON[verdict.reason]),
        "need": _interval(verdict.need) if verdict.need else None,
        "classes": [_class_outcome(outcome) for outcome in verdict.classes],
        "excludedClasses": list(verdict.excluded_classes),
        "advice": [{"field": a.field, "value": a.value, "message": a.message} for a in verdict.advice],
    }


def bad_verdict_record(bad: Bad) -> Record:
    """A document that could not be read, in the shape of a verdict."""
    unknown = bad.unknown
    return {
        "namespace": bad.namespace,
        "name": bad.name,
        "role": None,
        "reason": str(unknown.reason),
        "message": f"{unknown.field}: {unknown.message}" if unknown.field else unknown.message,
        "exitCode": int(BY_REASON[unknown.reason]),
        "need": None,
        "classes": [],
        "excludedClasses": [],
        "advice": [],
        "unknown": _unknown(bad.unknown),
    }


def class_record(gpu_class: GPUClass) -> Record:
    """One GPU class of a fleet."""
    return {
        "name": gpu_class.name,
        "vendor": gpu_class.vendor,
        "product": gpu_class.product,
        "sharing": str(gpu_class.sharing),
        "migProfile": gpu_class.mig_profile,
        "replicas": gpu_class.replicas,
        "gpusPerNode": gpu_class.gpus_per_node,
        "nodes": gpu_class.nodes,
        "reported": _range(gpu_class.reported),
        "usable": _range(gpu_class.usable),
        "memoryFrom": str(gpu_class.memory_from) if gpu_class.memory_from else None,
        "unknownBecause": gpu_class.unknown_because,
    }


def _interval(value: Interval) -> Record:
    return {"lower": value.lower, "expected": value.expected, "upper": value.upper}


def _range(value: Range | None) -> Record | None:
    return {"lower": value.lower, "upper": value.upper} if value else None


def _measures(value: Measures) -> Record:
    return {
        "allocated": _interval(value.allocated),
        "reserved": _interval(value.reserved),
        "process": _interval(value.process),
    }


def _component(part: Component) -> Record:
    return {"name": str(part.name), **_interval(part.memory), "basis": str(part.basis)}


def _serving(value: Serving) -> Record:
    return {
        "starts": value.starts,
        "kvPool": _interval(value.kv_pool),
        "kvTokens": value.kv_tokens,
        "concurrency": value.concurrency,
        "longestLength": value.longest_length,
    }


def _unknown(value: Unknown) -> Record:
    return {"reason": str(value.reason), "field": value.field, "message": value.message}


def _class_outcome(outcome: ClassOutcome) -> Record:
    need = outcome.need
    return {
        "name": outcome.name,
        "outcome": str(outcome.outcome),
        "lower": need.lower if need else None,
        "expected": need.expected if need else None,
        "upper": need.upper if need else None,
        "usable": outcome.usable,
        "headroom": outcome.headroom,
    }
