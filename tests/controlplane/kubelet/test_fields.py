"""The node agent refuses what it does not do, by name, and takes what the chart says."""

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml

from controlplane.kubelet.downward import Unsupported
from controlplane.kubelet.fields import check

GOLDEN = Path(__file__).resolve().parents[2] / "chart" / "golden"
SECURITY = {
    "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]},
}  # fmt: skip


def templates() -> list[Any]:
    """The pods of every rendered chart that is checked in."""
    found = []
    for path in sorted(GOLDEN.glob("*.yaml")):
        for item in yaml.safe_load_all(path.read_text()):
            if item and item["kind"] in {"Deployment", "Pod"}:
                pod = item if item["kind"] == "Pod" else item["spec"]["template"]
                found.append(pytest.param(pod, id=f"{path.stem}-{item['metadata']['name']}"))
    return found


@pytest.mark.parametrize("pod", templates())
def test_all_that_the_chart_says_is_known(pod: dict[str, Any]) -> None:
    check(pod)


def pod(container: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    main = {"name": "main", "image": "x", "securityContext": SECURITY, **(container or {})}
    return deepcopy({"spec": {"containers": [main], **spec}})


MOUNT = {"name": "tmp", "mountPath": "/tmp"}
EMPTY = [{"name": "tmp", "emptyDir": {}}]


@pytest.mark.parametrize(
    ("container", "spec", "named"),
    [
        ({}, {"hostNetwork": True}, "spec.hostNetwork"),
        ({}, {"initContainers": [{}]}, "spec.initContainers"),
        ({}, {"activeDeadlineSeconds": 5}, "spec.activeDeadlineSeconds"),
        ({}, {"securityContext": {"supplementalGroups": [1]}}, "spec.securityContext.supplementalGroups"),
        ({}, {"volumes": [{"name": "disk", "hostPath": {"path": "/"}}]}, "spec.volumes[disk].hostPath"),
        ({}, {"volumes": [{"name": "big", "emptyDir": {"medium": "HugePages"}}]}, "volumes[big].emptyDir.medium"),
        (
            {},
            {"volumes": [{"name": "all", "projected": {"sources": [{"clusterTrustBundle": {}}]}}]},
            "spec.volumes[all].projected.sources[0].clusterTrustBundle",
        ),
        ({"workingDir": "/x"}, {}, "spec.containers[main].workingDir"),
        ({"envFrom": []}, {}, "spec.containers[main].envFrom"),
        ({"terminationMessagePath": "/tmp/log"}, {}, "spec.containers[main].terminationMessagePath '/tmp/log'"),
        ({"lifecycle": {"postStart": {}}}, {}, "spec.containers[main].lifecycle.postStart"),
        ({"livenessProbe": {"exec": {}}}, {}, "spec.containers[main].livenessProbe.exec"),
        ({"startupProbe": {"httpGet": {"httpHeaders": []}}}, {}, "containers[main].startupProbe.httpGet.httpHeaders"),
        ({"volumeMounts": [{**MOUNT, "subPath": "a"}]}, {"volumes": EMPTY}, "volumeMounts[tmp].subPath"),
        ({"volumeMounts": [{**MOUNT, "readOnly": True}]}, {"volumes": EMPTY}, "volumeMounts[tmp].readOnly"),
        ({"securityContext": {**SECURITY, "privileged": True}}, {}, "securityContext.privileged"),
        (
            {"securityContext": {**SECURITY, "capabilities": {"drop": ["ALL"], "add": ["CHOWN"]}}},
            {},
            "securityContext.capabilities.add",
        ),
        ({"securityContext": {**SECURITY, "capabilities": {"drop": ["CHOWN"]}}}, {}, "securityContext.capabilities"),
        ({}, {"securityContext": {"runAsNonRoot": True, "runAsUser": 0}}, "runAsNonRoot, and runAsUser is 0"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_not_done_is_named(container: dict[str, Any], spec: dict[str, Any], named: str) -> None:
    check(pod())
    with pytest.raises(Unsupported) as error:
        check(pod(container, **spec))
    assert named in str(error.value)


@pytest.mark.parametrize("field", SECURITY)
def test_a_container_has_to_ask_for_what_it_gets_anyway(field: str) -> None:
    """Else a chart that no longer says so would run here as if it did."""
    lacking = {key: value for key, value in SECURITY.items() if key != field}
    with pytest.raises(Unsupported, match=f"securityContext.{field}"):
        check(pod({"securityContext": lacking}))
