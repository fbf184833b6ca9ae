"""What is known of a container, as its containerStatus says it."""

from dataclasses import dataclass, field
from datetime import UTC, datetime

from controlplane.kubelet.api import Object


def now() -> str:
    """The time as the API writes it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(slots=True)
class State:
    """What a containerStatus says."""

    state: Object = field(default_factory=lambda: {"waiting": {"reason": "ContainerCreating"}})
    last: Object = field(default_factory=dict)
    restarts: int = 0
    started: bool = False
    ready: bool = False
