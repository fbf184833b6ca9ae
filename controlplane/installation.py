"""llmjob installed as a user would: the chart by helm, its pods run by the node agent."""

import json
import socket
import sys
import urllib.request
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from controlplane.guest import CONFIGURATION, CONFIGURATIONS
from controlplane.kubelet.node import VALUES
from controlplane.process import Process, ProcessFailed, wait_until
from controlplane.start import ControlPlane
from controlplane.tools import ROOT

CHART: Final = ROOT.parent / "charts" / "llmjob"
NAMESPACE: Final = "llmjob-system"
RELEASE: Final = "llmjob"
SERVICE: Final = "llmjob-webhook"
HOST: Final = f"{SERVICE}.{NAMESPACE}.svc"
SECRET: Final = "llmjob-webhook-tls"
METRICS_PORT: Final = 9090
_WAIT: Final = "120s"
_BUNDLE_SECONDS: Final = 30.0


def command() -> str:
    """The installed `llmjob` beside the Python that runs us."""
    path = Path(sys.executable).parent / "llmjob"
    if not path.exists():
        raise ProcessFailed(f"llmjob is not installed beside {sys.executable}: run `make install`")
    return str(path)


def _service_port() -> int:
    """443, or a port that needs no rights where the Service proxy has none."""
    with closing(socket.socket()) as trial:
        try:
            trial.bind(("127.0.0.1", 443))
        except PermissionError:
            return 8443
        except OSError:  # taken there; Services have addresses of their own
            return 443
    return 443


@dataclass(frozen=True, slots=True)
class Replica:
    """A pod of llmjob's that is ready."""

    name: str
    address: str

    @property
    def metrics(self) -> str:
        """Its metrics as text."""
        with urllib.request.urlopen(f"http://{self.address}:{METRICS_PORT}/metrics", timeout=10) as answer:
            return bytes(answer.read()).decode()


class Installation:
    """A release of the chart; `settings` are the operator's, `values` more values of the chart."""

    def __init__(
        self, control_plane: ControlPlane, settings: Mapping[str, object], values: Mapping[str, object] | None = None
    ) -> None:
        self._control_plane = control_plane
        self.agent = control_plane.node_agent()
        self.values: dict[str, Any] = {**VALUES, "settings": settings, **(values or {})}
        # Nobody here needs ten seconds to hear that an endpoint is withdrawn.
        webhook = {"drainSeconds": 1, "service": {"port": _service_port()}}
        self.values["webhook"] = {**webhook, **self.values.get("webhook", {})}

    def install(self) -> None:
        """Install the chart with its CRD and wait until every pod is ready."""
        self._helm("install", "--create-namespace")
        self._wait_for_bundles()

    def upgrade(self, values: Mapping[str, object]) -> None:
        """`helm upgrade` with these values beside those that it has (top-level keys replaced), and wait."""
        self.values = {**self.values, **values}
        self._helm("upgrade")
        self._wait_for_bundles()

    def uninstall(self) -> None:
        """Remove the chart's objects; helm leaves the CRD and the namespace."""
        self._control_plane.helm("uninstall", RELEASE, "--namespace", NAMESPACE, "--wait", "--timeout", _WAIT)

    def _helm(self, verb: str, *flags: str) -> None:
        values = self._control_plane.directory / "values.json"
        values.write_text(json.dumps(self.values), encoding="utf-8")
        self._control_plane.helm(
            verb, RELEASE, str(CHART), "--namespace", NAMESPACE, "--wait", "--timeout", _WAIT,
            "--values", str(values), *flags,
        )  # fmt: skip

    def _wait_for_bundles(self) -> None:
        """Until the controller has written its CA into both webhook configurations."""
        group = "/apis/admissionregistration.k8s.io/v1"

        def written() -> bool:
            return all(
                "caBundle" in entry["clientConfig"]
                for kind in CONFIGURATIONS
                for entry in self._control_plane.client.request("GET", f"{group}/{kind}s/{CONFIGURATION}")["webhooks"]
            )

        wait_until(written, "the controller's CA in every webhook's caBundle", self.processes, _BUNDLE_SECONDS)

    def replicas(self, component: str) -> list[Replica]:
        """The ready pods of the webhook or the controller that are not ending, the oldest first."""
        query = f"labelSelector=app.kubernetes.io/component={component}"
        pods = self._control_plane.client.request("GET", f"/api/v1/namespaces/{NAMESPACE}/pods?{query}")["items"]
        ready = [
            pod for pod in pods
            if "deletionTimestamp" not in pod["metadata"]
            and all(item["ready"] for item in pod["status"].get("containerStatuses", [{"ready": False}]))
        ]  # fmt: skip
        ready.sort(key=lambda pod: (pod["metadata"]["creationTimestamp"], pod["metadata"]["name"]))
        return [Replica(pod["metadata"]["name"], pod["status"]["podIP"]) for pod in ready]

    def metrics_url(self, component: str) -> str:
        """The metrics of the webhook or the controller by its Service."""
        return f"http://{self.address(component)}:{METRICS_PORT}/metrics"

    def address(self, component: str) -> str:
        """The ClusterIP of the webhook's or the controller's Service."""
        path = f"/api/v1/namespaces/{NAMESPACE}/services/{RELEASE}-{component}"
        return str(self._control_plane.client.request("GET", path)["spec"]["clusterIP"])

    @property
    def service_port(self) -> int:
        """The port of the webhook's Service."""
        return int(self.values["webhook"]["service"]["port"])

    def scale(self, component: str, replicas: int) -> None:
        """Scale a Deployment, as an administrator might; it does not wait."""
        path = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/{RELEASE}-{component}"
        self._control_plane.client.request(
            "PATCH", path, {"spec": {"replicas": replicas}}, content="application/merge-patch+json"
        )

    def set_settings(self, text: str) -> None:
        """Replace the settings in their ConfigMap, in helm's name: a later upgrade would find another's a conflict."""
        path = f"/api/v1/namespaces/{NAMESPACE}/configmaps/{RELEASE}-settings"
        client = self._control_plane.client
        metadata = client.request("GET", path)["metadata"]
        kept = {key: metadata[key] for key in ("name", "namespace", "labels", "annotations") if key in metadata}
        whole = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": kept, "data": {"settings.yaml": text}}
        client.request("PATCH", f"{path}?fieldManager=helm&force=true", whole, content="application/apply-patch+yaml")

    @property
    def processes(self) -> tuple[Process, ...]:
        """What must run for llmjob to run."""
        return (self.agent.process,)

    def tail(self) -> str:
        """The ends of all logs of llmjob's pods."""
        ends = []
        for path in sorted(self.agent.directory.glob(f"{NAMESPACE}_*/*.log")):
            lines = path.read_text(encoding="utf-8", errors="replace").splitlines()[-20:]
            ends.append("\n".join([f"--- {path.parent.name}", *lines]))
        return "\n".join(ends)
