"""Events as `kubectl describe` shows them: a word and a sentence about an object."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

_LONGEST: Final = 1024
_COMPONENT: Final = "llmjob-controller"
_REPORTER: Final = "llmjob.dev/controller"


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
