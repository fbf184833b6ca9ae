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
from llmjob.runtime.kept import Entry, Kept

Clock = Callable[[], float]
Key = tuple[str, str]
Object = Mapping[str, Any]
DELETED: Final = "DELETED"


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
        self._nodes: Kept[str, NodeProjection] = Kept()
        self._fleet: Fleet | None = None

    def begin(self) -> None:
        """A LIST begins."""
        self._nodes.begin()

    @staticmethod
    def read(nodes: Iterable[Object]) -> dict[str, Entry[NodeProjection]]:
        """What a LIST brought; pure, so that a thread may do it."""
        return {_name(node): Entry(version_of(node), project(node)) for node in nodes}

    def replace(self, listed: Mapping[str, Entry[NodeProjection]]) -> None:
        """A LIST is complete: what it lacks is gone, unless an event since its begin says otherwise."""
        if self._nodes.complete(listed):
            self._fleet = None
        self._touch()

    def apply(self, kind: str | None, node: Object) -> bool:
        """A watch event; whether it changed anything that an answer depends on."""
        self._touch()
        projection = None if kind == DELETED else project(node)
        changed = self._nodes.put(_name(node), Entry(version_of(node), projection))
        if changed:
            self._fleet = None
        return changed

    def find(self, name: str) -> NodeProjection | None:
        """A GPU node by name."""
        entry = self._nodes.find(name)
        return entry.value if entry is not None else None

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
    content: Object

    @classmethod
    def of(cls, content: Object) -> "SeenJob":
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
        self._jobs: Kept[Key, SeenJob] = Kept()

    def begin(self) -> None:
        """A LIST begins."""
        self._jobs.begin()

    def read(self, jobs: Iterable[Object]) -> dict[Key, Entry[SeenJob]]:
        """What a LIST brought; for a thread. Jobs of a version that is known are not read again."""
        return {key: self._entry(key, job) for job in jobs if (key := key_of(job))}

    def replace(self, listed: Mapping[Key, Entry[SeenJob]]) -> set[Key]:
        """A LIST is complete: what it lacks is gone, unless an event since its begin says otherwise; what changed."""
        self._touch()
        return self._jobs.complete(listed)

    def apply(self, kind: str | None, job: Object) -> Key:
        """A watch event, or a fresher reading; the key it was about."""
        self._touch()
        key = key_of(job)
        self._jobs.put(key, Entry(version_of(job), None) if kind == DELETED else self._entry(key, job))
        return key

    def find(self, namespace: str, name: str) -> SeenJob | None:
        entry = self._jobs.find((namespace, name))
        return entry.value if entry is not None else None

    def __iter__(self) -> Iterator[SeenJob]:
        return self._jobs.values()

    def __len__(self) -> int:
        return len(self._jobs)

    def _entry(self, key: Key, job: Object) -> Entry[SeenJob]:
        known, version = self._jobs.find(key), version_of(job)
        if known is not None and version is not None and known.version == version:
            return known
        return Entry(version, SeenJob.of(plain(job)))


def key_of(content: Object) -> Key:
    """Namespace and name of an object."""
    metadata = content.get("metadata") or {}
    return str(metadata.get("namespace", "")), str(metadata.get("name", ""))


def plain(content: Object) -> Object:
    """A copy as plain JSON without managed fields, which are half of an object's size."""
    kept: dict[str, Any] = json.loads(json.dumps({**content}, default=dict))
    if isinstance(kept.get("metadata"), dict):
        kept["metadata"].pop("managedFields", None)
    return kept


def _name(node: Object) -> str:
    return str((node.get("metadata") or {}).get("name", ""))


def version_of(content: Object) -> int | None:
    """An object's resourceVersion as the integer it is; None where it is none."""
    text = str((content.get("metadata") or {}).get("resourceVersion", ""))
    return int(text) if text.isascii() and text.isdigit() else None
