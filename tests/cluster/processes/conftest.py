"""The installed command's two processes beside a real control plane, with the chart's webhook configurations."""

import base64
import itertools
import json
import os
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from controlplane import nodes
from controlplane.ports import free_ports
from controlplane.process import Process
from controlplane.start import ControlPlane

ROOT = Path(__file__).resolve().parents[3]
HERE = "127.0.0.1"
COMPLETE = "inventory: {complete: true}\n"
_COUNTER = itertools.count(1)


def eventually(condition: Callable[[], Any], timeout: float = 30.0) -> Any:
    """What the condition returns once it is true."""
    deadline = time.monotonic() + timeout
    while not (found := condition()):
        assert time.monotonic() < deadline, "not so in time"
        time.sleep(0.05)
    return found


@dataclass
class Running:
    """The two processes, their ports and files."""

    cluster: ControlPlane
    webhook: Process
    controller: Process
    port: int
    webhook_metrics: int
    controller_metrics: int
    settings: Path
    cert: Path
    key: Path

    def scrape(self, port: int) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
        """All samples of a process, by name and labels."""
        with urllib.request.urlopen(f"http://{HERE}:{port}/metrics", timeout=5) as answer:
            text = answer.read().decode()
        return {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    def apply(self, *documents: Mapping[str, Any], namespace: str) -> subprocess.CompletedProcess[str]:
        """kubectl apply, as a person would; whether it fails is the test's to judge."""
        text = "\n---\n".join(json.dumps(document) for document in documents)
        return self.cluster.kubectl("apply", "-n", namespace, "-f", "-", stdin=text, check=False)

    def job(self, namespace: str, name: str) -> dict[str, Any]:
        found = self.cluster.client.request("GET", f"/apis/llmjob.dev/v1alpha1/namespaces/{namespace}/llmjobs/{name}")
        assert isinstance(found, dict)
        return found

    def pod(self, namespace: str, name: str) -> dict[str, Any]:
        found = self.cluster.client.request("GET", f"/api/v1/namespaces/{namespace}/pods/{name}")
        assert isinstance(found, dict)
        return found

    def judged(self, namespace: str, name: str, generation: int = 1) -> dict[str, Any]:
        """The job once the controller has spoken of that generation."""

        def found() -> dict[str, Any] | None:
            job = self.job(namespace, name)
            return job if job.get("status", {}).get("observedGeneration", 0) >= generation else None

        job = eventually(found)
        assert isinstance(job, dict)
        return job

    @staticmethod
    def llmjob(
        name: str,
        *,
        pool: str | None = "big",
        parameters: str | None = "7B",
        spec: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """An LLMJob by parameters, for the nodes of a pool."""
        wanted: dict[str, Any] = {"inference": {}}
        if parameters:
            wanted["model"] = {"parameters": parameters}
        if pool:
            wanted["scheduling"] = {"nodeSelector": {"pool": pool}}
        wanted.update(spec or {})
        return {"apiVersion": "llmjob.dev/v1alpha1", "kind": "LLMJob", "metadata": {"name": name}, "spec": wanted}

    @staticmethod
    def new_pod(
        name: str, job: str | None, *, gpus: int = 1, pool: str | None = "big", spec: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """A bare pod of a job."""
        limits = {nodes.GPU_RESOURCE: str(gpus)} if gpus else {}
        wanted: dict[str, Any] = {
            "containers": [{"name": "main", "image": "example.invalid/x", "resources": {"limits": limits}}],
            **({"nodeSelector": {"pool": pool}} if pool else {}),
            **(spec or {}),
        }
        labels = {"llmjob.dev/job": job} if job else {}
        return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": labels}, "spec": wanted}

    def start(self, command: str, metrics_port: int, *more: str) -> Process:
        """One more process beside the two."""
        return start(self.cluster, command, metrics_port, self.settings, *more)

    @staticmethod
    def is_ready(process: Process, port: int) -> bool:
        return ready(process, port)

    @staticmethod
    def probe(port: int, name: str) -> int | None:
        """The status of a probe, None where nobody answers."""
        try:
            with urllib.request.urlopen(f"http://{HERE}:{port}/{name}", timeout=2) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            with error:
                return error.code
        except OSError:
            return None

    @staticmethod
    def eventually(condition: Callable[[], Any], timeout: float = 30.0) -> Any:
        return eventually(condition, timeout)

    @staticmethod
    def job_path(namespace: str, name: str) -> str:
        return f"/apis/llmjob.dev/v1alpha1/namespaces/{namespace}/llmjobs/{name}"

    def refusal(self, path: str, content: Mapping[str, Any]) -> dict[str, Any]:
        """The Status with which the API server refuses an object, as programs read it."""
        context = ssl.create_default_context(cafile=str(self.cluster.ca))
        request = urllib.request.Request(self.cluster.url + path, json.dumps(content).encode(), method="POST")
        request.add_header("Authorization", f"Bearer {self.cluster.client.token}")
        request.add_header("Content-Type", "application/json")
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(request, timeout=10, context=context)
        with refused.value as answer:
            status = json.loads(answer.read())
        assert isinstance(status, dict)
        return status

    def wait_for_denial(self, namespace: str = "marker") -> None:
        """Until the API server and the webhook know of new settings or labels: what is surely refused is refused."""
        wrong = json.dumps(self.llmjob("marker", pool="small", parameters="405B"))

        def refused() -> bool:
            answer = self.cluster.kubectl("create", "--dry-run=server", "-n", namespace, "-f", "-",
                                          stdin=wrong, check=False)  # fmt: skip
            return "denied the request" in answer.stderr

        eventually(refused, 60)

    def set_settings(self, text: str) -> None:
        self.settings.write_text(text, encoding="utf-8")


FLEET: tuple[tuple[str, nodes.Card, int, str, dict[str, str]], ...] = (
    ("small-1", nodes.T4, 1, "small", {}),
    ("small-2", nodes.T4, 1, "small", {}),
    ("middle-1", nodes.L4, 1, "middle", {}),
    ("big-1", nodes.A100_80GB, 8, "big", {}),
    ("odd-1", nodes.T4, 1, "odd", {"nvidia.com/gpu.product": "Prototype-X", "nvidia.com/gpu.memory": ""}),
)


@pytest.fixture(scope="session")
def running(control_plane: ControlPlane) -> Iterator[Running]:
    """CRD, nodes of four pools, webhook, controller and the rendered configurations; the inventory is complete."""
    directory = control_plane.directory
    control_plane.kubectl("apply", "--server-side", "-f", str(ROOT / "crds"))
    control_plane.kubectl("wait", "--for=condition=Established", "crd/llmjobs.llmjob.dev", "--timeout=30s")
    for name, card, count, pool, more in FLEET:
        node = nodes.node(name, card, count, extra_labels={"pool": pool, **more})
        control_plane.client.request("POST", "/api/v1/nodes", node)
    settings, cert, key = directory / "settings.yaml", directory / "webhook.crt", directory / "webhook.key"
    settings.write_text(COMPLETE, encoding="utf-8")
    control_plane.authority.write_server(cert, key, (HERE,))
    port, webhook_metrics, controller_metrics = free_ports(3)
    webhook = start(control_plane, "webhook", webhook_metrics, settings,
                    "--port", str(port), "--tls-cert", str(cert), "--tls-key", str(key))  # fmt: skip
    controller = start(control_plane, "controller", controller_metrics, settings)
    found = Running(control_plane, webhook, controller, port, webhook_metrics, controller_metrics, settings, cert, key)
    try:
        eventually(lambda: ready(webhook, webhook_metrics) and ready(controller, controller_metrics), 60)
        bundle = base64.b64encode(control_plane.authority.pem).decode()
        rendered = control_plane.helm(
            "template", "llmjob", str(ROOT / "charts" / "llmjob"), "--namespace", "llmjob-system",
            "--set", f"webhook.url=https://{HERE}:{port}", "--set", f"webhook.caBundle={bundle}",
            "--set", "webhook.enabled=false", "--set", "controller.enabled=false",
            "--show-only", "templates/mutating.yaml", "--show-only", "templates/validating.yaml",
        ).stdout  # fmt: skip
        control_plane.kubectl("apply", "-f", "-", stdin=rendered)
        marker = {"metadata": {"name": "marker", "labels": {"llmjob.dev/enforcement": "enforce"}}}
        control_plane.client.request("POST", "/api/v1/namespaces", marker)
        found.wait_for_denial()
        yield found
    finally:
        control_plane.kubectl(
            "delete", "--ignore-not-found", "--wait=false",
            "validatingwebhookconfiguration/llmjob-admission", "mutatingwebhookconfiguration/llmjob-admission",
            check=False,
        )  # fmt: skip
        for process in (webhook, controller):
            process.stop()


def start(cluster: ControlPlane, command: str, metrics_port: int, settings: Path, *more: str) -> Process:
    """A process of the installed command."""
    arguments = [
        sys.executable, "-m", "llmjob", command, "--kubeconfig", str(cluster.kubeconfig), "--settings", str(settings),
        "--host", HERE, "--metrics-port", str(metrics_port), *more,
    ]  # fmt: skip
    log = cluster.directory / f"{command}-{metrics_port}.log"
    return Process(command, arguments, log, {**os.environ, "PYTHONSAFEPATH": "1"})


def ready(process: Process, port: int) -> bool:
    process.check()
    return Running.probe(port, "readyz") == 200


@pytest.fixture
def space(running: Running) -> Iterator[Callable[..., str]]:
    """Makes namespaces with an enforcement level, and other labels; their pods and jobs end with the test."""
    made: list[str] = []

    def make(level: str | None = None, **labels: str) -> str:
        name = f"space-{next(_COUNTER)}"
        found = {f"llmjob.dev/{key}": value for key, value in labels.items()}
        if level:
            found["llmjob.dev/enforcement"] = level
        client = running.cluster.client
        client.request("POST", "/api/v1/namespaces", {"metadata": {"name": name, "labels": found}})
        # After an API server was away, the control plane's own controllers look again only after a minute.
        eventually(lambda: client.exists(f"/api/v1/namespaces/{name}/serviceaccounts/default"), 120)
        made.append(name)
        return name

    yield make
    for name in made:
        for path in (f"/api/v1/namespaces/{name}/pods", f"/apis/llmjob.dev/v1alpha1/namespaces/{name}/llmjobs"):
            running.cluster.client.request("DELETE", path)
        running.cluster.client.request("DELETE", f"/api/v1/namespaces/{name}")
