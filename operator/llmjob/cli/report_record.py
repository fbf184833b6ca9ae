"""The report as JSON: keys, order and units are those of docs/report.md; bytes are integers."""

from datetime import UTC, datetime
from typing import Any, Final

from llmjob.cli.report_words import sentence
from llmjob.observation.report import Actual, ClassTotal, Report, Role

SCHEMA_VERSION: Final = "1"

Record = dict[str, Any]


def report_record(report: Report) -> Record:
    """The whole report."""
    return {
        "schemaVersion": SCHEMA_VERSION,
        "generatedAt": _moment(report.at),
        "namespace": report.namespace,
        "sinceSeconds": round(report.window),
        "source": str(report.source),
        "notes": list(report.notes),
        "roles": [_role(role) for role in report.roles],
        "classes": [_class(total) for total in report.classes],
    }


def _role(role: Role) -> Record:
    return {
        "namespace": role.namespace,
        "name": role.name,
        "role": role.role,
        "model": role.model,
        "task": role.task,
        "reason": role.reason or None,
        "gpuClass": role.gpu_class,
        "usable": role.usable,
        "running": [{"gpuClass": name, "gpus": gpus} for name, gpus in role.runs],
        "predicted": {
            "lower": role.predicted.lower,
            "expected": role.predicted.expected,
            "upper": role.predicted.upper,
        }
        if role.predicted
        else None,
        "actual": _actual(role.actual) if role.actual else None,
        "used": role.used,
        "errorRatio": None if role.error is None else round(role.error, 4),
        "usableRatio": None if role.share is None else round(role.share, 4),
        "idle": role.idle,
        "findings": [{"finding": str(finding), "message": sentence(role, finding)} for finding in role.findings],
        "smaller": {"gpuClass": role.smaller.gpu_class, "need": role.smaller.need, "usable": role.smaller.usable}
        if role.smaller
        else None,
    }


def _actual(actual: Actual) -> Record:
    return {
        "kind": str(actual.kind),
        "sampledMax": actual.peak,
        "source": str(actual.source),
        "since": _moment(actual.since),
        "lastSample": _moment(actual.last),
        "course": [{"time": _moment(point.at), "sampledMax": point.value} for point in actual.course],
    }


def _class(total: ClassTotal) -> Record:
    return {
        "name": total.name,
        "usable": total.usable,
        "gpus": total.gpus,
        "heldGPUs": total.held_gpus,
        "observedGPUs": total.observed_gpus,
        "roles": total.roles,
        "predicted": total.predicted,
        "actual": total.actual,
        "idle": total.idle,
    }


def _moment(at: float | None) -> str | None:
    return None if at is None else datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
