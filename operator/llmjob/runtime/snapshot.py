"""One reading of a cluster for the command line: nodes, jobs on demand, the operator's settings where readable."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from kubernetes import client, config
from kubernetes.client.exceptions import ApiException
from kubernetes.config.config_exception import ConfigException
from urllib3.exceptions import HTTPError

from llmjob.api.llmjob import LLMJob
from llmjob.api.reader import BadInput, read_llmjob
from llmjob.fleet.fleet import Fleet
from llmjob.names import GROUP, PLURAL, VERSION
from llmjob.runtime.settings import Settings, SettingsError, read_settings

_TIMEOUT: Final = (5, 30)
_CHUNK: Final = 500
_NOT_FOUND: Final = 404
_DEFAULT_SETTINGS: Final = "configmap:llmjob-system/llmjob-settings"


class Unreachable(Exception):
    """The API server gave no answer, or refused what the command must read."""


@dataclass(slots=True)
class Snapshot:
    """The cluster's fleet as the webhook sees it, and whether its inventory is known to be complete."""

    fleet: Fleet
    complete: bool
    api: client.ApiClient
    namespace: str
    warnings: list[str] = field(default_factory=list)

    def find_job(self, namespace: str | None, name: str) -> LLMJob | None:
        """The LLMJob of that name, None where there is none.

        Raises:
            Unreachable: when the API server gives no answer.
        """
        objects = client.CustomObjectsApi(self.api)
        place = namespace or self.namespace
        try:
            found = objects.get_namespaced_custom_object(GROUP, VERSION, place, PLURAL, name, _request_timeout=_TIMEOUT)
        except ApiException as error:
            if error.status == _NOT_FOUND:
                return None
            raise Unreachable(f"cannot read LLMJob {place}/{name}: {_said(error)}") from error
        except HTTPError as error:
            raise Unreachable(f"cannot read LLMJob {place}/{name}: {error}") from error
        try:
            return read_llmjob(found).job
        except BadInput:
            self.warnings.append(f"LLMJob {place}/{name} in the cluster cannot be read")
            return None


def take_snapshot(kubeconfig: str | None, context: str | None, settings: str | None) -> Snapshot:
    """Read the nodes and the settings of the current cluster (kubeconfig, else the pod's service account).

    Raises:
        Unreachable: when there is no cluster, no answer, or no right to list nodes.
    """
    api, namespace = _connect(kubeconfig, context)
    try:
        nodes = list(_nodes(api))
    except ApiException as error:
        raise Unreachable(f"cannot list nodes: {_said(error)}") from error
    except HTTPError as error:
        raise Unreachable(f"no answer from {api.configuration.host}: {_cause(error)}") from error
    warnings: list[str] = []
    known = _settings(api, settings, warnings)
    fleet = Fleet.from_nodes(nodes)
    if known is None:
        return Snapshot(fleet, complete=False, api=api, namespace=namespace, warnings=warnings)
    return Snapshot(
        known.with_pools(fleet), complete=known.inventory.complete, api=api, namespace=namespace, warnings=warnings
    )


def _connect(kubeconfig: str | None, context: str | None) -> tuple[client.ApiClient, str]:
    try:
        api = config.new_client_from_config(kubeconfig, context)
    except ConfigException as error:
        if kubeconfig or context:
            raise Unreachable(f"cannot use the kubeconfig: {error}") from error
        try:
            in_cluster = client.Configuration()
            config.load_incluster_config(in_cluster)
        except ConfigException as inside:
            raise Unreachable("no cluster: neither a kubeconfig nor a service account") from inside
        return client.ApiClient(in_cluster), "default"
    _, active = config.list_kube_config_contexts(kubeconfig)
    chosen = active if context is None else {"context": {}}
    return api, chosen.get("context", {}).get("namespace") or "default"


def _nodes(api: client.ApiClient) -> Iterator[Mapping[str, Any]]:
    core = client.CoreV1Api(api)
    token: str | None = None
    while True:
        paging = {"_continue": token} if token else {}
        page = core.list_node(limit=_CHUNK, _request_timeout=_TIMEOUT, **paging)
        plain = api.sanitize_for_serialization(page)
        yield from plain.get("items", [])
        token = plain.get("metadata", {}).get("continue")
        if not token:
            return


def _settings(api: client.ApiClient, place: str | None, warnings: list[str]) -> Settings | None:
    where = place or _DEFAULT_SETTINGS
    try:
        if not where.startswith("configmap:"):
            return read_settings(where)
        namespace, _, name = where.removeprefix("configmap:").partition("/")
        found = client.CoreV1Api(api).read_namespaced_config_map(name, namespace, _request_timeout=_TIMEOUT)
        return Settings.from_text(next(iter((found.data or {}).values()), ""))
    except (ApiException, HTTPError) as error:
        said = _said(error) if isinstance(error, ApiException) else str(error)
        warnings.append(f"settings {where} cannot be read ({said}): the inventory counts as incomplete")
    except SettingsError as error:
        warnings.append(f"settings {where}: {error}: the inventory counts as incomplete")
    return None


def _said(error: ApiException) -> str:
    return f"{error.status} {error.reason}"


def _cause(error: BaseException) -> str:
    reason = getattr(error, "reason", None)
    return str(reason or error)
