"""The settings in force: read before anything else, followed while the process runs. What cannot be read changes
nothing; the last good settings stay, and log, metric and event say so. The kill switch alone acts whatever else is
wrong: who reaches for it must not have to find a mistake first.
"""

import asyncio
import logging
from collections.abc import Callable
from contextlib import aclosing
from typing import Final

from llmjob.runtime.cluster import Cluster, ClusterError
from llmjob.runtime.events import Events, Subject
from llmjob.runtime.settings import Settings, SettingsError
from llmjob.runtime.settings.source import Found, source_of
from llmjob.runtime.world import World

_log: Final = logging.getLogger(__name__)
_RETRY: Final = 2.0
# What is refused will be until somebody changes the rights; anything else is an API server that is away.
_REFUSED: Final = frozenset({401, 403})
_INVALID: Final = "SettingsInvalid"
_VALID: Final = "SettingsValid"


class SettingsFeed:
    """Keeps a world's settings those of a place; `changed` is told of every change, `events` of what is wrong there."""

    def __init__(
        self,
        world: World,
        cluster: Cluster,
        place: str,
        *,
        changed: Callable[[], None] | None = None,
        events: Events | None = None,
    ) -> None:
        self._world, self._place, self._changed, self._events = world, place, changed, events
        self._source = source_of(place, cluster)
        self._good = world.settings
        self._seen: Found | None = None
        self._subject: Subject | None = None
        self._problem: str | None = None

    @property
    def successful(self) -> bool:
        """Whether the settings in force are those that the place holds."""
        return self._problem is None

    async def start(self) -> None:
        """The first settings; without them a process must not answer.

        Raises:
            SettingsError: when there are none, or wrong ones; the message names the place and the key.
            ClusterError: when the API server gives no answer.
        """
        async with aclosing(self._source.readings()) as readings:
            found = await anext(readings)
        try:
            self._good = self._world.settings = _settings(found)
        except SettingsError as error:
            raise SettingsError(f"{self._place}: {error}") from error
        self._seen, self._subject = found, found.subject

    async def keep(self) -> None:
        """Follow the place until cancelled."""
        while True:
            try:
                async with aclosing(self._source.readings()) as readings:
                    async for found in readings:
                        await self._take(found)
            except ClusterError as error:
                await self._lost(error)
            await asyncio.sleep(_RETRY)

    async def _take(self, found: Found) -> None:
        if found == self._seen:
            return
        self._seen = found
        if found.subject is not None and found.subject.uid is not None:
            self._subject = found.subject
        try:
            settings = await asyncio.to_thread(_settings, found)
        except SettingsError as error:
            kept = self._good.model_copy(update={"enabled": False}) if error.disabled else self._good
            self._put_in_force(kept)
            await self._keep_last(str(error))
            return
        self._good = settings
        self._put_in_force(settings)
        if self._problem is not None:
            self._problem = None
            _log.info("settings at %s are good again and in force", self._place)
            await self._tell(_VALID, "The settings are good again and in force.", warning=False)

    def _put_in_force(self, settings: Settings) -> None:
        if settings != self._world.settings:
            _log.info("settings changed: %s", ", ".join(_differences(self._world.settings, settings)))
            self._world.settings = settings
            if self._changed is not None:
                self._changed()

    async def _lost(self, error: ClusterError) -> None:
        if error.status not in _REFUSED:
            _log.warning("settings not followed for the moment: %s", error)
            return
        problem = f"cannot be read: {error}"
        # Looked at anew once it can be, whatever it holds.
        self._seen = None
        if problem != self._problem:
            await self._keep_last(problem)

    async def _keep_last(self, problem: str) -> None:
        self._problem = problem
        stay = "the last good settings stay in force" + ("" if self._world.settings is self._good else ", but disabled")
        _log.error("settings at %s: %s; %s", self._place, problem, stay)
        await self._tell(_INVALID, f"{problem}; {stay}.", warning=True)

    async def _tell(self, reason: str, message: str, *, warning: bool) -> None:
        if self._events is not None and self._subject is not None:
            await self._events.post(self._subject, reason, message, warning=warning)


def _settings(found: Found) -> Settings:
    if found.text is None:
        raise SettingsError(found.missing)
    return Settings.from_text(found.text)


def _differences(before: Settings, after: Settings) -> list[str]:
    """Top-level keys whose values differ."""
    old, new = before.model_dump(by_alias=True), after.model_dump(by_alias=True)
    return [key for key in new if new[key] != old[key]]
