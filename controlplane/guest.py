"""A cluster that is there already, on which the demonstration is a guest: what it makes it removes, and no more."""

import json
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import urlsplit

from controlplane import binaries, commands, nodes
from controlplane.commands import KWOK_ANNOTATION
from controlplane.ports import free_ports
from controlplane.process import Process, ProcessFailed
from controlplane.scratch import Scratch
from controlplane.start import CommandFailed
from controlplane.tools import HELM, KUBERNETES, KWOK, ROOT

# Its own, so that a kwok which is there already leaves our nodes alone, and ours leaves its.
KWOK_VALUE: Final = "llmjob-demo"
CONFIGURATIONS: Final = ("validatingwebhookconfiguration", "mutatingwebhookconfiguration")
CONFIGURATION: Final = "llmjob-admission"
CRD: Final = "llmjobs.llmjob.dev"
_GONE_SECONDS: Final = 120
_HELM_HOMES: Final = ("HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME")


class NotWelcome(Exception):
    """The demonstration must not run on this cluster; the message says why and what to do."""


class Guest:
    """A context manager: inside, the cluster has simulated nodes; `namespaces` and all else goes at the end."""

    def __init__(self, kubeconfig: Path, namespaces: tuple[str, ...], *, real_nodes: bool) -> None:
        """Look, change nothing.

        Raises:
            NotWelcome: on a cluster with real nodes (unless `real_nodes`), or with anything that would be made.
        """
        if not kubeconfig.is_file():
            raise NotWelcome(f"{kubeconfig} is no file: KUBECONFIG is one kubeconfig, whose current context is used")
        self.kubeconfig = kubeconfig.resolve()
        self._namespaces = namespaces
        self._binaries = _programs()
        self._scratch: Scratch | None = None
        self._fleet = [_ours(node) for node in nodes.mixed_fleet()]
        self._kwok: Process | None = None
        self.url = self._server()
        self._look(real_nodes=real_nodes)
        self.had_crd = self.exists("crd", CRD)

    @property
    def directory(self) -> Path:
        """A temporary directory, there while the context lasts."""
        if self._scratch is None:
            raise RuntimeError("the context is not entered")
        return self._scratch.path

    @property
    def address(self) -> str:
        """This machine's address on the way to the API server, which must reach it there."""
        server = urlsplit(self.url)
        with socket.socket(
            socket.AF_INET6 if ":" in (server.hostname or "") else socket.AF_INET, socket.SOCK_DGRAM
        ) as way:
            way.connect((server.hostname, server.port or 443))
            return str(way.getsockname()[0])

    def __enter__(self) -> Self:
        self._scratch = Scratch()
        try:
            self._start_kwok()
            self.kubectl(
                "create", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": self._fleet})
            )
        except BaseException:
            self.leave()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.leave()

    def kubectl(
        self, *arguments: str, stdin: str | None = None, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Run kubectl; where `check` is set and it fails, raise CommandFailed with what it said."""
        return self._run("kubectl", arguments, stdin, check=check)

    def helm(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run helm; where `check` is set and it fails, raise CommandFailed with what it said."""
        return self._run("helm", arguments, None, check=check)

    def exists(self, kind: str, name: str) -> bool:
        """Whether a cluster-scoped object is there."""
        return bool(self.kubectl("get", kind, name, "--ignore-not-found", "-o", "name").stdout.strip())

    def leave(self) -> None:
        """Remove all that was made. A second Ctrl-C does not stop it; what cannot be removed is said.

        Raises:
            ProcessFailed: naming what may be left.
        """
        names = [node["metadata"]["name"] for node in self._fleet]
        steps: list[tuple[str, ...]] = [
            # First of all, lest anybody's writes wait for a webhook that is no more.
            *(("delete", kind, CONFIGURATION, "--ignore-not-found") for kind in CONFIGURATIONS),
            ("delete", "namespace", *self._namespaces, "--ignore-not-found", f"--timeout={_GONE_SECONDS}s"),
            *([] if self.had_crd else [("delete", "crd", CRD, "--ignore-not-found", f"--timeout={_GONE_SECONDS}s")]),
            ("delete", "node", *names, "--ignore-not-found", f"--timeout={_GONE_SECONDS}s"),
            ("delete", "lease", "-n", "kube-node-lease", *names, "--ignore-not-found"),
        ]
        with _undisturbed():
            said = [done.stderr for step in steps if (done := self.kubectl(*step, check=False)).returncode != 0]
            for name in names:
                self.kubectl(
                    "delete", "events", "-n", "default", "--ignore-not-found", "--wait=false",
                    f"--field-selector=involvedObject.kind=Node,involvedObject.name={name}", check=False,
                )  # fmt: skip
            # Only now: it ends the pods on its nodes, which namespaces wait for.
            if self._kwok is not None:
                self._kwok.stop()
            if self._scratch is not None:
                self._scratch.remove()
        if said:
            raise ProcessFailed("not all could be removed:\n" + "".join(said))

    def _look(self, *, real_nodes: bool) -> None:
        found = self._items("nodes")
        real = [node["metadata"]["name"] for node in found if KWOK_ANNOTATION not in node["metadata"]["annotations"]]
        if real and not real_nodes:
            raise NotWelcome(
                f"{self.url} has real nodes, such as {real[0]}. The demonstration adds simulated nodes, on which pods "
                "of others may land and never run, and a webhook that every namespace is asked about. "
                "If you want that, say ARGS=--yes (ARGS='--once --yes')."
            )
        ours = {node["metadata"]["name"] for node in self._fleet}
        there = [f"node {node['metadata']['name']}" for node in found if node["metadata"]["name"] in ours]
        there += [f"namespace {name}" for name in self._namespaces if self.exists("namespace", name)]
        there += [f"{kind} {CONFIGURATION}" for kind in CONFIGURATIONS if self.exists(kind, CONFIGURATION)]
        if there:
            raise NotWelcome(
                f"{self.url} has {', '.join(there)} already. The demonstration would make and in the end remove them: "
                "remove them if an earlier one left them, else take another cluster."
            )

    def _start_kwok(self) -> None:
        [port] = free_ports(1)
        command = commands.kwok_on(
            self._binaries["kwok"], self.kubeconfig, ROOT / "stages.yaml", port, value=KWOK_VALUE
        )
        self._kwok = Process("kwok", command, self.directory / "kwok.log")

    def _server(self) -> str:
        config = self.kubectl("config", "view", "--minify", "-o", "json").stdout
        return str(json.loads(config)["clusters"][0]["cluster"]["server"])

    def _items(self, kind: str) -> list[dict[str, Any]]:
        items = json.loads(self.kubectl("get", kind, "-o", "json").stdout)["items"]
        for item in items:
            item["metadata"].setdefault("annotations", {})
        return list(items)

    def _run(
        self, name: str, arguments: tuple[str, ...], stdin: str | None, *, check: bool
    ) -> subprocess.CompletedProcess[str]:
        caches = {variable: str(self.directory / "helm") for variable in _HELM_HOMES} if name == "helm" else {}
        answer = subprocess.run(
            [str(self._binaries[name]), *arguments],
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            text=True,
            check=False,
            # Its own session: Ctrl-C is ours to answer.
            start_new_session=True,
            env={**os.environ, **caches, "KUBECONFIG": str(self.kubeconfig)},
        )
        if check and answer.returncode != 0:
            raise CommandFailed(f"{name} {' '.join(arguments)} ended with {answer.returncode}:\n{answer.stderr}")
        return answer


def _programs() -> dict[str, Path]:
    """Binaries: kwok and helm, built where missing; kubectl too where this machine has none."""
    installed = shutil.which("kubectl")
    found = binaries.ensure((KWOK, HELM) if installed else (KWOK, HELM, KUBERNETES))
    return {**found, **({"kubectl": Path(installed)} if installed else {})}


def _ours(node: dict[str, Any]) -> dict[str, Any]:
    node["metadata"]["annotations"][KWOK_ANNOTATION] = KWOK_VALUE
    return node


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Signals that would end us wait for nobody: they are ignored while the block runs."""
    kept: dict[signal.Signals, Callable[..., Any] | int | None] = {
        number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)
