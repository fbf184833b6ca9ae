"""How to reach the API server: a kubeconfig, else the pod's own service account."""

import os
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import kopf
from kubernetes import client, config
from kubernetes.config.config_exception import ConfigException
from yaml import YAMLError

_ACCOUNT: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")


class NoCluster(Exception):
    """There is neither a usable kubeconfig nor a service account."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """An API server and the credentials for it; paths are read again at each use, as mounted tokens rotate."""

    server: str
    ca_file: str | None = None
    verify: bool = True
    token: str | None = None
    token_file: str | None = None
    certificate_file: str | None = None
    key_file: str | None = None

    def bearer(self) -> str | None:
        """The token of this moment."""
        if self.token_file is not None:
            return Path(self.token_file).read_text(encoding="utf-8").strip()
        return self.token

    def ssl_context(self) -> ssl.SSLContext:
        """TLS towards the API server."""
        context = ssl.create_default_context(cafile=self.ca_file)
        if not self.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if self.certificate_file:
            context.load_cert_chain(self.certificate_file, self.key_file)
        return context

    def connection(self) -> kopf.ConnectionInfo:
        """The same for Kopf's own session."""
        return kopf.ConnectionInfo(
            server=self.server,
            ca_path=self.ca_file,
            insecure=not self.verify,
            scheme="Bearer" if self.bearer() else None,
            token=self.bearer(),
            certificate_path=self.certificate_file,
            private_key_path=self.key_file,
        )


def find_access(kubeconfig: str | None) -> Access:
    """Log in by a kubeconfig, else by the mounted service account.

    Raises:
        NoCluster: saying what is missing.
    """
    return _in_cluster() if kubeconfig is None else _by_kubeconfig(kubeconfig, None)


def find_users_access(kubeconfig: str | None, context: str | None) -> tuple[Access, str]:
    """Log in as kubectl does, by the user's kubeconfig, and that context's namespace; else by the service account.

    Raises:
        NoCluster: saying what is missing.
    """
    loader: Any = config
    try:
        contexts, active = loader.list_kube_config_contexts(kubeconfig)
    except (ConfigException, OSError) as error:
        if kubeconfig or context:
            raise NoCluster(f"cannot use the kubeconfig: {error}") from error
        return _in_cluster(), "default"
    chosen = next((found for found in contexts if found["name"] == context), active)
    return _by_kubeconfig(kubeconfig, context), chosen["context"].get("namespace") or "default"


def _by_kubeconfig(kubeconfig: str | None, context: str | None) -> Access:
    found: Any = client.Configuration()
    loader: Any = config
    try:
        loader.load_kube_config(config_file=kubeconfig, context=context, client_configuration=found)
    except (ConfigException, OSError, YAMLError, ValueError, TypeError, KeyError, AttributeError) as error:
        # The client trusts the file's shape: what is wrong with it comes as any of these.
        raise NoCluster(f"cannot use the kubeconfig {kubeconfig}: {error}") from error
    authorization = str(found.auth_settings().get("BearerToken", {}).get("value") or "")
    return Access(
        server=found.host,
        ca_file=found.ssl_ca_cert,
        verify=found.verify_ssl,
        token=authorization.removeprefix("Bearer ") or None,
        certificate_file=found.cert_file,
        key_file=found.key_file,
    )


def _in_cluster() -> Access:
    host, port = os.environ.get("KUBERNETES_SERVICE_HOST"), os.environ.get("KUBERNETES_SERVICE_PORT", "443")
    if not host or not (_ACCOUNT / "token").is_file():
        raise NoCluster("no cluster: give --kubeconfig, or run in a pod with a service account")
    return Access(
        server=f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}",
        ca_file=str(_ACCOUNT / "ca.crt"),
        token_file=str(_ACCOUNT / "token"),
    )
