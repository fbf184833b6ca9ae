"""The views' supply: a LIST before anything else, Kopf's watches after, and a LIST again from time to time."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import kopf

from llmjob.names import GROUP, PLURAL, VERSION
from llmjob.runtime.cluster import Cluster, ClusterError
from llmjob.runtime.paths import JOBS, NODES, PODS
from llmjob.runtime.pod_view import SELECTOR, PodView
from llmjob.runtime.settings.feed import SettingsFeed
from llmjob.runtime.views import Key
from llmjob.runtime.world import World

_log: Final = logging.getLogger(__name__)


class NotInstalled(Exception):
    """The cluster lacks the LLMJob CRD."""


def _nothing(*_: object) -> None:
    """What happens on a change where nobody wants to know."""


class Feed:
    """Fills a world's views and that of pods, if any; `fleet_changed`, `job_changed` and `pods_changed` are told of
    every change, the last of a LIST's all at once.
    """

    def __init__(
        self,
        world: World,
        cluster: Cluster,
        *,
        settings: SettingsFeed | None = None,
        pods: PodView | None = None,
        fleet_changed: Callable[[], None] = _nothing,
        job_changed: Callable[[Key], None] = _nothing,
        pods_changed: Callable[[Iterable[Key]], None] = _nothing,
    ) -> None:
        self._world, self._cluster, self._settings = world, cluster, settings
        self._pods = pods
        self._fleet_changed, self._job_changed, self._pods_changed = fleet_changed, job_changed, pods_changed

    def register(self, registry: kopf.OperatorRegistry) -> None:
        """Watch what the views hold."""

        @kopf.on.event("", "v1", "nodes", registry=registry)
        async def on_node(event: Mapping[str, Any], **_: object) -> None:
            if self._world.nodes.apply(event["type"], event["object"]):
                self._fleet_changed()

        @kopf.on.event(GROUP, VERSION, PLURAL, registry=registry)
        async def on_job(event: Mapping[str, Any], **_: object) -> None:
            self._job_changed(self._world.jobs.apply(event["type"], event["object"]))

        if self._pods is None:
            return
        pods = self._pods

        @kopf.on.event("", "v1", "pods", registry=registry)
        async def on_pod(event: Mapping[str, Any], **_: object) -> None:
            self._pods_changed({pods.apply(event["type"], event["object"])})

    async def start(self) -> None:
        """Settings and complete views; after this the process may answer.

        Raises:
            NotInstalled: when there is no CRD.
            ClusterError: when the API server gives no answer.
            SettingsError: when the settings cannot be read.
        """
        if self._settings is not None:
            await self._settings.start()
        await self.list_all()

    async def list_all(self) -> None:
        """LIST them all, which also drops what was deleted unseen."""
        nodes, jobs = self._world.nodes, self._world.jobs
        nodes.begin()
        nodes.replace(await asyncio.to_thread(nodes.read, [node async for node in self._cluster.list(NODES)]))
        self._fleet_changed()
        jobs.begin()
        try:
            listed = [job async for job in self._cluster.list(JOBS)]
        except ClusterError as error:
            if error.absent:
                raise NotInstalled(f"the CRD {PLURAL}.{GROUP} is not installed: apply crds/ first") from error
            raise
        for key in jobs.replace(await asyncio.to_thread(jobs.read, listed)):
            self._job_changed(key)
        if self._pods is not None:
            self._pods.begin()
            pods = [pod async for pod in self._cluster.list(PODS, SELECTOR)]
            self._pods_changed(self._pods.replace(await asyncio.to_thread(self._pods.read, pods)))

    async def keep_listing(self) -> None:
        """LIST again and again; a failure leaves the views as they are, and older."""
        while True:
            await asyncio.sleep(self._world.settings.views.list_interval)
            try:
                await self.list_all()
            except (ClusterError, NotInstalled) as error:
                _log.warning("views not refreshed: %s", error)
                # They may be too old to deny by from now on.
                self._fleet_changed()

    async def keep_settings(self) -> None:
        """Follow the settings, where there are any to follow."""
        if self._settings is not None:
            await self._settings.keep()
