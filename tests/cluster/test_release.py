"""A release over its life: tested by helm, upgraded and uninstalled with requests in flight, two replicas."""

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest

from controlplane import nodes
from controlplane.installation import NAMESPACE, RELEASE, Installation
from controlplane.process import wait_until
from controlplane.start import ControlPlane
from llmjob.names import ENFORCEMENT_LABEL
from tests.cluster.support import CONFIGURATION_KINDS, answer, in_flight, job

SETTINGS = {"inventory": {"complete": True}}
# What is lost shall show, not that this machine is slow while pods start on it.
VALUES = {"webhook": {"timeoutSeconds": 10}}
ENFORCED = "enforced"
KINDS = (
    "deployments,replicasets,pods,services,serviceaccounts,configmaps,secrets,poddisruptionbudgets,roles,rolebindings"
)
WAIT = 60.0


@contextmanager
def asked(cluster: ControlPlane) -> Iterator[Counter[str]]:
    """Meanwhile two threads ask for the same refusal; counts the answers."""
    ask = partial(answer, cluster.client, ENFORCED)
    with in_flight(ask, ask) as answers:
        yield answers


@pytest.fixture(scope="module")
def cluster() -> Iterator[ControlPlane]:
    """A control plane of its own: what other tests do needs no webhook, and these must have it alone."""
    with ControlPlane.start() as control_plane:
        control_plane.client.request("POST", "/api/v1/nodes", nodes.node("small", nodes.T4, 1))
        labels = {ENFORCEMENT_LABEL: "enforce"}
        control_plane.client.request("POST", "/api/v1/namespaces", {"metadata": {"name": ENFORCED, "labels": labels}})
        yield control_plane


@pytest.fixture(scope="module")
def release(cluster: ControlPlane) -> Installation:
    found = Installation(cluster, SETTINGS, VALUES)
    found.install()
    wait_until(lambda: answer(cluster.client, ENFORCED) == "refused", "a refusal", found.processes, WAIT)
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
    with asked(cluster) as answers:
        release.upgrade(values)
    assert set(answers) == {"refused"}
    assert answers["refused"] > 20
    after = {replica.name for replica in release.replicas("webhook")}
    assert len(after) == len(before) == 2
    assert len(after - before) == replaced


def test_uninstall_refuses_nothing_for_want_of_a_webhook_and_leaves_none(
    cluster: ControlPlane, release: Installation
) -> None:
    with asked(cluster) as answers:
        release.uninstall()
    # First refused, then nobody is asked; never "failed calling webhook".
    assert set(answers) <= {"refused", "allowed"}
    for kind in CONFIGURATION_KINDS:
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
