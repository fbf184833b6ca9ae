"""What the administrator and the moment allow: the level, a complete inventory or not, fresh views or not."""

from dataclasses import dataclass
from typing import Final

from llmjob.names import Level

_ORDER: Final = tuple(Level)


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Everything a verdict depends on besides the request and the fleet.

    `deniable` is true for LLMJobs, bare pods and top-level workloads at CREATE or when their GPU-relevant part
    changed. `stale` is set when the node view is older than
    `views.maxAge` or the re-read before a denial failed; `missing` when a live GET said the pod's job is not there.
    """

    level: Level = Level.WARN
    inventory_complete: bool = False
    deniable: bool = True
    stale: bool = False
    missing: bool = False
    steering: bool = True


def effective_level(level: Level, asked: Level | None) -> Level:
    """The level that acts: an object's own wish may only tighten its namespace's, and does nothing where it is off."""
    if asked is None or level is Level.OFF:
        return level
    return max(level, asked, key=_ORDER.index)
