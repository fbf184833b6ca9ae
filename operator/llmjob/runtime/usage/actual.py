"""Actual use: asks Prometheus again and again, on a task of its own, and keeps what it says of every role.

Whatever Prometheus does (it is away, hangs, lies), the last values stay with their age, and nothing else waits for it.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from llmjob.observation import engine_pool, gpu_use
from llmjob.observation.engine_pool import EnginePool, engine_pools
from llmjob.observation.gpu_use import GPUUse, PodKey, gpu_uses
from llmjob.observation.ledger import Account, Ledger, Role, RoleKey, RunningPod, Thresholds
from llmjob.observation.observed import Kind, Reading, error_ratio
from llmjob.observation.series import Series
from llmjob.runtime.judgement import Judgement
from llmjob.runtime.pod_view import JobPod, joined
from llmjob.runtime.settings import PrometheusSettings
from llmjob.runtime.usage.prometheus import Prometheus, PrometheusAccess, PrometheusError
from llmjob.runtime.usage.status import Usage, compared_kind, read_observed, usage_of
from llmjob.runtime.views import Key, SeenJob
from llmjob.runtime.world import World

_log: Final = logging.getLogger(__name__)
# Two queries' windows overlap, so that no sample falls between them; exporters sample each half minute.
_SHORTEST_WINDOW: Final = 120
_WINDOWS: Final = 2


@dataclass(frozen=True, slots=True)
class Actual:
    """A role's reading, and its error against the estimate where it is the one that compares."""

    place: RoleKey
    kind: Kind
    reading: Reading
    error: float | None


class ActualUse:
    """The use of all jobs' pods; `changed` is told of the jobs whose status has something new to say."""

    def __init__(
        self,
        world: World,
        pods: Iterable[JobPod],
        *,
        judgements: Callable[[], Iterable[Judgement]],
        changed: Callable[[Key], None],
        now: Callable[[], float] = time.time,
    ) -> None:
        self._world, self._pods, self._judgements, self._changed, self._now = world, pods, judgements, changed, now
        self._ledger = Ledger()
        self._wake = asyncio.Event()
        self._problem: str | None = None
        self._asked = False

    @property
    def successful(self) -> bool | None:
        """Whether the last query was answered; None where nothing was asked yet, or nobody is to be asked."""
        return self._problem is None if self._asked and self._world.settings.prometheus.url else None

    def settings_changed(self) -> None:
        """Look at the settings now: where Prometheus is may be another place."""
        self._wake.set()

    def usage(self, seen: SeenJob, judgement: Judgement) -> Usage:
        """What to say of a job's use; what its status said of the same input goes on."""
        told = {str(role.get("name")): role for role in (seen.content.get("status") or {}).get("roles") or ()}
        accounts: dict[str, Account] = {}
        for role in judgement.roles:
            known = told.get(role.name, {})
            same = known.get("inputHash") == role.request.input_hash
            place = (judgement.namespace, judgement.name, role.name)
            before = read_observed(known) if same else None
            accounts[role.name] = self._ledger.open(place, role.request.input_hash, before, self._now())
        return usage_of(judgement, accounts, asked=bool(self._world.settings.prometheus.url))

    def actual(self) -> Iterator[Actual]:
        """Every reading of every judged job, for metrics."""
        for judgement in self._judgements():
            for role in judgement.roles:
                place = (judgement.namespace, judgement.name, role.name)
                account = self._ledger.find(place, role.request.input_hash)
                if account is None:
                    continue
                against = compared_kind(role, account)
                for kind, reading in account.observed.readings.items():
                    error = error_ratio(reading.highest, role.verdict.estimate) if kind is against else None
                    yield Actual(place, kind, reading, error)

    async def run(self) -> None:
        """Ask at each interval until cancelled."""
        while True:
            self._wake.clear()
            settings = self._world.settings.prometheus
            if settings.url:
                await self.look(settings)
            else:
                self._asked, self._problem = False, None
            try:
                async with asyncio.timeout(settings.interval):
                    await self._wake.wait()
            except TimeoutError:
                pass

    async def look(self, settings: PrometheusSettings) -> None:
        """Ask once, and enter what was said."""
        problem: str | None = None
        uses: dict[PodKey, list[GPUUse]] = {}
        pools: dict[PodKey, EnginePool] = {}
        try:
            on_gpus, of_engines = await _asked(settings)
            uses, pools = await asyncio.to_thread(lambda: (gpu_uses(on_gpus), engine_pools(of_engines)))
        except PrometheusError as error:
            problem = str(error)
        self._say(problem)
        self._enter(settings, uses, pools)

    def _enter(
        self, settings: PrometheusSettings, uses: dict[PodKey, list[GPUUse]], pools: dict[PodKey, EnginePool]
    ) -> None:
        roles = {
            (judgement.namespace, judgement.name, role.name): Role(
                input_hash=role.request.input_hash,
                bytes_per_token=role.verdict.estimate.kv_bytes_per_token if role.verdict.estimate else None,
            )
            for judgement in self._judgements()
            for role in judgement.roles
        }
        running = [
            RunningPod(
                uid=pod.uid, namespace=pod.namespace, name=pod.name, role=(pod.namespace, pod.job, pod.role),
                started=pod.started, shared=found.shared,
            )
            for found in joined(self._pods, self._world)
            for pod in (found.pod,)
        ]  # fmt: skip
        thresholds = Thresholds(share=settings.status_change_percent / 100, seconds=settings.status_interval)
        due = self._ledger.take(roles, running, uses, pools, thresholds=thresholds, now=self._now())
        for key in {(namespace, job) for namespace, job, _ in due}:
            self._changed(key)

    def _say(self, problem: str | None) -> None:
        """One line a change."""
        if problem is not None and problem != self._problem:
            _log.warning("actual use is not known for the moment, the last values stay: %s", problem)
        elif problem is None and self._problem is not None:
            _log.info("Prometheus answers again")
        self._asked, self._problem = True, problem


async def _asked(settings: PrometheusSettings) -> tuple[list[Series], list[Series]]:
    """Two questions for all jobs: the memory in use on GPUs, and engines' pools."""
    window = max(_SHORTEST_WINDOW, round(_WINDOWS * settings.interval))
    async with Prometheus(_access(settings)) as prometheus:
        on_gpus = await prometheus.lately(f"{gpu_use.QUERY}[{window}s]")
        return on_gpus, await prometheus.lately(f"{engine_pool.QUERY}[{window}s]")


def _access(settings: PrometheusSettings) -> PrometheusAccess:
    return PrometheusAccess(
        url=settings.url,
        ca_file=settings.ca_file or None,
        token_file=settings.bearer_token_file or None,
        tenant=settings.tenant or None,
    )
