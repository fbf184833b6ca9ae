"""A release over its life: tested by helm, upgraded and uninstalled with requests in flight, two replicas."""

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from controlplane import nodes
from controlplane.client import Client, RequestFailed
from controlplane.installation import NAMESPACE, RELEASE, Installation
from controlplane.process import wait_until
from controlplane.start import ControlPlane

SETTINGS = {"inventory": {"complete": True}}
# What is lost shall show, not that this machine is slow while pods start on it.
VALUES = {"webhook": {"timeoutSeconds": 10}}
ENFORCED = "enforced"
KINDS = (
    "deployments,replicasets,pods,services,serviceaccounts,configmaps,secrets,poddisruptionbudgets,roles,rolebindings"
)
CONFIGURATIONS = ("mutatingwebhookconfigurations", "validatingwebhookconfigurations")
WAIT = 60.0


def job(name: str, parameters: str) -> dict[str, Any]:
    spec = {"model": {"parameters": parameters}, "inference": {}}
    return {"apiVersion": "llmjob.dev/v1alpha1", "kind": "LLMJob", "metadata": {"name": name}, "spec": spec}


class Requests:
    """Asks for the same refusal, one request after the other in each of some threads, and counts the answers."""

    PATH = f"/apis/llmjob.dev/v1alpha1/namespaces/{ENFORCED}/llmjobs?dryRun=All"

    def __init__(self, client: Client) -> None:
        self._client = client
        self._stop = threading.Event()
        self.answers: Counter[str] = Counter()
        self._threads = [threading.Thread(target=self._ask) for _ in range(2)]

    def _ask(self) -> None:
        while not self._stop.is_set():
            self.answers[answer(lambda: self._client.request("POST", self.PATH, job("large", "405B")))] += 1

    @contextmanager
    def in_flight(self) -> Iterator[None]:
        for thread in self._threads:
            thread.start()
        try:
            yield
        finally:
            self._stop.set()
            for thread in self._threads:
                thread.join()


def answer(ask: Callable[[], object]) -> str:
    """`refused` where the webhook refuses, `allowed`, or what went wrong."""
    try:
        ask()
    except RequestFailed as error:
        return "refused" if error.status == 403 and "denied the request" in str(error) else str(error)
    except OSError as error:
        return str(error)
    return "allowed"


@pytest.fixture(scope="module")
def cluster() -> Iterator[ControlPlane]:
    """A control plane of its own: what other tests do needs no webhook, and these must have it alone."""
    with ControlPlane.start() as control_plane:
        control_plane.client.request("POST", "/api/v1/nodes", nodes.node("small", nodes.T4, 1))
        labels = {"llmjob.dev/enforcement": "enforce"}
        control_plane.client.request("POST", "/api/v1/namespaces", {"metadata": {"name": ENFORCED, "labels": labels}})
        yield control_plane


@pytest.fixture(scope="module")
def release(cluster: ControlPlane) -> Installation:
    found = Installation(cluster, SETTINGS, VALUES)
    found.install()
    refused = lambda: answer(lambda: cluster.client.request("POST", Requests.PATH, job("marker", "405B"))) == "refused"  # noqa: E731
    wait_until(refused, "a refusal", found.processes, WAIT)
    return found


def pods(cluster: ControlPlane) -> set[str]:
    return {
        item["metadata"]["name"]
        for item in cluster.client.request("GET", f"/api/v1/namespaces/{NAMESPACE}/pods")["items"]
    }


def left(cluster: ControlPlane) -> set[str]:
    """What is in the release's namespace; helm does not wait for the pods of a Deployment that it deletes."""
    items = json.loads(cluster.kubectl("get", KINDS, "-n", NAMESPACE, "-o", "json").stdout)["items"]
    return {item["metadata"]["name"] for item in items}


def test_helm_test_hears_the_webhook_and_leaves_nothing(cluster: ControlPlane, release: Installation) -> None:
    before = pods(cluster)
    tested = cluster.helm("test", RELEASE, "--namespace", NAMESPACE)
    assert "Succeeded" in tested.stdout
    assert "Admission answers (201): " in release.agent.log(f"{RELEASE}-test", "test")
    assert pods(cluster) == before
    for kind in ("roles", "rolebindings", "serviceaccounts"):
        assert "llmjob-test" not in cluster.kubectl("get", kind, "-A", "-o", "name").stdout


@pytest.mark.parametrize(
    ("values", "replaced"),
    [
        ({"settings": {**SETTINGS, "defaultEnforcement": "enforce"}}, 0),
        ({"priorityClassName": "system-cluster-critical"}, 2),
    ],
    ids=["settings", "pods"],
)
def test_admission_answers_throughout_an_upgrade(
    cluster: ControlPlane, release: Installation, values: dict[str, Any], replaced: int
) -> None:
    before = {replica.name for replica in release.replicas("webhook")}
    requests = Requests(cluster.client)
    with requests.in_flight():
        release.upgrade(values)
    assert set(requests.answers) == {"refused"}
    assert requests.answers["refused"] > 20
    after = {replica.name for replica in release.replicas("webhook")}
    assert len(after) == len(before) == 2
    assert len(after - before) == replaced


def test_uninstall_refuses_nothing_for_want_of_a_webhook_and_leaves_none(
    cluster: ControlPlane, release: Installation
) -> None:
    requests = Requests(cluster.client)
    with requests.in_flight():
        release.uninstall()
    # First refused, then nobody is asked; never "failed calling webhook".
    assert set(requests.answers) <= {"refused", "allowed"}
    for kind in CONFIGURATIONS:
        assert cluster.kubectl("get", kind, "-o", "name").stdout == ""
    wait_until(lambda: left(cluster) == {"default", "kube-root-ca.crt"}, "nothing left", release.processes, WAIT)
    assert RELEASE not in cluster.kubectl("get", "clusterroles,clusterrolebindings", "-o", "name").stdout
    cluster.kubectl("create", "-n", ENFORCED, "-f", "-", stdin=json.dumps(job("large", "405B")))
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "pod", "labels": {"llmjob.dev/job": "large"}},
        "spec": {"containers": [{"name": "main", "image": "example.invalid/x",
                                 "resources": {"limits": {nodes.GPU_RESOURCE: "1"}}}]},
    }  # fmt: skip
    cluster.kubectl("create", "-n", ENFORCED, "-f", "-", stdin=json.dumps(pod))
    cluster.kubectl("wait", "--for=jsonpath={.status.phase}=Running", "-n", ENFORCED, "pod/pod", "--timeout=60s")
