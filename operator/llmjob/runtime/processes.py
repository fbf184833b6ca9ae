"""The two processes, wired: views, sockets, metrics, loops."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Final

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector

from llmjob.runtime.access import Access
from llmjob.runtime.admission import Admission
from llmjob.runtime.certificates.tls import Certificate
from llmjob.runtime.cluster import Cluster, Object
from llmjob.runtime.controller import Controller
from llmjob.runtime.events import Events
from llmjob.runtime.feed import Feed
from llmjob.runtime.lifecycle import Stop, run_until_stopped
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
from llmjob.runtime.operate import operate
from llmjob.runtime.paths import job_path
from llmjob.runtime.pod_view import PodView, joined
from llmjob.runtime.server import FAREWELL, admission_application, health_application, listening
from llmjob.runtime.settings.feed import SettingsFeed
from llmjob.runtime.usage.actual import ActualUse
from llmjob.runtime.views import JobView, NodeView
from llmjob.runtime.world import FindJob, World

if TYPE_CHECKING:
    from llmjob.runtime.certificates.keeper import Order

_log: Final = logging.getLogger("llmjob")


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

            await operate(access, stop, feed, server=serve, tasks=(certificate.watch,))

    run_until_stopped(process, kubeconfig, log_format)


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
                from llmjob.runtime.certificates.keeper import Certificates  # noqa: PLC0415, cryptography is slow to import

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
            await operate(access, stop, feed, tasks=(*tasks, keep_resyncing))

    run_until_stopped(process, kubeconfig, log_format)


def _finder(cluster: Cluster) -> FindJob:
    async def find(namespace: str, name: str, timeout: float) -> Object | None:  # noqa: ASYNC109, a bound of HTTP
        return await cluster.get(job_path(namespace, name), timeout=timeout)

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


def _registry() -> CollectorRegistry:
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    return registry
