"""The views' supply: a LIST before anything else, Kopf's watches after, and a LIST again from time to time."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any, Final

import kopf

from llmjob.names import GROUP, PLURAL, VERSION
from llmjob.runtime.cluster import Cluster, ClusterError
from llmjob.runtime.paths import JOBS, NODES, config_map_path
from llmjob.runtime.settings import Settings, SettingsError, config_map_of, read_settings, text_of
from llmjob.runtime.views import Key
from llmjob.runtime.world import World

_log: Final = logging.getLogger(__name__)
# A file is a local read; a ConfigMap costs the API server a request.
_FILE_INTERVAL: Final = 1.0
_CONFIG_MAP_INTERVAL: Final = 5.0
_NOT_FOUND: Final = 404


class NotInstalled(Exception):
    """The cluster lacks the LLMJob CRD."""


def _nothing(*_: object) -> None:
    """What happens on a change where nobody wants to know."""


class Feed:
    """Fills a world's views; `fleet_changed` and `job_changed` are told of every change."""

    def __init__(
        self,
        world: World,
        cluster: Cluster,
        *,
        settings: str | None = None,
        fleet_changed: Callable[[], None] = _nothing,
        job_changed: Callable[[Key], None] = _nothing,
    ) -> None:
        self._world, self._cluster, self._place = world, cluster, settings
        self._fleet_changed, self._job_changed = fleet_changed, job_changed

    def register(self, registry: kopf.OperatorRegistry) -> None:
        """Watch nodes and LLMJobs."""

        @kopf.on.event("", "v1", "nodes", registry=registry)
        async def on_node(event: Mapping[str, Any], **_: object) -> None:
            if self._world.nodes.apply(event["type"], event["object"]):
                self._fleet_changed()

        @kopf.on.event(GROUP, VERSION, PLURAL, registry=registry)
        async def on_job(event: Mapping[str, Any], **_: object) -> None:
            self._job_changed(self._world.jobs.apply(event["type"], event["object"]))

    async def start(self) -> None:
        """Settings and complete views; after this the process may answer.

        Raises:
            NotInstalled: when there is no CRD.
            ClusterError: when the API server gives no answer.
            SettingsError: when the settings cannot be read.
        """
        await self._read_settings()
        await self.list_all()

    async def list_all(self) -> None:
        """LIST both, which also drops what was deleted unseen."""
        nodes, jobs = self._world.nodes, self._world.jobs
        nodes.begin()
        nodes.replace(await asyncio.to_thread(nodes.read, [node async for node in self._cluster.list(NODES)]))
        self._fleet_changed()
        jobs.begin()
        try:
            listed = [job async for job in self._cluster.list(JOBS)]
        except ClusterError as error:
            if error.status == _NOT_FOUND:
                raise NotInstalled(f"the CRD {PLURAL}.{GROUP} is not installed: apply crds/ first") from error
            raise
        for key in jobs.replace(await asyncio.to_thread(jobs.read, listed)):
            self._job_changed(key)

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
        """Read the settings again and again; settings that cannot be read change nothing."""
        if self._place is None:
            return
        interval = _FILE_INTERVAL if config_map_of(self._place) is None else _CONFIG_MAP_INTERVAL
        while True:
            await asyncio.sleep(interval)
            try:
                if await self._read_settings():
                    self._fleet_changed()
            except (SettingsError, ClusterError) as error:
                _log.warning("settings kept as they were: %s", error)

    async def _read_settings(self) -> bool:
        """Whether they are others now."""
        if self._place is None:
            return False
        where = config_map_of(self._place)
        if where is None:
            settings = await asyncio.to_thread(read_settings, self._place)
        else:
            namespace, name = where
            found = await self._cluster.get(config_map_path(namespace, name))
            if found is None:
                raise SettingsError(f"there is no ConfigMap {namespace}/{name}")
            settings = Settings.from_text(text_of(found))
        if settings == self._world.settings:
            return False
        self._world.settings = settings
        return True
