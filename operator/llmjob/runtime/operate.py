"""Kopf's operator run to the stop, with the feed's watches and our own loops beside it."""

import asyncio
import gc
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final

import kopf

from llmjob.runtime.access import Access
from llmjob.runtime.cluster import ClusterError
from llmjob.runtime.feed import Feed
from llmjob.runtime.lifecycle import Stop, stop_on_signals
from llmjob.runtime.pod_view import SELECTOR

# Watches outlive an API server that is away for an hour; what they missed, the next LIST brings.
_OUTAGE_BACKOFFS: Final = (1, 2, *(5,) * 720)
_log: Final = logging.getLogger("llmjob")


async def operate(
    access: Access,
    stop: Stop,
    feed: Feed,
    *,
    server: Callable[[object], AsyncIterator[dict[str, str]]] | None = None,
    tasks: tuple[Callable[[], Awaitable[None]], ...] = (),
) -> None:
    """Fill the views, then run Kopf's operator with the feed's watches until `stop`."""
    await _first_lists(feed, stop)
    registry = kopf.OperatorRegistry()

    @kopf.on.login(registry=registry)
    def login(**_: object) -> kopf.ConnectionInfo:
        return access.connection()

    @kopf.on.startup(registry=registry, retries=3, backoff=2)
    async def configure(settings: kopf.OperatorSettings, **_: object) -> None:
        _configure(settings)
        settings.admission.server = server  # type: ignore[assignment]
        # Kopf's own handlers, set right after this, would wait for every object's idle worker: five seconds.
        asyncio.get_running_loop().call_soon(stop_on_signals, stop)
        gc.collect()
        gc.freeze()

    feed.register(registry)
    # Started before Kopf, which at its end waits five seconds for every task that began after it.
    loops = (feed.keep_listing, feed.keep_settings, *tasks)
    background = [asyncio.ensure_future(_forever(loop, stop)) for loop in loops]
    try:
        # Without peers it names nobody; Kopf would ask for the user's name, which a container's user does not have.
        await kopf.operator(registry=registry, clusterwide=True, identity="llmjob")  # type: ignore[arg-type]
    finally:
        stop.set()
        for task in background:
            task.cancel()
        await asyncio.gather(*background, return_exceptions=True)


async def _first_lists(feed: Feed, stop: Stop, attempts: int = 5) -> None:
    """The API server may start at the same time as we do."""
    for attempt in range(1, attempts + 1):
        try:
            await feed.start()
        except ClusterError as error:
            if attempt == attempts or stop.is_set():
                raise
            _log.warning("%s; trying again", error)
            await asyncio.sleep(attempt)
        else:
            return


async def _forever(loop: Callable[[], Awaitable[None]], stop: Stop) -> None:
    """A loop that fails ends the process: a supervisor restarts it, a silent half of it would not be seen."""
    try:
        await loop()
    except Exception:  # noqa: BLE001, whatever it is, it ends the process
        _log.exception("a bug; stopping")
        stop.failed = True
        stop.set()


def _configure(settings: kopf.OperatorSettings) -> None:
    settings.admission.managed = None
    settings.peering.standalone = True
    settings.scanning.disabled = True
    settings.posting.enabled = False
    settings.watching.server_timeout = 300
    settings.watching.client_timeout = 330
    settings.watching.label_selectors["", "v1", "pods"] = SELECTOR
    settings.networking.request_timeout = 30
    settings.networking.error_backoffs = _OUTAGE_BACKOFFS
    settings.queueing.worker_limit = None
    # We register nothing that takes a finalizer; should anything ever, it must not be Kopf's own name.
    settings.persistence.finalizer = "llmjob.dev/finalizer"
