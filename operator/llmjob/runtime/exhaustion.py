"""Containers of jobs' pods that ran out of GPU memory: each counted once, the newest of every job remembered."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from llmjob.observation.claim import Claim
from llmjob.observation.container_runs import Run
from llmjob.runtime.pod_view import JobPod, PodView, offer_of
from llmjob.runtime.views import Key
from llmjob.runtime.world import World


@dataclass(frozen=True, slots=True, kw_only=True)
class Exhaustion:
    """A run of a container that ended for want of GPU memory; `gpu_class` is empty where the node's is not known."""

    pod: str
    role: str
    gpu_class: str
    run: Run
    claim: Claim

    @property
    def finished(self) -> float:
        """When it ended, in Unix seconds; 0 where that is not told."""
        return self.run.finished or 0.0

    @property
    def started(self) -> float:
        """When it began; when it ended where that is not told."""
        return self.run.started or self.finished


class Exhaustions:
    """Follows the view of pods.

    What the first LIST brings is not counted: the process before this one did, or nobody watched. A run is known by its
    pod's uid, container and number, so that neither another LIST nor an event that comes twice counts it again.
    """

    def __init__(self, world: World, pods: PodView, job_changed: Callable[[Key], None]) -> None:
        self._world, self._pods, self._job_changed = world, pods, job_changed
        self._seen: dict[Key, tuple[str, set[tuple[str, int]]]] = {}
        self._counts: dict[Key, Counter[str]] = {}
        self._newest: dict[Key, Exhaustion] = {}
        self._counting = False

    def pods_changed(self, keys: Iterable[Key]) -> None:
        """Look at pods that changed in the view; the first call is that of the first LIST."""
        for key in keys:
            self._look_at(key)
        self._counting = True

    def count(self, job: Key, role: str) -> int:
        """How many runs of a job's role ran out of GPU memory while this process watched."""
        counts = self._counts.get(job)
        return counts[role] if counts is not None else 0

    def newest(self, job: Key) -> Exhaustion | None:
        """The one of a job that ended last, also where its pod is gone."""
        return self._newest.get(job)

    def pods_of(self, job: Key) -> Iterator[JobPod]:
        """The pods of a job that there are."""
        return (pod for pod in self._pods if (pod.namespace, pod.job) == job)

    def forget(self, job: Key) -> None:
        """A job is gone."""
        self._counts.pop(job, None)
        self._newest.pop(job, None)

    def _look_at(self, key: Key) -> None:
        pod = self._pods.find(key)
        if pod is None:
            self._seen.pop(key, None)
            return
        for run in pod.runs:
            claim = run.ending.claim if run.ending is not None else None
            if claim is not None and self._is_new(key, pod.uid, run):
                self._note((pod.namespace, pod.job), pod, run, claim)

    def _is_new(self, key: Key, uid: str, run: Run) -> bool:
        known = self._seen.get(key)
        if known is None or known[0] != uid:
            known = self._seen[key] = (uid, set())
        identity = (run.container, run.number)
        if identity in known[1]:
            return False
        known[1].add(identity)
        return True

    def _note(self, job: Key, pod: JobPod, run: Run, claim: Claim) -> None:
        offer = offer_of(pod, self._world.nodes)
        found = Exhaustion(
            pod=pod.name, role=pod.role, gpu_class=offer.class_name if offer else "", run=run, claim=claim
        )
        if self._counting and self._world.jobs.find(*job) is not None:
            self._counts.setdefault(job, Counter())[pod.role] += 1
        before = self._newest.get(job)
        if before is None or found.finished >= before.finished:
            self._newest[job] = found
        self._job_changed(job)
