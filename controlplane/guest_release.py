"""llmjob on somebody else's cluster: its processes run here, and the API server calls the webhook by URL."""

import base64
import json
import os
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Final

from controlplane.certificates import Authority
from controlplane.guest import CRD, Guest
from controlplane.installation import CHART, NAMESPACE, RELEASE, command
from controlplane.ports import free_ports
from controlplane.process import Process, wait_until
from controlplane.tools import ROOT

_READY_SECONDS: Final = 60.0
_OK: Final = 200


class GuestRelease:
    """The chart's CRD and webhook configurations there, webhook and controller here."""

    def __init__(self, guest: Guest, settings: Mapping[str, object]) -> None:
        self._guest = guest
        self._address = guest.address
        self._settings = guest.directory / "settings.json"  # JSON is YAML
        self._settings.write_text(json.dumps(settings), encoding="utf-8")
        self._authority = Authority.make()
        self._ports: dict[str, int] = {}
        self.processes: tuple[Process, ...] = ()

    @property
    def url(self) -> str:
        """Where the API server must reach the webhook."""
        return f"https://{_bracketed(self._address)}:{self._ports['admission']}"

    def install(self) -> None:
        """The CRD where there is none, both processes until they are ready, then the webhook configurations."""
        if not self._guest.exists("crd", CRD):
            self._guest.kubectl("create", "-f", str(ROOT.parent / "crds"))
        self._guest.kubectl("wait", "--for=condition=Established", f"crd/{CRD}", "--timeout=60s")
        self._ports = dict(zip(("admission", "webhook", "controller"), free_ports(3), strict=True))
        certificate, key = self._guest.directory / "tls.crt", self._guest.directory / "tls.key"
        self._authority.write_server(certificate, key, (self._address,))
        self.processes = (
            self._start("controller"),
            self._start(
                "webhook",
                "--port",
                str(self._ports["admission"]),
                "--tls-cert",
                str(certificate),
                "--tls-key",
                str(key),
            ),
        )
        wait_until(self._ready, "ready processes of llmjob", self.processes, _READY_SECONDS)
        bundle = base64.b64encode(self._authority.pem).decode()
        values = {
            "webhook": {"enabled": False, "url": self.url, "caBundle": bundle},
            "controller": {"enabled": False},
        }
        file = self._guest.directory / "values.json"
        file.write_text(json.dumps(values), encoding="utf-8")
        self._guest.helm(
            "install",
            RELEASE,
            str(CHART),
            "--namespace",
            NAMESPACE,
            "--create-namespace",
            "--skip-crds",
            "--values",
            str(file),
        )

    def uninstall(self) -> None:
        """Remove the chart's objects, then stop the processes."""
        self._guest.helm("uninstall", RELEASE, "--namespace", NAMESPACE, "--wait")
        self.stop()

    def stop(self) -> None:
        """Stop the processes."""
        for process in self.processes:
            process.stop()
        self.processes = ()

    def metrics_url(self, component: str) -> str:
        """The metrics of the webhook or the controller."""
        return f"http://{_bracketed(self._address)}:{self._ports[component]}/metrics"

    def tail(self) -> str:
        """The ends of both logs."""
        return "\n".join(f"--- {process.name}\n{process.tail()}" for process in self.processes)

    def _start(self, component: str, *more: str) -> Process:
        arguments = [
            command(), component, "--kubeconfig", str(self._guest.kubeconfig), "--settings", str(self._settings),
            "--host", self._address, "--metrics-port", str(self._ports[component]), *more,
        ]  # fmt: skip
        return Process(component, arguments, self._guest.directory / f"{component}.log", dict(os.environ))

    def _ready(self) -> bool:
        return all(
            _answers(self.metrics_url(name).replace("/metrics", "/readyz")) for name in ("webhook", "controller")
        )


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return bool(answer.status == _OK)
    except (urllib.error.URLError, OSError):
        return False


def _bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address
