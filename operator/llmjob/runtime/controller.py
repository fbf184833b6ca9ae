"""The controller: what every LLMJob's status should say, written where it differs. Level-triggered: whatever happened
before, a pass makes it right; one that fails is repeated.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator
from typing import Final

from llmjob.names import API_VERSION, KIND, Condition, Reason
from llmjob.runtime.cluster import Cluster, ClusterError
from llmjob.runtime.events import Events, Subject, utc_now
from llmjob.runtime.exhaustion import Exhaustions
from llmjob.runtime.judgement import Judgement
from llmjob.runtime.memory_exhausted import Facts, memory_exhausted
from llmjob.runtime.paths import job_status_path
from llmjob.runtime.pod_view import PodView
from llmjob.runtime.settings import Settings
from llmjob.runtime.status import Told, condition_of, merge_patch, status_of
from llmjob.runtime.usage.status import Usage
from llmjob.runtime.views import Key, SeenJob
from llmjob.runtime.world import World
from llmjob.workloads.llmjob import requests_from_llmjob

_log: Final = logging.getLogger(__name__)
_SETTLE: Final = 0.2
_RETRY: Final = 2.0


class Controller:
    """Keeps a set of jobs to look at, and looks at them one after the other."""

    def __init__(
        self,
        world: World,
        cluster: Cluster,
        now: Callable[[], str] = utc_now,
        *,
        pods: PodView | None = None,
    ) -> None:
        self._world, self._cluster, self._now = world, cluster, now
        # Whoever observes use puts in what there is to say of it.
        self.usage: Callable[[SeenJob, Judgement], Usage] = lambda *_: Usage()
        self.exhaustions = Exhaustions(world, pods or PodView(), self.job_changed)
        self._events = Events(cluster, now)
        self._due: dict[Key, None] = {}
        self._wake = asyncio.Event()
        self._judgements: dict[Key, Judgement] = {}
        self._looked_at: tuple[str, Settings, bool] | None = None

    def job_changed(self, key: Key) -> None:
        """Something happened to a job: look at it."""
        self._due[key] = None
        self._wake.set()

    def fleet_changed(self) -> None:
        """Something happened to a node, or the settings: look at all jobs if the classes are others now."""
        self._wake.set()

    def resync(self) -> None:
        """Look at all jobs."""
        self._looked_at = None
        self._wake.set()

    def judgements(self) -> Iterator[Judgement]:
        """The newest judgement of every job there is."""
        for key, judgement in tuple(self._judgements.items()):
            if self._world.jobs.find(*key) is not None:
                yield judgement

    async def run(self) -> None:
        """Work until cancelled; changes that come together are handled together."""
        while True:
            await self._wake.wait()
            await asyncio.sleep(_SETTLE)
            self._wake.clear()
            failed = await self.work_off()
            if failed:
                asyncio.get_running_loop().call_later(_RETRY, self._look_again, failed)

    def _look_again(self, keys: list[Key]) -> None:
        self._due.update(dict.fromkeys(keys))
        self._wake.set()

    async def work_off(self) -> list[Key]:
        """Look at every job that is due, letting others run after each; those whose write is worth another try."""
        self._refill()
        failed = []
        while self._due:
            key = next(iter(self._due))
            del self._due[key]
            try:
                await self._look_at(key)
            except ClusterError as error:
                if error.refused:
                    _log.error("status of %s/%s refused, left until something changes: %s", *key, error)
                else:
                    _log.warning("status of %s/%s not written, will be repeated: %s", *key, error)
                    failed.append(key)
            except Exception:  # noqa: BLE001, one job's bug must not keep the others from theirs
                _log.exception("a bug while judging %s/%s", *key)
            await asyncio.sleep(0)
        return failed

    def _refill(self) -> None:
        fleet, settings, stale = self._world.fleet.generation, self._world.settings, self._world.stale
        before = self._looked_at
        if before is None or before[1] is not settings or (fleet, stale) != (before[0], before[2]):
            self._looked_at = (fleet, settings, stale)
            self._due.update(dict.fromkeys((seen.namespace, seen.name) for seen in self._world.jobs))
        for key in [key for key in self._judgements if self._world.jobs.find(*key) is None]:
            del self._judgements[key]

    async def _look_at(self, key: Key) -> None:
        seen = self._world.jobs.find(*key)
        if seen is None or seen.deleting:
            self._judgements.pop(key, None)
            self.exhaustions.forget(key)
            return
        judgement = await self._judge(seen)
        exhausted = await self._exhausted(seen, judgement)
        if self._world.jobs.find(*key) is not seen:
            # Changed meanwhile: one write for what it is now, none for what it was.
            self._due[key] = None
            return
        if judgement is None:
            self._judgements.pop(key, None)
        else:
            self._judgements[key] = judgement
        current = seen.content.get("status") or {}
        usage = Usage() if judgement is None else self.usage(seen, judgement)
        more = {**usage.conditions, **exhausted}
        wanted = status_of(seen, judgement, self._now(), more, usage)
        patch = merge_patch(current, wanted)
        if not patch:
            return
        try:
            stored = await self._cluster.merge(job_status_path(*key), {"status": patch})
        except ClusterError as error:
            if error.absent:
                return
            raise
        self._keep(seen, stored)
        before, after = condition_of(current, Condition.FITS), condition_of(wanted, Condition.FITS)
        if after and (
            before is None or (before.get("status"), before.get("reason")) != (after["status"], after["reason"])
        ):
            await self._tell(seen, str(after["reason"]), str(after["message"]))
        before, after = (condition_of(status, Condition.MEMORY_EXHAUSTED) for status in (current, wanted))
        if after and after["status"] == "True" and (before is None or before.get("status") != "True"):
            await self._tell(seen, Condition.MEMORY_EXHAUSTED, str(after["message"]))

    async def _exhausted(self, seen: SeenJob, judgement: Judgement | None) -> dict[Condition, Told]:
        """The condition MemoryExhausted, where there is or was a reason for one."""
        job = (seen.namespace, seen.name)
        newest, before = self.exhaustions.newest(job), seen.content.get("status") or {}
        if newest is None and condition_of(before, Condition.MEMORY_EXHAUSTED) is None:
            return {}
        pods = tuple(self.exhaustions.pods_of(job))
        facts = Facts(
            seen=seen, judgement=judgement, newest=newest, pods=pods, fleet=self._world.fleet, now=self._now()
        )
        told = await asyncio.to_thread(memory_exhausted, facts)
        return {Condition.MEMORY_EXHAUSTED: told} if told is not None else {}

    async def _judge(self, seen: SeenJob) -> Judgement | None:
        """By the policy of the default level: the level of the job's namespace is the webhook's to know."""
        if seen.job is None:
            return None
        requests = await asyncio.to_thread(requests_from_llmjob, seen.job)
        return await self._world.judge(seen, requests, self._world.settings.policy(stale=self._world.stale))

    def _keep(self, seen: SeenJob, stored: object) -> None:
        """What the write returned is newer than what was seen, unless the watch was faster."""
        known = self._world.jobs.find(seen.namespace, seen.name)
        if known is seen and isinstance(stored, dict):
            self._world.jobs.apply(None, stored)

    async def _tell(self, seen: SeenJob, reason: str, message: str) -> None:
        """An event about the new verdict."""
        uid = (seen.content.get("metadata") or {}).get("uid")
        subject = Subject(api_version=API_VERSION, kind=KIND, namespace=seen.namespace, name=seen.name, uid=uid)
        await self._events.post(subject, reason, message, warning=reason != Reason.FITS)
