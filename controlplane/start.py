"""One control plane: etcd, kube-apiserver, kube-controller-manager, kube-scheduler and kwok on loopback ports."""

import base64
import json
import os
import secrets
import ssl
import subprocess
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from controlplane import binaries, commands
from controlplane.certificates import Authority, write_private, write_service_account_key
from controlplane.client import Client
from controlplane.commands import Layout
from controlplane.kubelet import node
from controlplane.kubelet.image import Image
from controlplane.node_agent import NodeAgent
from controlplane.ports import free_ports, service_network
from controlplane.process import Process, ProcessFailed, wait_until
from controlplane.scratch import Scratch
from controlplane.tools import ROOT

START_SECONDS: Final = 120.0
ATTEMPTS: Final = 5
_PORT_TAKEN: Final = "address already in use"
_ADMIN: Final = "admin"

# Group memberships of the users with a token; the roles of the two components are Kubernetes' own bootstrap roles.
_USERS: Final[Mapping[str, str]] = {
    _ADMIN: "system:masters",
    "kwok": "system:masters",
    "system:kube-controller-manager": "",
    "system:kube-scheduler": "",
    node.USER: "system:nodes",
}

_AUDIT_POLICY: Final = """\
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: Metadata
"""


class ControlPlane:
    """A running control plane; a context manager that stops it. Make one with `start`."""

    def __init__(self, found: Mapping[str, Path], *, audit: bool, api_server_flags: tuple[str, ...]) -> None:
        self._binaries = dict(found)
        self._scratch = Scratch()
        self._authority = Authority.make()
        self._agent: NodeAgent | None = None
        self._tokens = {user: secrets.token_urlsafe(24) for user in _USERS}
        self.layout = self._lay_out()
        try:
            self._write_files()
            self._start_processes(audit=audit, flags=api_server_flags)
        except BaseException:
            self.stop()
            raise

    @classmethod
    def start(cls, *, audit: bool = False, api_server_flags: tuple[str, ...] = (), quiet: bool = False) -> Self:
        """Build what is missing and start. Raises what binaries.ensure raises, and ProcessFailed."""
        found = binaries.ensure(quiet=quiet)
        for _attempt in range(ATTEMPTS - 1):
            try:
                return cls(found, audit=audit, api_server_flags=api_server_flags)
            except ProcessFailed as error:  # somebody took a port between the choice and its use
                if _PORT_TAKEN not in str(error):
                    raise
        return cls(found, audit=audit, api_server_flags=api_server_flags)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _lay_out(self) -> Layout:
        etcd, peer, api, manager, scheduler, kwok = free_ports(6)
        return Layout(
            directory=self._scratch.path,
            etcd_port=etcd,
            etcd_peer_port=peer,
            api_port=api,
            controller_manager_port=manager,
            scheduler_port=scheduler,
            kwok_port=kwok,
            service_network=service_network(),
        )

    def _write_files(self) -> None:
        layout = self.layout
        layout.ca.write_bytes(self._authority.pem)
        first_service = layout.service_network.replace(".0/24", ".1")
        names = ("127.0.0.1", "localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc", first_service)
        self._authority.write_server(layout.server_certificate, layout.server_key, names)
        self._write_etcd_files()
        write_service_account_key(layout.service_account_key)
        rows = [f'{token},{user},{user},"{_USERS[user]}"' for user, token in self._tokens.items()]
        write_private(layout.tokens, "\n".join(rows).encode() + b"\n")
        layout.audit_policy.write_text(_AUDIT_POLICY, encoding="utf-8")
        for user, token in self._tokens.items():
            self._write_kubeconfig(user, {"token": token})

    def _write_etcd_files(self) -> None:
        """An authority of its own: a user's certificate for the API server must not open etcd."""
        authority, layout = Authority.make("llmjob-etcd"), self.layout
        layout.etcd_ca.write_bytes(authority.pem)
        authority.write_server(*layout.etcd_server, ("127.0.0.1",))
        certificate, key = authority.client("kube-apiserver", ())
        layout.etcd_client.certificate.write_bytes(certificate)
        write_private(layout.etcd_client.key, key)

    def _write_kubeconfig(self, user: str, credentials: Mapping[str, str]) -> Path:
        cluster = {"server": self.layout.url, "certificate-authority-data": _base64(self._authority.pem)}
        config = {  # JSON is YAML
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "llmjob", "cluster": cluster}],
            "users": [{"name": user, "user": credentials}],
            "contexts": [{"name": "llmjob", "context": {"cluster": "llmjob", "user": user, "namespace": "default"}}],
            "current-context": "llmjob",
        }
        path = self.layout.kubeconfig(user)
        write_private(path, json.dumps(config, indent=1).encode())
        return path

    def _start_processes(self, *, audit: bool, flags: tuple[str, ...]) -> None:
        layout, found = self.layout, self._binaries
        self.etcd = self._process("etcd", commands.etcd(found["etcd"], layout))
        server = commands.api_server(found["kube-apiserver"], layout, audit=audit, extra=flags)
        self.api_server = self._process("kube-apiserver", server)
        self._wait_for_api_server()
        manager = commands.controller_manager(found["kube-controller-manager"], layout)
        self.controller_manager = self._process("kube-controller-manager", manager)
        self.scheduler = self._process("kube-scheduler", commands.scheduler(found["kube-scheduler"], layout))
        self.kwok = self._process("kwok", commands.kwok(found["kwok"], layout, ROOT / "stages.yaml"))
        account = "/api/v1/namespaces/default/serviceaccounts/default"
        wait_until(lambda: self.client.exists(account), "the default ServiceAccount", self.processes, START_SECONDS)

    def _process(self, name: str, command: list[str]) -> Process:
        return Process(name, command, self.layout.log(name))

    def _wait_for_api_server(self) -> None:
        waiting = (self.etcd, self.api_server)
        wait_until(lambda: self.client.exists("/readyz"), "a ready kube-apiserver", waiting, START_SECONDS)

    def node_agent(self, image: Image | None = None) -> NodeAgent:
        """The node on which pods really run; registered at the first call. Raises what NodeAgent raises.

        The first call may say what runs there as the operator's image; else it is the environment that runs us.
        """
        if self._agent is None:
            self._agent = NodeAgent(self.layout.directory / "node", self.layout.kubeconfig(node.USER), image)
            ready = f"/api/v1/nodes/{node.NAME}"
            waiting = (self._agent.process,)
            wait_until(lambda: self.client.exists(ready), "the node agent's Node", waiting, START_SECONDS)
        return self._agent

    @property
    def processes(self) -> tuple[Process, ...]:
        """Those started, in the order of their start."""
        names = ("etcd", "api_server", "controller_manager", "scheduler", "kwok")
        return tuple(getattr(self, name) for name in names if hasattr(self, name))

    @property
    def url(self) -> str:
        return self.layout.url

    @property
    def ca(self) -> Path:
        """The certificate authority of the API server, PEM."""
        return self.layout.ca

    @property
    def authority(self) -> Authority:
        """Signs certificates that this control plane's CA bundle proves (a webhook's, say)."""
        return self._authority

    @property
    def directory(self) -> Path:
        """A temporary directory, removed when the control plane stops."""
        return self.layout.directory

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig."""
        return self.layout.kubeconfig(_ADMIN)

    @property
    def client(self) -> Client:
        context = ssl.create_default_context(cadata=self._authority.pem.decode())
        return Client(self.url, self._tokens[_ADMIN], context)

    def user(self, name: str, *groups: str) -> Path:
        """The kubeconfig of an ordinary user, known by a client certificate; rights come by RBAC."""
        certificate, key = self._authority.client(name, groups)
        credentials = {"client-certificate-data": _base64(certificate), "client-key-data": _base64(key)}
        return self._write_kubeconfig(name, credentials)

    def environment(self, kubeconfig: Path | None = None) -> dict[str, str]:
        """An environment for programs that speak to this cluster, its kubectl and helm first on PATH."""
        paths = {str(path.parent) for name, path in self._binaries.items() if name in {"kubectl", "helm"}}
        return {
            **os.environ,
            "KUBECONFIG": str(kubeconfig or self.kubeconfig),
            "KUBECACHEDIR": str(self.directory / "kubectl-cache"),
            "HELM_CACHE_HOME": str(self.directory / "helm"),
            "HELM_CONFIG_HOME": str(self.directory / "helm"),
            "HELM_DATA_HOME": str(self.directory / "helm"),
            "PATH": os.pathsep.join([*sorted(paths), os.environ.get("PATH", os.defpath)]),
        }

    def kubectl(
        self, *arguments: str, stdin: str | None = None, check: bool = True, kubeconfig: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run kubectl; where `check` is set and it fails, raise CommandFailed with what it said."""
        return self._run("kubectl", arguments, stdin=stdin, check=check, kubeconfig=kubeconfig)

    def helm(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run helm; where `check` is set and it fails, raise CommandFailed with what it said."""
        return self._run("helm", arguments, stdin=None, check=check, kubeconfig=None)

    def _run(
        self, name: str, arguments: tuple[str, ...], *, stdin: str | None, check: bool, kubeconfig: Path | None
    ) -> subprocess.CompletedProcess[str]:
        answer = subprocess.run(
            [str(self._binaries[name]), *arguments],
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            text=True,
            check=False,
            env=self.environment(kubeconfig),
        )
        if check and answer.returncode != 0:
            raise CommandFailed(f"{name} {' '.join(arguments)} ended with {answer.returncode}:\n{answer.stderr}")
        return answer

    def restart_api_server(self) -> None:
        """Kill and start kube-apiserver on the same port and data, and wait until it is ready."""
        self.api_server.kill()  # its orderly end waits for every open watch
        self.api_server.restart()
        self._wait_for_api_server()

    def stop(self) -> None:
        """Stop everything, the last started first, and remove the data."""
        if self._agent is not None:
            self._agent.stop()
        for process in reversed(self.processes):
            # Nothing here outlives the run, so nothing needs an orderly end.
            process.kill()
        self._scratch.remove()


class CommandFailed(Exception):
    """kubectl or helm failed."""


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()
