"""The demonstration on a cluster that is there: whatever becomes of it, what it made is gone and nothing else is."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from controlplane import nodes
from controlplane.start import ControlPlane
from llmjob.names import WEBHOOK_CONFIGURATION
from tests.cluster.support import eventually

ROOT = Path(__file__).resolve().parents[2]
# Written by the control plane itself, about what happened and at its own time.
PASSING = {"events", "events.events.k8s.io"}
CHANGING = ("status", "managedFields", "resourceVersion", "renewTime", "generation")
REAL = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "real"}}
Objects = dict[tuple[str, str, str], str]


@pytest.fixture(scope="module")
def cluster() -> Iterator[ControlPlane]:
    """Somebody's cluster, with a simulated node and objects of their own."""
    with ControlPlane.start() as running:
        running.client.request("POST", "/api/v1/nodes", nodes.node("theirs", None))
        running.kubectl("create", "namespace", "theirs")
        running.kubectl("create", "configmap", "theirs", "-n", "theirs", "--from-literal=a=1")
        yield running


def command(cluster: ControlPlane, *more: str) -> list[str]:
    return [sys.executable, "-m", "controlplane", "demo", "--once", "--kubeconfig", str(cluster.kubeconfig), *more]


def run(cluster: ControlPlane, *more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(cluster, *more), cwd=ROOT, capture_output=True, text=True, check=False, timeout=600)


def without_changing(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_changing(item) for key, item in value.items() if key not in CHANGING}
    return [without_changing(item) for item in value] if isinstance(value, list) else value


def objects(cluster: ControlPlane) -> Objects:
    """Every object of every kind that can be listed, but for what changes by itself."""
    kinds = cluster.kubectl("api-resources", "--verbs=list", "-o", "name").stdout.split()
    found = cluster.kubectl("get", ",".join(kind for kind in kinds if kind not in PASSING), "-A", "-o", "json").stdout
    return {
        (item["kind"], item["metadata"].get("namespace", ""), item["metadata"]["name"]): json.dumps(
            without_changing(item), sort_keys=True
        )
        for item in json.loads(found)["items"]
    }


def as_before(cluster: ControlPlane, before: Objects) -> None:
    """The API server takes a while to forget the kinds of a CRD."""
    eventually(lambda: objects(cluster) == before, 30, "the objects that were there before, and no others")


def left_running(cluster: ControlPlane) -> list[str]:
    """Processes that speak to the cluster as the demonstration does, by its kubeconfig."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue
        if any(str(cluster.kubeconfig) in word for word in words):
            found.append(" ".join(words))
    return found


def test_the_whole_demonstration_leaves_the_cluster_as_it_was(cluster: ControlPlane) -> None:
    before = objects(cluster)
    done = run(cluster)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    assert "✗" not in done.stdout
    assert "it must reach this machine at 127.0.0.1" in done.stdout
    assert "with llmjob no pod is on a card too small for its measured need" in done.stdout
    as_before(cluster, before)
    assert left_running(cluster) == []


def test_ctrl_c_midway_leaves_the_cluster_as_it_was(cluster: ControlPlane, tmp_path: Path) -> None:
    before = objects(cluster)
    log = tmp_path / "log"
    with log.open("w") as output:
        running = subprocess.Popen(command(cluster), cwd=ROOT, stdout=output, stderr=output)
    try:
        pods = ("get", "pods", "-n", "research", "-o", "name")
        eventually(lambda: running.poll() is not None or cluster.kubectl(*pods, check=False).stdout, 120)
        assert running.poll() is None, log.read_text()
        running.send_signal(signal.SIGINT)
        eventually(lambda: "Terminating" in cluster.kubectl("get", "namespaces").stdout, 60)
        running.send_signal(signal.SIGINT)  # impatience changes nothing
        assert running.wait(120) == 130, log.read_text()
    finally:
        running.kill()
        running.wait()
    as_before(cluster, before)
    assert left_running(cluster) == []


def test_one_that_fails_on_a_cluster_with_real_nodes_and_the_crd_leaves_both(
    cluster: ControlPlane, tmp_path: Path
) -> None:
    cluster.kubectl("create", "-f", str(ROOT / "crds"))
    cluster.kubectl("wait", "--for=condition=Established", "crd/llmjobs.llmjob.dev", "--timeout=30s")
    cluster.client.request("POST", "/api/v1/nodes", REAL)
    real = shutil.which("kubectl", path=cluster.environment()["PATH"])
    broken = tmp_path / "kubectl"
    script = f'case "$*" in "create -n research"*) exit 1;; esac\nexec {real} "$@"\n'
    broken.write_text(f"#!/bin/sh\n{script}", encoding="utf-8")
    broken.chmod(0o755)
    try:
        before = objects(cluster)
        done = subprocess.run(
            command(cluster, "--yes"), cwd=ROOT, capture_output=True, text=True, check=False, timeout=300,
            env={**os.environ, "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"},
        )  # fmt: skip
        assert done.returncode == 1
        assert "create -n research" in done.stderr
        as_before(cluster, before)
        assert left_running(cluster) == []
    finally:
        cluster.client.request("DELETE", "/api/v1/nodes/real")
        cluster.kubectl("delete", "crd", "llmjobs.llmjob.dev")


def test_a_cluster_with_real_nodes_is_refused_and_nothing_is_made(cluster: ControlPlane) -> None:
    cluster.client.request("POST", "/api/v1/nodes", REAL)
    try:
        before = objects(cluster)
        done = run(cluster)
        assert done.returncode == 1
        assert "real nodes, such as real" in done.stderr
        assert "ARGS=--yes" in done.stderr
        as_before(cluster, before)
    finally:
        cluster.client.request("DELETE", "/api/v1/nodes/real")


@pytest.mark.parametrize(
    ("kind", "name"),
    [("namespace", "research"), ("node", "t4-1"), ("validatingwebhookconfiguration", WEBHOOK_CONFIGURATION)],
)
def test_what_would_be_made_and_is_there_is_never_removed(cluster: ControlPlane, kind: str, name: str) -> None:
    content = {
        "apiVersion": "v1",
        "kind": kind.title(),
        "metadata": {"name": name, "annotations": {"kwok.x-k8s.io/node": "fake"}},
    }
    if kind.startswith("validating"):
        content |= {"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration"}
    cluster.kubectl("create", "-f", "-", stdin=json.dumps(content))
    try:
        done = run(cluster)
        assert done.returncode == 1
        assert f"{kind} {name}" in done.stderr
        assert cluster.kubectl("get", kind, name).returncode == 0
    finally:
        cluster.kubectl("delete", kind, name)


def test_a_kubeconfig_that_is_not_there_is_named(tmp_path: Path) -> None:
    absent = tmp_path / "absent"
    done = subprocess.run(
        [sys.executable, "-m", "controlplane", "demo", "--kubeconfig", str(absent)],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 1
    assert f"{absent} is no file" in done.stderr
