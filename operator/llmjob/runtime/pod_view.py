"""Pods that name a job, as slim projections; in the controller only. The watch asks for that label, so that the pods of
others never leave the API server.
"""

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from llmjob.fleet.gpu_class import Sharing
from llmjob.fleet.offer import Offer
from llmjob.names import DEFAULT_ROLE, JOB_LABEL, ROLE_LABEL
from llmjob.observation.container_runs import Run, runs_of
from llmjob.runtime.kept import Entry, Kept
from llmjob.runtime.views import DELETED, Clock, Key, NodeView, Object, View, key_of, version_of
from llmjob.runtime.world import World
from llmjob.workloads.gpu_resources import asks_for_gpu

SELECTOR: Final = JOB_LABEL
_SHARED: Final = frozenset({Sharing.TIME_SLICING, Sharing.MPS})


@dataclass(frozen=True, slots=True, kw_only=True)
class JobPod:
    """A pod that names a job. `started` is when the kubelet took it, in Unix seconds; None where it did not yet.

    `runs` are those that its status tells of: of each container the present one and the one before.
    """

    namespace: str
    name: str
    uid: str
    job: str
    role: str
    node: str
    running: bool
    started: float | None
    resource: str | None
    runs: tuple[Run, ...] = ()

    @classmethod
    def of(cls, pod: Object) -> "JobPod | None":
        """Read a pod; None where it names no job. Odd shapes give nothing, never an exception."""
        metadata, spec, status = (_mapping(pod.get(part)) for part in ("metadata", "spec", "status"))
        labels = _mapping(metadata.get("labels"))
        job = labels.get(JOB_LABEL)
        if not job:
            return None
        ask = asks_for_gpu(pod)
        return cls(
            namespace=str(metadata.get("namespace") or ""),
            name=str(metadata.get("name") or ""),
            uid=str(metadata.get("uid") or ""),
            job=str(job),
            role=str(labels.get(ROLE_LABEL) or DEFAULT_ROLE),
            node=str(spec.get("nodeName") or ""),
            running=status.get("phase") == "Running",
            started=_moment(status.get("startTime")),
            resource=ask.resource if ask else None,
            runs=runs_of(pod),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinedPod:
    """A running pod of a job that there is; `gpu_class` is empty where it has no GPU, or its node's is not known.

    `shared` is set where its GPU is handed to several pods: whose memory is in use there, nobody can tell.
    """

    pod: JobPod
    gpu_class: str
    shared: bool


class PodView(View):
    """All pods that name a job, by namespace and name."""

    def __init__(self, clock: Clock = time.monotonic) -> None:
        super().__init__(clock)
        self._pods: Kept[Key, JobPod] = Kept()

    def begin(self) -> None:
        """A LIST begins."""
        self._pods.begin()

    @staticmethod
    def read(pods: Iterable[Object]) -> dict[Key, Entry[JobPod]]:
        """What a LIST brought; pure, so that a thread may do it."""
        return {key_of(pod): Entry(version_of(pod), JobPod.of(pod)) for pod in pods}

    def replace(self, listed: Mapping[Key, Entry[JobPod]]) -> set[Key]:
        """A LIST is complete: what it lacks is gone, unless an event since its begin says otherwise; what changed."""
        self._touch()
        return self._pods.complete(listed)

    def apply(self, kind: str | None, pod: Object) -> Key:
        """A watch event; the key it was about."""
        self._touch()
        key = key_of(pod)
        self._pods.put(key, Entry(version_of(pod), None if kind == DELETED else JobPod.of(pod)))
        return key

    def find(self, key: Key) -> JobPod | None:
        """A pod by namespace and name."""
        entry = self._pods.find(key)
        return entry.value if entry is not None else None

    def __iter__(self) -> Iterator[JobPod]:
        return self._pods.values()


def joined(pods: Iterable[JobPod], world: World) -> Iterator[JoinedPod]:
    """The running pods whose job is there, each with the class of the GPUs that it was given."""
    for pod in pods:
        if pod.running and world.jobs.find(pod.namespace, pod.job) is not None:
            offer = offer_of(pod, world.nodes)
            yield JoinedPod(
                pod=pod,
                gpu_class=offer.class_name if offer else "",
                shared=offer is not None and offer.sharing in _SHARED,
            )


def offer_of(pod: JobPod, nodes: NodeView) -> Offer | None:
    """What the pod's node offers of the resource that it asked for."""
    node = nodes.find(pod.node)
    offers = node.shape.offers if node is not None and pod.resource is not None else ()
    return next((offer for offer in offers if not offer.resources or pod.resource in offer.resources), None)


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}


def _moment(value: object) -> float | None:
    try:
        return datetime.fromisoformat(str(value)).timestamp()
    except ValueError:
        return None
