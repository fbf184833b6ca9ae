"""A real API server and the chart's objects: taken whole, restricted, one release a cluster, gone in order."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from controlplane.start import ControlPlane
from llmjob.names import WEBHOOK_CONFIGURATION
from tests.cluster.support import CONFIGURATION_KINDS
from tools.renders import CHART, value_sets

# Kinds of projects that are not installed here.
FOREIGN = ("cert-manager.io/", "monitoring.coreos.com/")
KINDS = (
    "deployments,pods,services,serviceaccounts,configmaps,secrets,poddisruptionbudgets,networkpolicies,roles,"
    f"rolebindings,clusterroles,clusterrolebindings,{','.join(CONFIGURATION_KINDS)}"
)
SETS = pytest.mark.parametrize("values", value_sets(), ids=lambda path: path.stem)


def rendered(control_plane: ControlPlane, values: Path, namespace: str) -> list[dict[str, Any]]:
    text = control_plane.helm(
        "template", "llmjob", str(CHART), "--namespace", namespace, "--values", str(values)
    ).stdout
    found = [item for item in yaml.safe_load_all(text) if item]
    return [item for item in found if not item["apiVersion"].startswith(FOREIGN)]


def pods(objects: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for item in objects:
        if item["kind"] == "Deployment":
            metadata = {"name": item["metadata"]["name"], "namespace": item["metadata"]["namespace"]}
            yield {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": item["spec"]["template"]["spec"]}
        elif item["kind"] == "Pod":
            yield item


def as_list(items: Iterable[dict[str, Any]]) -> str:
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": list(items)})


@SETS
def test_the_api_server_takes_every_object(control_plane: ControlPlane, namespace: str, values: Path) -> None:
    objects = rendered(control_plane, values, namespace)
    # A pod is refused without its ServiceAccount; those follow below.
    content = as_list(item for item in objects if item["kind"] != "Pod")
    answer = control_plane.kubectl("create", "--dry-run=server", "--validate=strict", "-f", "-", stdin=content)
    assert len(answer.stdout.splitlines()) == len(objects) - 1
    assert "Warning" not in answer.stderr


@SETS
def test_every_pod_satisfies_restricted_pod_security(control_plane: ControlPlane, namespace: str, values: Path) -> None:
    control_plane.kubectl("label", "namespace", namespace, "pod-security.kubernetes.io/enforce=restricted")
    objects = rendered(control_plane, values, namespace)
    accounts = as_list(item for item in objects if item["kind"] == "ServiceAccount")
    control_plane.kubectl("create", "-f", "-", stdin=accounts)
    found = list(pods(objects))
    assert len(found) == 3
    for pod in found:
        control_plane.kubectl("create", "--dry-run=server", "-f", "-", stdin=json.dumps(pod))
        # The namespace does enforce it: the same pod with one restriction less is refused.
        del pod["spec"]["securityContext"]["seccompProfile"]
        answer = control_plane.kubectl("create", "--dry-run=server", "-f", "-", stdin=json.dumps(pod), check=False)
        assert "violates PodSecurity" in answer.stderr


def test_a_second_release_is_refused_naming_the_first(control_plane: ControlPlane, namespace: str) -> None:
    install = ("install", "--skip-crds", "--create-namespace")
    control_plane.helm(*install, "first-llmjob", str(CHART), "--namespace", namespace)
    try:
        answer = control_plane.helm(*install, "second", str(CHART), "--namespace", f"{namespace}-b", check=False)
        assert answer.returncode
        assert f'by release "first-llmjob" in namespace "{namespace}"' in answer.stderr
        assert f"helm uninstall first-llmjob -n {namespace}" in answer.stderr
        # The same name elsewhere is another release too; the first may be upgraded.
        answer = control_plane.helm(*install, "first-llmjob", str(CHART), "--namespace", f"{namespace}-b", check=False)
        assert "is installed in this cluster already" in answer.stderr
        control_plane.helm("upgrade", "first-llmjob", str(CHART), "--namespace", namespace)
    finally:
        control_plane.helm("uninstall", "first-llmjob", "--namespace", namespace)


def test_uninstall_takes_the_webhooks_first_and_leaves_nothing(control_plane: ControlPlane, namespace: str) -> None:
    control_plane.helm("install", "leaving", str(CHART), "--namespace", namespace, "--skip-crds")
    control_plane.helm("uninstall", "leaving", "--namespace", namespace, "--wait")
    left = control_plane.kubectl("get", KINDS, "-A", "-l", "app.kubernetes.io/instance=leaving", "-o", "name").stdout
    assert left == ""
    deleted = [
        (event["objectRef"]["resource"], event["objectRef"].get("name", ""))
        for event in map(json.loads, control_plane.layout.audit_log.read_text(encoding="utf-8").splitlines())
        if event["verb"] == "delete" and "helm" in event.get("userAgent", "").lower()
    ]
    ours = [resource for resource, name in deleted if name in {WEBHOOK_CONFIGURATION, "leaving-llmjob-webhook"}]
    last = max(index for index, resource in enumerate(ours) if resource in CONFIGURATION_KINDS)
    # An entry that says Fail and whose webhook is gone would refuse LLMJobs.
    assert all(index > last for index, resource in enumerate(ours) if resource in {"deployments", "services"})
    assert {"deployments", "services"} < set(ours)
