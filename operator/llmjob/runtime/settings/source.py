"""Where settings stand, a file or a ConfigMap: what is there now, and after each change."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from llmjob.runtime.cluster import Cluster, Object
from llmjob.runtime.events import Subject
from llmjob.runtime.paths import config_maps_path
from llmjob.runtime.settings import SettingsError, config_map_of, text_of

_FILE_INTERVAL: Final = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a place holds: settings as text, or why there are none; and the object that holds them."""

    text: str | None = None
    missing: str = ""
    subject: Subject | None = None


class SettingsSource(Protocol):
    """A place of settings."""

    def readings(self) -> AsyncGenerator[Found]:
        """What is there: at once, then after changes; the same may come twice."""


@dataclass(frozen=True, slots=True)
class SettingsFile:
    """A file, read each second: a mounted ConfigMap changes by links, which no watch of the file would see."""

    path: Path

    async def readings(self) -> AsyncGenerator[Found]:
        while True:
            yield await asyncio.to_thread(self._read)
            await asyncio.sleep(_FILE_INTERVAL)

    def _read(self) -> Found:
        try:
            return Found(text=self.path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            return Found(missing=str(getattr(error, "strerror", None) or error))


@dataclass(frozen=True, slots=True)
class SettingsConfigMap:
    """A ConfigMap, watched."""

    cluster: Cluster
    namespace: str
    name: str

    async def readings(self) -> AsyncGenerator[Found]:
        async for config_map in self.cluster.watch_one(config_maps_path(self.namespace), self.name):
            yield self._read(config_map)

    def _read(self, config_map: Object | None) -> Found:
        uid = (config_map.get("metadata") or {}).get("uid") if config_map is not None else None
        subject = Subject(api_version="v1", kind="ConfigMap", namespace=self.namespace, name=self.name, uid=uid)
        if config_map is None:
            return Found(missing="there is no such ConfigMap", subject=subject)
        try:
            return Found(text=text_of(config_map), subject=subject)
        except SettingsError as error:
            return Found(missing=str(error), subject=subject)


def source_of(place: str, cluster: Cluster) -> SettingsSource:
    """The source at a place, `FILE` or `configmap:NAMESPACE/NAME`.

    Raises:
        SettingsError: when the place is written wrongly.
    """
    config_map = config_map_of(place)
    return SettingsFile(Path(place)) if config_map is None else SettingsConfigMap(cluster, *config_map)
