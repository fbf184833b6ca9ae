"""The rule file: two groups, recording rules before the alerts that read them."""

from typing import Any, Final

import yaml

from observability.alerts import Alert, alerts
from observability.promql import Clock
from observability.recording import Record, records

_HEADER: Final = "# Made by `make generate` from observability/; do not edit.\n"
# dcgm-exporter's own: use is drawn as finely as it is sampled.
_INTERVAL_SECONDS: Final = 30


def rules(time_scale: int = 1) -> str:
    """The rule file as YAML, every duration divided by `time_scale`; ValueError where that is not positive."""
    clock = Clock(time_scale)
    interval = clock.span(_INTERVAL_SECONDS)
    groups = [
        {"name": "llmjob", "interval": interval, "rules": [_recording(record) for record in records(clock)]},
        {"name": "llmjob-alerts", "interval": interval, "rules": [_alerting(alert, clock) for alert in alerts(clock)]},
    ]
    return _HEADER + yaml.safe_dump({"groups": groups}, sort_keys=False, width=120)


def _recording(record: Record) -> dict[str, Any]:
    labels = {"labels": record.labels} if record.labels else {}
    return {"record": record.name, "expr": record.expr, **labels}


def _alerting(alert: Alert, clock: Clock) -> dict[str, Any]:
    held = {"for": clock.span(alert.held)} if alert.held else {}
    return {
        "alert": alert.name,
        "expr": alert.expr,
        **held,
        "labels": {"severity": alert.severity},
        "annotations": {"summary": alert.summary, "description": alert.description, "runbook_url": alert.runbook},
    }
