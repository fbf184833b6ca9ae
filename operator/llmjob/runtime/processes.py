"""The two processes, wired: Kopf's life cycle, views, sockets. Exit codes: 0 after a stop, 64 usage, 69 no
cluster or no socket; whatever else ends them is a bug of ours, and 70.
"""

import asyncio
import gc
import json
import logging
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import aiohttp
import kopf
from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector

from llmjob.runtime.access import Access, NoCluster, find_access
from llmjob.runtime.admission import Admission
from llmjob.runtime.cluster import Cluster, ClusterError, Object
from llmjob.runtime.controller import Controller
from llmjob.runtime.events import Events
from llmjob.runtime.feed import Feed, NotInstalled
from llmjob.runtime.metrics import (
    ActualState,
    Admissions,
    CertificateState,
    FleetState,
    OutOfMemory,
    PodState,
    Predictions,
    ProcessState,
    Rotations,
    SettingsState,
)
from llmjob.runtime.pod_view import SELECTOR, PodView, joined
from llmjob.runtime.server import FAREWELL, CannotListen, admission_application, health_application, listening
from llmjob.runtime.settings import SettingsError
from llmjob.runtime.settings_feed import SettingsFeed
from llmjob.runtime.tls import Certificate
from llmjob.runtime.usage import ActualUse
from llmjob.runtime.views import JobView, NodeView
from llmjob.runtime.world import FindJob, World

if TYPE_CHECKING:
    from llmjob.runtime.certificates import Order

_EX_USAGE: Final = 64
_EX_UNAVAILABLE: Final = 69
# Watches outlive an API server that is away for an hour; what they missed, the next LIST brings.
_OUTAGE_BACKOFFS: Final = (1, 2, *(5,) * 720)
_log: Final = logging.getLogger("llmjob")


class Stop(asyncio.Event):
    """Set when the process shall end; `failed` when that is because a loop of it did."""

    failed = False


class LoopFailed(Exception):
    """A loop of the process failed: our bug."""


def run_webhook(
    *,
    kubeconfig: str | None,
    settings: str | None,
    host: str,
    port: int,
    metrics_port: int,
    tls_cert: str,
    tls_key: str,
    log_format: str,
) -> None:
    """Serve admission until SIGTERM or SIGINT."""

    async def process(access: Access, stop: Stop) -> None:
        async with AsyncExitStack() as stack:
            cluster = await stack.enter_async_context(Cluster(access))
            world = World(nodes=NodeView(), jobs=JobView(), find_job=_finder(cluster))
            certificate = Certificate(tls_cert, tls_key)
            metrics = _registry()
            admissions = Admissions(metrics)
            metrics.register(ProcessState({"nodes": world.nodes, "llmjobs": world.jobs}))
            metrics.register(CertificateState(lambda: certificate.expiry, lambda: certificate.reloaded))
            metrics.register(FleetState(lambda: world.fleet))
            feed = Feed(world, cluster, settings=_followed(settings, world, cluster, metrics))
            certificate.refresh()

            answering = asyncio.Event()

            def ready() -> str | None:
                if stop.is_set():
                    return "stopping"
                return not_ready(world, certificate, answering=answering.is_set())

            health = health_application(metrics, ready)
            at = await stack.enter_async_context(listening(health, host, metrics_port))
            _log.info("metrics and health on port %d", at)

            async def serve(_: object) -> AsyncIterator[dict[str, str]]:
                application = admission_application(Admission(world), admissions)
                async with listening(application, host, port, certificate, farewell=FAREWELL) as bound:
                    _log.info("admission on port %d", bound)
                    answering.set()
                    yield {"url": f"https://{host}:{bound}"}
                    await asyncio.Event().wait()

            await _operate(access, stop, feed, server=serve, tasks=(certificate.watch,))

    _run(process, kubeconfig, log_format)


def not_ready(world: World, certificate: Certificate, *, answering: bool) -> str | None:
    """Why the webhook is not ready; None where it is: it has seen all there is, and its port is open."""
    if not certificate.loaded:
        return f"no valid certificate in {certificate.path} yet"
    if not (world.nodes.synced and world.jobs.synced):
        return "views not complete yet"
    return None if answering else "the port for admission is not open yet"


def run_controller(
    *,
    kubeconfig: str | None,
    settings: str | None,
    host: str,
    metrics_port: int,
    log_format: str,
    resync: float,
    order: "Order | None" = None,
) -> None:
    """Keep status, events and metrics right until SIGTERM or SIGINT."""

    async def process(access: Access, stop: Stop) -> None:
        async with AsyncExitStack() as stack:
            cluster = await stack.enter_async_context(Cluster(access))
            world = World(nodes=NodeView(), jobs=JobView(), find_job=_finder(cluster))
            pods = PodView()
            controller = Controller(world, cluster, pods=pods)
            use = ActualUse(world, pods, judgements=controller.judgements, changed=controller.job_changed)
            controller.usage = use.usage
            metrics = _registry()
            views = {"nodes": world.nodes, "llmjobs": world.jobs, "pods": pods}
            metrics.register(ProcessState(views))
            metrics.register(FleetState(lambda: world.fleet))
            metrics.register(Predictions(controller.judgements))
            metrics.register(PodState(lambda: joined(pods, world)))
            metrics.register(OutOfMemory(controller.judgements, controller.exhaustions.count))
            metrics.register(ActualState(use.actual, lambda: use.successful))
            tasks: list[Callable[[], Awaitable[None]]] = [controller.run, use.run]
            if order is not None:
                from llmjob.runtime.certificates import Certificates  # noqa: PLC0415, cryptography is slow to import

                certificates = Certificates(order, cluster, Rotations(metrics))
                metrics.register(CertificateState(lambda: certificates.expiry))
                tasks.append(certificates.run)

            def settings_changed() -> None:
                controller.fleet_changed()
                use.settings_changed()

            followed = _followed(settings, world, cluster, metrics, changed=settings_changed, events=Events(cluster))
            feed = Feed(
                world, cluster, settings=followed, pods=pods,
                fleet_changed=controller.fleet_changed, job_changed=controller.job_changed,
                pods_changed=controller.exhaustions.pods_changed,
            )  # fmt: skip

            def ready() -> str | None:
                if stop.is_set():
                    return "stopping"
                return None if all(view.synced for view in views.values()) else "views not complete yet"

            async def keep_resyncing() -> None:
                while True:
                    await asyncio.sleep(resync)
                    controller.resync()

            health = health_application(metrics, ready)
            at = await stack.enter_async_context(listening(health, host, metrics_port))
            _log.info("metrics and health on port %d", at)
            await _operate(access, stop, feed, tasks=(*tasks, keep_resyncing))

    _run(process, kubeconfig, log_format)


def _finder(cluster: Cluster) -> FindJob:
    async def find(namespace: str, name: str, timeout: float) -> Object | None:  # noqa: ASYNC109, a bound of HTTP
        return await cluster.find_job(namespace, name, timeout=timeout)

    return find


def _followed(
    place: str | None,
    world: World,
    cluster: Cluster,
    metrics: CollectorRegistry,
    *,
    changed: Callable[[], None] | None = None,
    events: Events | None = None,
) -> SettingsFeed | None:
    """The settings at a place, with their metric; None where no place is stated and the defaults hold."""
    if place is None:
        return None
    feed = SettingsFeed(world, cluster, place, changed=changed, events=events)
    metrics.register(SettingsState(lambda: feed.successful))
    return feed


async def _operate(
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
        asyncio.get_running_loop().call_soon(_stop_on_signals, stop)
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


def _registry() -> CollectorRegistry:
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    return registry


def _run(process: Callable[[Access, Stop], Awaitable[None]], kubeconfig: str | None, log_format: str) -> None:
    _log_lines(log_format)
    try:
        access = find_access(kubeconfig)
    except NoCluster as error:
        _stop(str(error), _EX_UNAVAILABLE)

    async def main() -> None:
        stop = Stop()
        working = asyncio.ensure_future(process(access, stop))
        _stop_on_signals(stop)
        stopping = asyncio.ensure_future(stop.wait())
        await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not working.done():
            working.cancel()
        with suppress(asyncio.CancelledError):
            await working
        if stop.failed:
            raise LoopFailed

    try:
        asyncio.run(main())
    except SettingsError as error:
        _stop(f"settings: {error}", _EX_USAGE)
    except (ClusterError, NotInstalled, CannotListen) as error:
        _stop(str(error), _EX_UNAVAILABLE)
    except aiohttp.ClientError as error:
        _stop(f"the API server is lost: {error}", _EX_UNAVAILABLE)


def _stop_on_signals(stop: Stop) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)


def _stop(message: str, code: int) -> None:
    _log.critical("%s", message)
    sys.exit(code)


class _JsonLines(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line = {
            "time": moment, "level": record.levelname.lower(), "logger": record.name, "message": record.getMessage()
        }  # fmt: skip
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


def _log_lines(log_format: str) -> None:
    handler = logging.StreamHandler()
    handler.setFormatter(
        _JsonLines() if log_format == "json" else logging.Formatter("%(asctime)s %(levelname)s %(message)s")
    )
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    for noisy in ("kopf.objects", "aiohttp.access"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
