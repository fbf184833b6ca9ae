"""Events as `kubectl describe` shows them: a word and a sentence about an object."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from llmjob.runtime.cluster import Cluster, ClusterError
from llmjob.runtime.paths import events_path

_log: Final = logging.getLogger(__name__)
_LONGEST: Final = 1024
_COMPONENT: Final = "llmjob-controller"
_REPORTER: Final = "llmjob.dev/controller"


def utc_now() -> str:
    """The moment as Kubernetes writes it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """The namespaced object that an event is about."""

    api_version: str
    kind: str
    namespace: str
    name: str
    uid: str | None = None


def new_event(subject: Subject, reason: str, message: str, *, warning: bool, moment: str) -> Mapping[str, Any]:
    """A core/v1 Event in the subject's namespace; a message is cut at 1,024 characters, the API server's bound."""
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"generateName": f"{subject.name}.", "namespace": subject.namespace},
        "involvedObject": {
            "apiVersion": subject.api_version, "kind": subject.kind, "namespace": subject.namespace,
            "name": subject.name, "uid": subject.uid,
        },
        "type": "Warning" if warning else "Normal",
        "reason": reason,
        "message": message[:_LONGEST],
        "source": {"component": _COMPONENT},
        "reportingComponent": _REPORTER,
        "firstTimestamp": moment, "lastTimestamp": moment, "count": 1,
    }  # fmt: skip


class Events:
    """Posts events; one that cannot be posted is only logged."""

    def __init__(self, cluster: Cluster, now: Callable[[], str] = utc_now) -> None:
        self._cluster, self._now = cluster, now

    async def post(self, subject: Subject, reason: str, message: str, *, warning: bool) -> None:
        """One more event about the subject."""
        event = new_event(subject, reason, message, warning=warning, moment=self._now())
        try:
            await self._cluster.create(events_path(subject.namespace), event)
        except ClusterError as error:
            _log.warning("event on %s %s/%s not posted: %s", subject.kind, subject.namespace, subject.name, error)
