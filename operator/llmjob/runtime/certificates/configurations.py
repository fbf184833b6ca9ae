"""Both webhook configurations: which of their entries lead to us, which CAs they trust, and what is to be patched."""

import base64
import binascii
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, Final
from urllib.parse import urlsplit

from llmjob.names import WEBHOOK_CONFIGURATION
from llmjob.runtime.cluster import AGENT

_API: Final = "/apis/admissionregistration.k8s.io/v1"
COLLECTIONS: Final = (f"{_API}/mutatingwebhookconfigurations", f"{_API}/validatingwebhookconfigurations")
PATHS: Final = tuple(f"{collection}/{WEBHOOK_CONFIGURATION}" for collection in COLLECTIONS)

Configuration = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """How the API server reaches our webhook: by a Service, or by a host (in its canonical spelling) of URLs."""

    service: tuple[str, str] | None = None
    host: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """What the certificate is for: API servers call a Service by this name, whatever the cluster's domain."""
        if self.service is None:
            return (str(self.host),)
        namespace, name = self.service
        return (f"{name}.{namespace}.svc",)

    def __str__(self) -> str:
        return f"Service {'/'.join(self.service)}" if self.service else f"https://{self.host}"

    def is_of(self, client: Mapping[str, Any]) -> bool:
        """Whether an entry's clientConfig leads to us."""
        if self.service is None:
            return _host(client) == self.host
        service = client.get("service") or {}
        return (service.get("namespace"), service.get("name")) == self.service


def canonical(host: str) -> str:
    """A host name or address in the one spelling that certificates have."""
    try:
        return str(ip_address(host))
    except ValueError:
        return host.lower()


def bundles(configuration: Configuration | None, endpoint: Endpoint) -> list[bytes]:
    """The caBundle of each entry that leads to us, decoded; what cannot be decoded is empty."""
    return [_decoded(client.get("caBundle")) for _, client in _ours(configuration, endpoint)]


def others(configuration: Configuration | None, endpoint: Endpoint) -> list[str]:
    """Where entries lead that do not lead to us, each place once, sorted."""
    found = set()
    for _, client in _entries(configuration):
        if not endpoint.is_of(client):
            service = client.get("service") or {}
            where = (
                f"Service {service.get('namespace')}/{service.get('name')}" if service else f"https://{_host(client)}"
            )
            found.add(where)
    return sorted(found)


def patch(configuration: Configuration | None, endpoint: Endpoint, bundle: bytes) -> Sequence[Mapping[str, Any]]:
    """The JSON patch that gives each entry of ours the bundle; empty where all have it.

    It holds for the version that was read only (409 else): indices mean nothing in another.
    """
    operations = [
        {"op": "add", "path": f"/webhooks/{index}/clientConfig/caBundle", "value": base64.b64encode(bundle).decode()}
        for index, client in _ours(configuration, endpoint)
        if _decoded(client.get("caBundle")) != bundle
    ]
    if not operations or configuration is None:
        return []
    version = configuration["metadata"]["resourceVersion"]
    return [{"op": "replace", "path": "/metadata/resourceVersion", "value": version}, *operations]


def disown(configuration: Configuration | None) -> Sequence[Mapping[str, Any]]:
    """The JSON patch after which no field is known as written by us; empty where none is.

    Else a helm upgrade that states a caBundle itself would find ours a conflict, and fail.
    """
    metadata = (configuration or {}).get("metadata") or {}
    found = metadata.get("managedFields") or []
    others = [entry for entry in found if entry.get("manager") != AGENT]
    if not others or len(others) == len(found):
        # Without any entry at all the API server would think of a manager for every field.
        return []
    return [
        {"op": "replace", "path": "/metadata/resourceVersion", "value": metadata["resourceVersion"]},
        {"op": "replace", "path": "/metadata/managedFields", "value": others},
    ]


def _ours(configuration: Configuration | None, endpoint: Endpoint) -> Iterator[tuple[int, Mapping[str, Any]]]:
    return ((index, client) for index, client in _entries(configuration) if endpoint.is_of(client))


def _entries(configuration: Configuration | None) -> Iterator[tuple[int, Mapping[str, Any]]]:
    for index, entry in enumerate((configuration or {}).get("webhooks") or ()):
        yield index, entry.get("clientConfig") or {}


def _host(client: Mapping[str, Any]) -> str | None:
    try:
        host = urlsplit(client.get("url") or "").hostname
    except ValueError:
        return None
    return canonical(host) if host else None


def _decoded(bundle: str | None) -> bytes:
    try:
        return base64.b64decode(bundle or "", validate=True)
    except (binascii.Error, ValueError):
        return b""
