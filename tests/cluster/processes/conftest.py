"""The chart installed by helm beside a real control plane; its two Deployments run as the chart says."""

import http.client
import itertools
import json
import signal
import socket
import ssl
import subprocess
import urllib.error
import urllib.request
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from controlplane import nodes
from controlplane.installation import HOST, METRICS_PORT, NAMESPACE, RELEASE, Installation, Replica
from controlplane.start import ControlPlane
from llmjob.runtime.certificates.configurations import PATHS
from tests.cluster.support import eventually, jobs

COMPLETE = "inventory: {complete: true}\n"
ADMISSION_PORT = 8443
COMPONENTS = {"webhook": 2, "controller": 1}
_COUNTER = itertools.count(1)
_DEPLOYMENTS = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments"

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


class Direct(http.client.HTTPSConnection):
    """A connection to an address of the webhook's that expects the Service's name in its certificate."""

    def __init__(self, address: str, port: int, authority: str) -> None:
        self.trust = ssl.create_default_context(cadata=authority)
        super().__init__(HOST, port, timeout=10, context=self.trust)
        self.address = address

    def connect(self) -> None:
        plain = socket.create_connection((self.address, self.port), 10)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock = self.trust.wrap_socket(plain, server_hostname=HOST)


@dataclass
class Copy:
    """A Deployment beside those of the chart, one replica."""

    cluster: ControlPlane
    release: Installation
    name: str
    container: str

    @property
    def pod(self) -> dict[str, Any] | None:
        query = f"labelSelector=app.kubernetes.io/component={self.name}"
        found = self.cluster.client.request("GET", f"/api/v1/namespaces/{NAMESPACE}/pods?{query}")["items"]
        return found[0] if found and found[0]["status"].get("podIP") else None

    @property
    def log(self) -> str:
        pod = self.pod
        return self.release.agent.log(pod["metadata"]["name"], self.container) if pod else ""

    @property
    def address(self) -> str:
        return str(eventually(lambda: self.pod)["status"]["podIP"])

    def probe(self, name: str) -> int | None:
        """The status of a probe, None where nobody answers."""
        try:
            with urllib.request.urlopen(f"http://{self.address}:{METRICS_PORT}/{name}", timeout=2) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            with error:
                return error.code
        except OSError:
            return None


@dataclass
class Running:
    """The release, and what tests ask of it."""

    cluster: ControlPlane
    release: Installation

    def samples(self, component: str) -> list[Samples]:
        """All samples of each replica, by name and labels."""
        return [
            {
                (sample.name, frozenset(sample.labels.items())): sample.value
                for family in text_string_to_metric_families(replica.metrics)
                for sample in family.samples
            }
            for replica in self.release.replicas(component)
        ]

    @property
    def authority(self) -> str:
        """The CA by which the API server knows the webhook, PEM."""
        entry = self.cluster.client.request("GET", PATHS[1])["webhooks"][0]
        return b64decode(entry["clientConfig"]["caBundle"]).decode()

    def connection(self, replica: Replica | None = None) -> Direct:
        """A connection to the webhook's Service, or to one replica."""
        if replica is None:
            return Direct(self.release.address("webhook"), self.release.service_port, self.authority)
        return Direct(replica.address, ADMISSION_PORT, self.authority)

    def apply(self, *documents: Mapping[str, Any], namespace: str) -> subprocess.CompletedProcess[str]:
        """kubectl apply, as a person would; whether it fails is the test's to judge."""
        text = "\n---\n".join(json.dumps(document) for document in documents)
        return self.cluster.kubectl("apply", "-n", namespace, "-f", "-", stdin=text, check=False)

    def job(self, namespace: str, name: str) -> dict[str, Any]:
        found = self.cluster.client.request("GET", jobs(namespace, name))
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

    def pair(self) -> tuple[bytes, bytes]:
        """A serving certificate by the control plane's own authority, and its key, PEM."""
        certificate, key = self.cluster.directory / "webhook.crt", self.cluster.directory / "webhook.key"
        self.cluster.authority.write_server(certificate, key, (HOST,))
        return certificate.read_bytes(), key.read_bytes()

    def put_secret(self, name: str, certificate: bytes, key: bytes) -> None:
        """Make or replace a Secret that holds a serving pair."""
        data = {"tls.crt": b64encode(certificate).decode(), "tls.key": b64encode(key).decode()}
        secret = {
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "type": "kubernetes.io/tls", "data": data,
        }  # fmt: skip
        self.cluster.kubectl("apply", "-n", NAMESPACE, "-f", "-", stdin=json.dumps(secret))

    @contextmanager
    def copy(self, component: str, change: Callable[[dict[str, Any]], None]) -> Iterator[Copy]:
        """The same pod once more, its spec changed; it is in no Service."""
        client, name = self.cluster.client, f"copy-{next(_COUNTER)}"
        found = client.request("GET", f"{_DEPLOYMENTS}/{RELEASE}-{component}")
        spec = found["spec"]
        spec["replicas"] = 1
        labels = {"app.kubernetes.io/component": name}
        spec["selector"] = {"matchLabels": labels}
        spec["template"]["metadata"] = {"labels": labels}
        change(spec["template"]["spec"])
        client.request("POST", _DEPLOYMENTS, {"metadata": {"name": name}, "spec": spec})
        try:
            yield Copy(self.cluster, self.release, name, component)
        finally:
            client.request("DELETE", f"{_DEPLOYMENTS}/{name}?propagationPolicy=Background")

    def containers(self, component: str) -> list[dict[str, Any]]:
        """The containerStatus of each pod of a component, with its pod's name as `pod`."""
        query = f"labelSelector=app.kubernetes.io/component={component}"
        found = self.cluster.client.request("GET", f"/api/v1/namespaces/{NAMESPACE}/pods?{query}")["items"]
        return [
            {**item, "pod": pod["metadata"]["name"]}
            for pod in found
            for item in pod["status"].get("containerStatuses", [])
        ]

    def signal(self, pod: str, component: str, number: signal.Signals) -> None:
        self.release.agent.signal(pod, component, number)

    @contextmanager
    def away(self, component: str) -> Iterator[None]:
        """No replica of it while the block runs."""
        self.release.scale(component, 0)
        try:
            eventually(lambda: not self.containers(component))
            yield
        finally:
            self.release.scale(component, COMPONENTS[component])
            eventually(lambda: len(self.release.replicas(component)) == COMPONENTS[component], 60)

    @staticmethod
    def eventually(condition: Callable[[], Any], timeout: float = 30.0) -> Any:
        return eventually(condition, timeout)

    @staticmethod
    def job_path(namespace: str, name: str) -> str:
        return jobs(namespace, name)

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
        """Until the API server and every replica know of new settings or labels: what is surely refused is refused."""
        wrong = self.llmjob("marker", pool="small", parameters="405B")

        def refused() -> bool:
            answer = self.cluster.kubectl("create", "--dry-run=server", "-n", namespace, "-f", "-",
                                          stdin=json.dumps(wrong), check=False)  # fmt: skip
            return "denied the request" in answer.stderr

        eventually(refused, 60)
        wrong["metadata"]["namespace"] = namespace
        request = {
            "uid": "1", "operation": "CREATE", "namespace": namespace, "object": wrong,
            "resource": {"group": "llmjob.dev", "version": "v1alpha1", "resource": "llmjobs"},
        }  # fmt: skip
        review = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}

        def all_refuse() -> bool:
            try:
                return not any(self.answer(review, replica)["response"]["allowed"] for replica in self.replicas())
            except ssl.SSLCertVerificationError:  # it serves a certificate for other names still
                return False

        eventually(all_refuse, 60)

    def replicas(self) -> list[Replica]:
        """The webhook's."""
        return self.release.replicas("webhook")

    def answer(self, review: Mapping[str, Any], replica: Replica) -> dict[str, Any]:
        """What one replica answers to a review of an LLMJob at level enforce."""
        connection = self.connection(replica)
        try:
            headers = {"Content-Type": "application/json"}
            connection.request("POST", "/v1/enforce/llmjobs/validate", json.dumps(review).encode(), headers)
            found = json.loads(connection.getresponse().read())
        finally:
            connection.close()
        assert isinstance(found, dict)
        return found

    def set_settings(self, text: str) -> None:
        self.release.set_settings(text)


FLEET: tuple[tuple[str, nodes.Card, int, str, dict[str, str]], ...] = (
    ("small-1", nodes.T4, 1, "small", {}),
    ("small-2", nodes.T4, 1, "small", {}),
    ("middle-1", nodes.L4, 1, "middle", {}),
    ("big-1", nodes.A100_80GB, 8, "big", {}),
    ("odd-1", nodes.T4, 1, "odd", {"nvidia.com/gpu.product": "Prototype-X", "nvidia.com/gpu.memory": ""}),
)


@pytest.fixture(scope="session")
def running(control_plane: ControlPlane) -> Running:
    """Nodes of four pools, and the chart installed by helm; the inventory is complete."""
    for name, card, count, pool, more in FLEET:
        node = nodes.node(name, card, count, extra_labels={"pool": pool, **more})
        control_plane.client.request("POST", "/api/v1/nodes", node)
    found = Running(control_plane, Installation(control_plane, {"inventory": {"complete": True}}))
    found.release.install()
    marker = {"metadata": {"name": "marker", "labels": {"llmjob.dev/enforcement": "enforce"}}}
    control_plane.client.request("POST", "/api/v1/namespaces", marker)
    found.wait_for_denial()
    return found


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
        for path in (f"/api/v1/namespaces/{name}/pods", jobs(name)):
            running.cluster.client.request("DELETE", path)
        running.cluster.client.request("DELETE", f"/api/v1/namespaces/{name}")
