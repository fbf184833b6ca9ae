"""Paths of the API server. Names come from labels that users write, so none gets into a path unchecked or unquoted."""

import re
from typing import Final
from urllib.parse import quote

from llmjob.api.patterns import NAME
from llmjob.names import GROUP, PLURAL, VERSION

NODES: Final = "/api/v1/nodes"
PODS: Final = "/api/v1/pods"
JOBS: Final = f"/apis/{GROUP}/{VERSION}/{PLURAL}"
# Of an LLMJob, which is a label's value too, and of a namespace; and of most other objects.
LONGEST_NAME: Final = 63
LONGEST_SUBDOMAIN: Final = 253


def jobs_path(namespace: str | None) -> str:
    """The path of a namespace's LLMJobs, of all where it is None."""
    return JOBS if namespace is None else f"/apis/{GROUP}/{VERSION}/namespaces/{_quoted(namespace)}/{PLURAL}"


def pods_path(namespace: str | None) -> str:
    """The path of a namespace's pods, of all where it is None."""
    return PODS if namespace is None else f"/api/v1/namespaces/{_quoted(namespace)}/pods"


def job_path(namespace: str, name: str) -> str:
    """The path of one LLMJob."""
    return f"{jobs_path(namespace)}/{_quoted(name)}"


def job_status_path(namespace: str, name: str) -> str:
    """The path of one LLMJob's status."""
    return f"{job_path(namespace, name)}/status"


def config_maps_path(namespace: str) -> str:
    """The path of a namespace's ConfigMaps."""
    return f"/api/v1/namespaces/{_quoted(namespace)}/configmaps"


def config_map_path(namespace: str, name: str) -> str:
    """The path of one ConfigMap."""
    return f"{config_maps_path(namespace)}/{_quoted(name)}"


def secrets_path(namespace: str) -> str:
    """The path of a namespace's Secrets."""
    return f"/api/v1/namespaces/{_quoted(namespace)}/secrets"


def secret_path(namespace: str, name: str) -> str:
    """The path of one Secret."""
    return f"{secrets_path(namespace)}/{_quoted(name)}"


def events_path(namespace: str) -> str:
    """The path of a namespace's events."""
    return f"/api/v1/namespaces/{_quoted(namespace)}/events"


def is_name(text: str, longest: int = LONGEST_NAME) -> bool:
    """Whether an object can have this name at all."""
    return len(text) <= longest and re.fullmatch(NAME, text) is not None


def _quoted(part: str) -> str:
    return quote(part, safe="")
