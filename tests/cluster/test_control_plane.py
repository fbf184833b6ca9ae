"""The control plane itself: nodes and pods live, identities and restarts work."""

import json
from collections.abc import Iterator

import pytest

from controlplane import nodes
from controlplane.start import CommandFailed, ControlPlane
from tests.cluster.support import eventually


@pytest.fixture
def gpu_node(control_plane: ControlPlane) -> Iterator[str]:
    control_plane.client.request("POST", "/api/v1/nodes", nodes.node("own-t4", nodes.T4, 2))
    yield "own-t4"
    control_plane.client.request("DELETE", "/api/v1/nodes/own-t4")


def pod(name: str, gpus: int) -> dict[str, object]:
    container = {"name": "main", "image": "example.invalid/x", "resources": {"limits": {nodes.GPU_RESOURCE: str(gpus)}}}
    spec = {"nodeSelector": {"kubernetes.io/hostname": "own-t4"}, "containers": [container]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}


def test_a_pod_is_scheduled_on_a_gpu_node_and_runs(control_plane: ControlPlane, namespace: str, gpu_node: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/pods"
    control_plane.client.request("POST", path, pod("fits", 2))

    def runs() -> bool:
        found = control_plane.client.request("GET", f"{path}/fits")
        ready = {c["type"]: c["status"] for c in found["status"].get("conditions", [])}.get("Ready")
        return (found["spec"].get("nodeName"), found["status"]["phase"], ready) == (gpu_node, "Running", "True")

    eventually(runs)


@pytest.mark.usefixtures("gpu_node")
def test_a_pod_that_asks_for_more_gpus_than_any_node_has_stays_pending(
    control_plane: ControlPlane, namespace: str
) -> None:
    path = f"/api/v1/namespaces/{namespace}/pods"
    control_plane.client.request("POST", path, pod("too-many", 3))

    def unschedulable() -> bool:
        conditions = control_plane.client.request("GET", f"{path}/too-many")["status"].get("conditions", [])
        return any("Insufficient nvidia.com/gpu" in c.get("message", "") for c in conditions)

    eventually(unschedulable)


def test_a_deleted_pod_goes(control_plane: ControlPlane, namespace: str, gpu_node: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/pods"
    control_plane.client.request("POST", path, pod("short", 1))
    eventually(lambda: control_plane.client.request("GET", f"{path}/short")["status"]["phase"] == "Running")
    control_plane.client.request("DELETE", f"{path}/short")
    eventually(lambda: not control_plane.client.exists(f"{path}/short"))
    assert gpu_node


def test_an_ordinary_user_has_only_the_rights_that_rbac_gives(control_plane: ControlPlane, namespace: str) -> None:
    alice = control_plane.user("alice", "researchers")
    with pytest.raises(CommandFailed, match='"alice" cannot list resource "pods"'):
        control_plane.kubectl("get", "pods", "-n", namespace, kubeconfig=alice)
    control_plane.kubectl("create", "rolebinding", "view", "--clusterrole=view", "--group=researchers", "-n", namespace)
    eventually(
        lambda: control_plane.kubectl("get", "pods", "-n", namespace, kubeconfig=alice, check=False).returncode == 0
    )


def test_the_server_names_its_pinned_version(control_plane: ControlPlane) -> None:
    versions = json.loads(control_plane.kubectl("version", "-o", "json").stdout)
    assert versions["serverVersion"]["gitVersion"] == versions["clientVersion"]["gitVersion"]
    assert versions["serverVersion"]["gitVersion"].startswith("v1.")


def test_helm_reaches_the_cluster(control_plane: ControlPlane) -> None:
    assert control_plane.helm("list", "-A", "-o", "json").stdout.strip() == "[]"


def test_the_data_survives_a_restart_of_the_api_server(control_plane: ControlPlane, namespace: str) -> None:
    before = control_plane.api_server.pid
    control_plane.restart_api_server()
    assert control_plane.api_server.pid != before
    assert control_plane.client.exists(f"/api/v1/namespaces/{namespace}")


def test_requests_are_audited(control_plane: ControlPlane, namespace: str) -> None:
    eventually(lambda: f'"namespaces","name":"{namespace}"' in control_plane.layout.audit_log.read_text())
