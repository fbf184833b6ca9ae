"""The node agent's own Node: no GPUs, and a taint, so that only pods made for it land there."""

import platform
from typing import Final

from controlplane.kubelet.api import Object

NAME: Final = "llmjob-agent"
USER: Final = f"system:node:{NAME}"
KEY: Final = "controlplane.llmjob.dev/agent"
"""Key of the node's label and of its taint."""

VALUES: Final = {
    "nodeSelector": {KEY: "true"},
    "tolerations": [{"key": KEY, "operator": "Exists", "effect": "NoSchedule"}],
}
"""What a chart's values need to bring its pods here."""

_ARCHITECTURES: Final = {"x86_64": "amd64", "aarch64": "arm64"}
"""Go's names, by the kernel's."""


def node() -> Object:
    """The Node as it registers."""
    machine = platform.machine()
    labels = {
        "kubernetes.io/hostname": NAME, "kubernetes.io/os": "linux", KEY: "true",
        "kubernetes.io/arch": _ARCHITECTURES.get(machine, machine),
    }  # fmt: skip
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": NAME, "labels": labels},
        "spec": {"taints": [{"key": KEY, "effect": "NoSchedule"}]},
    }


def status(moment: str) -> Object:
    """Its status: ready at that moment (RFC 3339)."""
    resources = {"cpu": "64", "memory": "256Gi", "pods": "110", "ephemeral-storage": "1Ti"}
    condition = {
        "type": "Ready", "status": "True", "reason": "KubeletReady", "message": "the node agent runs",
        "lastHeartbeatTime": moment[:19] + "Z", "lastTransitionTime": moment[:19] + "Z",
    }  # fmt: skip
    return {
        "capacity": resources,
        "allocatable": resources,
        "conditions": [condition],
        "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}, {"type": "Hostname", "address": NAME}],
    }


def lease(moment: str) -> Object:
    """Its Lease, renewed at that moment."""
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": NAME, "namespace": "kube-node-lease"},
        "spec": {"holderIdentity": NAME, "leaseDurationSeconds": 40, "renewTime": moment},
    }
