"""What the processes know of the cluster: nodes as slim projections, LLMJobs as read; listed first, watched after."""

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from llmjob.api.llmjob import LLMJob
from llmjob.api.reader import BadInput, read_llmjob
from llmjob.fleet.fleet import Fleet
from llmjob.fleet.projection import NodeProjection, project

Clock = Callable[[], float]
Key = tuple[str, str]
_DELETED: Final = "DELETED"


class View:
    """A view's freshness: its age is the time since the last completed LIST or watch event, in seconds."""

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._fresh: float | None = None

    @property
    def synced(self) -> bool:
        """Whether a LIST was ever completed."""
        return self._fresh is not None

    @property
    def age(self) -> float:
        """Seconds since the last news, infinite before the first LIST."""
        return float("inf") if self._fresh is None else self._clock() - self._fresh

    def _touch(self) -> None:
        self._fresh = self._clock()


class NodeView(View):
    """All GPU nodes of the cluster; nodes without a GPU cost nothing."""

    def __init__(self, clock: Clock = time.monotonic) -> None:
        super().__init__(clock)
        self._nodes: dict[str, NodeProjection] = {}
        self._fleet: Fleet | None = None

    def replace(self, nodes: Iterable[Mapping[str, Any]]) -> None:
        """A completed LIST: what it lacks is gone."""
        found = {str(_name(node)): projection for node in nodes if (projection := project(node)) is not None}
        if found != self._nodes:
            self._nodes, self._fleet = found, None
        self._touch()

    def apply(self, kind: str | None, node: Mapping[str, Any]) -> bool:
        """A watch event; whether it changed anything that an answer depends on."""
        self._touch()
        name = str(_name(node))
        projection = None if kind == _DELETED else project(node)
        if self._nodes.get(name) == projection:
            return False
        if projection is None:
            del self._nodes[name]
        else:
            self._nodes[name] = projection
        self._fleet = None
        return True

    @property
    def fleet(self) -> Fleet:
        """An immutable snapshot, made anew only after a change."""
        if self._fleet is None:
            self._fleet = Fleet.of(self._nodes.values())
        return self._fleet


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenJob:
    """An LLMJob as stored: read, or why it cannot be read."""

    namespace: str
    name: str
    generation: int
    job: LLMJob | None
    error: BadInput | None
    content: Mapping[str, Any]

    @classmethod
    def of(cls, content: Mapping[str, Any]) -> "SeenJob":
        """Read an object; whatever is wrong with it is kept, not raised."""
        metadata = content.get("metadata") or {}
        job: LLMJob | None = None
        problem: BadInput | None = None
        try:
            job = read_llmjob(content).job
        except BadInput as error:
            problem = error
        return cls(
            namespace=str(metadata.get("namespace", "")),
            name=str(metadata.get("name", "")),
            generation=int(metadata.get("generation") or 0),
            job=job,
            error=problem,
            content=content,
        )

    @property
    def deleting(self) -> bool:
        return bool((self.content.get("metadata") or {}).get("deletionTimestamp"))


class JobView(View):
    """All LLMJobs, by namespace and name."""

    def __init__(self, clock: Clock = time.monotonic) -> None:
        super().__init__(clock)
        self._jobs: dict[Key, SeenJob] = {}

    def replace(self, jobs: Iterable[Mapping[str, Any]]) -> None:
        """A completed LIST: what it lacks is gone."""
        self._jobs = {key_of(job): SeenJob.of(plain(job)) for job in jobs}
        self._touch()

    def apply(self, kind: str | None, job: Mapping[str, Any]) -> Key:
        """A watch event, or a fresher reading; the key it was about."""
        self._touch()
        key = key_of(job)
        if kind == _DELETED:
            self._jobs.pop(key, None)
        else:
            self._jobs[key] = SeenJob.of(plain(job))
        return key

    def find(self, namespace: str, name: str) -> SeenJob | None:
        return self._jobs.get((namespace, name))

    def __iter__(self) -> Iterator[SeenJob]:
        return iter(tuple(self._jobs.values()))

    def __len__(self) -> int:
        return len(self._jobs)


def key_of(content: Mapping[str, Any]) -> Key:
    """Namespace and name of an object."""
    metadata = content.get("metadata") or {}
    return str(metadata.get("namespace", "")), str(metadata.get("name", ""))


def plain(content: Mapping[str, Any]) -> Mapping[str, Any]:
    """A copy as plain JSON without managed fields, which are half of an object's size."""
    kept: dict[str, Any] = json.loads(json.dumps({**content}, default=dict))
    if isinstance(kept.get("metadata"), dict):
        kept["metadata"].pop("managedFields", None)
    return kept


def _name(node: Mapping[str, Any]) -> object:
    return (node.get("metadata") or {}).get("name", "")
