"""llmjob installed as a user would: the chart by helm, webhook and controller as processes of the installed command."""

import base64
import json
import signal
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from controlplane.ports import free_ports
from controlplane.process import Process, ProcessFailed, wait_until
from controlplane.start import ControlPlane
from controlplane.tools import ROOT

CHART: Final = ROOT.parent / "charts" / "llmjob"
NAMESPACE: Final = "llmjob-system"
RELEASE: Final = "llmjob"
READY_SECONDS: Final = 60.0


def command() -> str:
    """The installed `llmjob` beside the Python that runs us."""
    path = Path(sys.executable).parent / "llmjob"
    if not path.exists():
        raise ProcessFailed(f"llmjob is not installed beside {sys.executable}: run `make install`")
    return str(path)


class Installation:
    """The chart's objects and the two processes; `settings` are the operator's."""

    def __init__(self, control_plane: ControlPlane, settings: Mapping[str, object]) -> None:
        self._control_plane = control_plane
        self.webhook_port, self.webhook_metrics_port, self.controller_metrics_port = free_ports(3)
        directory = control_plane.directory / f"llmjob-{self.webhook_port}"
        directory.mkdir()
        self._certificate, self._key = directory / "tls.crt", directory / "tls.key"
        control_plane.authority.write_server(self._certificate, self._key, ("127.0.0.1",))
        self._settings = directory / "settings.yaml"
        self._settings.write_text(json.dumps(settings), encoding="utf-8")
        self._directory = directory
        self.processes: tuple[Process, ...] = ()

    @property
    def webhook_metrics(self) -> str:
        return f"http://127.0.0.1:{self.webhook_metrics_port}/metrics"

    @property
    def controller_metrics(self) -> str:
        return f"http://127.0.0.1:{self.controller_metrics_port}/metrics"

    def install(self) -> None:
        """Install the chart (with its CRD), start both processes, wait until both are ready."""
        bundle = base64.b64encode(self._control_plane.ca.read_bytes()).decode()
        values = [f"webhook.url=https://127.0.0.1:{self.webhook_port}", f"webhook.caBundle={bundle}"]
        # Both processes run beside the cluster.
        flags = [flag for value in values for flag in ("--set-string", value)]
        flags += ["--set", "webhook.enabled=false", "--set", "controller.enabled=false"]
        self._control_plane.helm(
            "install", RELEASE, str(CHART), "--namespace", NAMESPACE, "--create-namespace", "--wait", *flags
        )
        tls = ["--port", str(self.webhook_port), "--tls-cert", str(self._certificate), "--tls-key", str(self._key)]
        self.processes = (
            self._start("webhook", self.webhook_metrics_port, tls),
            self._start("controller", self.controller_metrics_port, []),
        )
        for process, port in zip(
            self.processes, (self.webhook_metrics_port, self.controller_metrics_port), strict=True
        ):
            url = f"http://127.0.0.1:{port}/readyz"
            wait_until(lambda url=url: _answers(url), f"a ready {process.name}", (process,), READY_SECONDS)  # type: ignore[misc]

    def _start(self, name: str, metrics_port: int, flags: list[str]) -> Process:
        arguments = [
            command(), name,
            "--kubeconfig", str(self._control_plane.kubeconfig),
            "--settings", str(self._settings),
            "--host", "127.0.0.1",
            "--metrics-port", str(metrics_port),
            *flags,
        ]  # fmt: skip
        log = self._directory / f"{name}.log"
        return Process(f"llmjob {name}", arguments, log, self._control_plane.environment())

    def uninstall(self) -> None:
        """Remove the chart's objects (helm leaves the CRD) and stop both processes."""
        self._control_plane.helm("uninstall", RELEASE, "--namespace", NAMESPACE, "--wait")
        self.stop()

    def stop(self) -> None:
        """Ask both to end at once, then wait for each; both drain what is under way."""
        for process in self.processes:
            if process.running:
                process.signal(signal.SIGTERM)
        for process in self.processes:
            process.stop(timeout=5)
        self.processes = ()


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5):
            return True
    except (urllib.error.URLError, OSError):
        return False
