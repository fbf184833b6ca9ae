"""What `llmjob report` reads: LLMJobs with status, nodes, pods and settings of the cluster, use from Prometheus."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from llmjob.observation import course
from llmjob.observation.course import RoleKey
from llmjob.observation.report import ClassMemory, Report, Source, make_report
from llmjob.runtime.access import NoCluster, find_users_access
from llmjob.runtime.cluster import Cluster, ClusterError, Object
from llmjob.runtime.paths import NODES, jobs_path, pods_path
from llmjob.runtime.pod_view import SELECTOR, JobPod, joined
from llmjob.runtime.report_roles import Use, roles_of_job
from llmjob.runtime.snapshot import Unreachable, settings_at
from llmjob.runtime.usage.prometheus import Prometheus, PrometheusAccess, PrometheusError
from llmjob.runtime.views import JobView, NodeView
from llmjob.runtime.world import World


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Of what a report is asked: a namespace (None: all), the last `window` seconds, and where Prometheus is."""

    namespace: str | None
    everywhere: bool
    window: float
    prometheus: PrometheusAccess | None = None
    kubeconfig: str | None = None
    context: str | None = None
    settings: str | None = None


@dataclass(slots=True)
class _Cluster:
    """What was read of the cluster; `world` has no nodes where they may not be read."""

    world: World
    running: Mapping[RoleKey, Counter[str]]
    notes: list[str] = field(default_factory=list)


def read_report(scope: Scope, clock: Callable[[], float] = time.time) -> Report:
    """Read the cluster and Prometheus, and make the report; what cannot be read is told in its notes.

    Raises:
        Unreachable: when there is no cluster, no answer, or no right to list LLMJobs.
        SettingsError: when settings that are named cannot be read.
    """
    try:
        access, own = find_users_access(scope.kubeconfig, scope.context)
        return asyncio.run(_read(Cluster(access), own, scope, clock()))
    except (NoCluster, ClusterError) as error:
        raise Unreachable(str(error)) from error


async def _read(cluster: Cluster, own: str, scope: Scope, now: float) -> Report:
    namespace = None if scope.everywhere else scope.namespace or own
    async with cluster:
        found, use = await asyncio.gather(
            _read_cluster(cluster, namespace, scope.settings), _read_use(scope, namespace, now), return_exceptions=True
        )
    if isinstance(found, BaseException):
        raise found
    source, notes = Source.PROMETHEUS if scope.prometheus else Source.STATUS, found.notes
    if isinstance(use, PrometheusError):
        notes.append(f"Prometheus gave no use, the jobs' status is shown instead: {use}")
        use, source = Use(now), Source.STATUS
    elif isinstance(use, BaseException):
        raise use
    elif scope.prometheus and not use.actual:
        notes.append(
            f"Prometheus has no series {course.COMPARED} of these jobs: are the chart's recording rules loaded "
            "(prometheusRule.enabled) and the exporters scraped? The jobs' status is shown instead"
        )
        source = Source.STATUS
    return await asyncio.to_thread(_report, found, use, namespace, scope.window, source)


async def _read_cluster(cluster: Cluster, namespace: str | None, stated: str | None) -> _Cluster:
    notes: list[str] = []
    jobs, nodes = JobView(), NodeView()
    jobs.replace(jobs.read([job async for job in cluster.list(jobs_path(namespace))]))
    # Of settings only declared pools count here; whoever may not read the operator's need not hear of it.
    settings = await settings_at(cluster, stated, [])
    try:
        nodes.replace(NodeView.read([node async for node in cluster.list(NODES)]))
    except ClusterError as error:
        notes.append(f"nodes cannot be read ({error}): no smaller GPU can be named")
    pods: list[Object] = []
    try:
        pods = [pod async for pod in cluster.list(pods_path(namespace), SELECTOR)]
    except ClusterError as error:
        notes.append(
            f"pods cannot be read ({error}): each job counts on the GPU class of its estimate, with no GPUs held"
        )
    world = World(nodes=nodes, jobs=jobs, find_job=_nowhere, settings=settings)
    return _Cluster(world, _running(pods, world), notes)


async def _nowhere(_: str, __: str, ___: float) -> Object | None:
    return None


def _running(pods: list[Object], world: World) -> dict[RoleKey, Counter[str]]:
    """Running pods by role and class."""
    found: dict[RoleKey, Counter[str]] = {}
    for item in joined((pod for read in pods if (pod := JobPod.of(read))), world):
        if item.gpu_class:
            found.setdefault((item.pod.namespace, item.pod.job, item.pod.role), Counter())[item.gpu_class] += 1
    return found


async def _read_use(scope: Scope, namespace: str | None, now: float) -> Use:
    if scope.prometheus is None:
        return Use(now)
    step = max(1.0, scope.window / course.POINTS)
    start = now - scope.window
    async with Prometheus(scope.prometheus) as prometheus:
        compared, needed, used = await asyncio.gather(
            *(
                prometheus.over_time(course.expression(rule, step, namespace), start=start + step, end=now, step=step)
                for rule in (course.COMPARED, course.NEEDED, course.USED)
            )
        )
    return Use(now, course.actuals(compared, needed, start=start, end=now, step=step), course.highest(used))


def _report(found: _Cluster, use: Use, namespace: str | None, window: float, source: Source) -> Report:
    fleet = found.world.fleet
    gpus = fleet.gpus()
    roles = [role for seen in found.world.jobs for role in roles_of_job(seen, found.running, use, fleet)]
    memory = [
        ClassMemory(name=item.name, usable=item.usable.lower if item.usable else None, gpus=gpus.get(item.name, 0))
        for item in fleet.classes()
    ]
    return make_report(roles, memory, namespace=namespace, at=use.at, window=window, source=source, notes=found.notes)
