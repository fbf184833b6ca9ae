"""One reading of a cluster for the command line: nodes, LLMJobs and the operator's settings where readable."""

import asyncio
from dataclasses import dataclass
from typing import Final

from llmjob.api.llmjob import LLMJob
from llmjob.api.reader import BadInput, read_llmjob
from llmjob.fleet.fleet import Fleet
from llmjob.runtime.access import NoCluster, find_users_access
from llmjob.runtime.cluster import Cluster, ClusterError
from llmjob.runtime.paths import JOBS, NODES, config_map_path
from llmjob.runtime.settings import Settings, SettingsError, config_map_of, read_settings, text_of

_DEFAULT_SETTINGS: Final = "configmap:llmjob-system/llmjob-settings"
_NO_SUCH_KIND: Final = 404


class Unreachable(Exception):
    """The API server gave no answer, or refused what the command must read."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The cluster's fleet as the webhook sees it, the operator's settings (defaults where unreadable), and its jobs."""

    fleet: Fleet
    settings: Settings
    jobs: dict[tuple[str, str], LLMJob]
    namespace: str
    warnings: tuple[str, ...]

    def find_job(self, namespace: str | None, name: str) -> LLMJob | None:
        """The LLMJob of that name, None where there is none that can be read."""
        return self.jobs.get((namespace or self.namespace, name))


def take_snapshot(kubeconfig: str | None, context: str | None, settings: str | None) -> Snapshot:
    """Read the current cluster (the user's kubeconfig, else the pod's service account).

    Raises:
        Unreachable: when there is no cluster, no answer, or no right to list nodes.
        SettingsError: when settings that are named cannot be read.
    """
    try:
        access, namespace = find_users_access(kubeconfig, context)
        return asyncio.run(_take(Cluster(access), namespace, settings))
    except (NoCluster, ClusterError) as error:
        raise Unreachable(str(error)) from error


async def _take(cluster: Cluster, namespace: str, stated: str | None) -> Snapshot:
    warnings: list[str] = []
    async with cluster:
        live = Fleet.from_nodes([node async for node in cluster.list(NODES)])
        settings = await settings_at(cluster, stated, warnings)
        jobs = await _jobs(cluster, warnings)
    return Snapshot(settings.with_pools(live), settings, jobs, namespace, tuple(warnings))


async def _jobs(cluster: Cluster, warnings: list[str]) -> dict[tuple[str, str], LLMJob]:
    found: dict[tuple[str, str], LLMJob] = {}
    try:
        async for item in cluster.list(JOBS):
            try:
                job = read_llmjob(item).job
            except BadInput as error:
                warnings.append(f"an LLMJob of the cluster cannot be read: {error}")
                continue
            found[job.metadata.namespace or "default", job.metadata.name] = job
    except ClusterError as error:
        if error.status != _NO_SUCH_KIND:
            warnings.append(f"the cluster's LLMJobs cannot be read ({error})")
    return found


async def settings_at(cluster: Cluster, stated: str | None, warnings: list[str]) -> Settings:
    """The settings at a place that the user states; those at the default place only where they can be read.

    Raises:
        SettingsError: when the stated ones cannot be read.
    """
    where = stated or _DEFAULT_SETTINGS
    try:
        return await _read_settings(cluster, where)
    except (ClusterError, SettingsError) as error:
        if stated:
            raise SettingsError(str(error)) from error
        warnings.append(f"settings {where} cannot be read ({error}): the inventory counts as incomplete")
    return Settings()


async def _read_settings(cluster: Cluster, where: str) -> Settings:
    config_map = config_map_of(where)
    if config_map is None:
        return read_settings(where)
    found = await cluster.get(config_map_path(*config_map))
    if found is None:
        raise SettingsError("there is no such ConfigMap")
    return Settings.from_text(text_of(found))
