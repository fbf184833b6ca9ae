"""Nodes for tests, as the API server has them."""

from typing import Any


def node(
    name: str = "n1",
    labels: dict[str, str] | None = None,
    *,
    allocatable: dict[str, str] | None = None,
    capacity: dict[str, str] | None = None,
    taints: list[dict[str, str]] | None = None,
    unschedulable: bool = False,
) -> dict[str, Any]:
    return {
        "kind": "Node",
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name, **(labels or {})}},
        "spec": {"taints": taints or [], "unschedulable": unschedulable},
        "status": {"allocatable": allocatable or {}, "capacity": capacity or {}},
    }


def gpu_node(
    name: str = "n1", product: str = "Tesla-T4", mib: int | str | None = 15360, count: int = 1, **more: Any
) -> dict[str, Any]:
    labels = {"nvidia.com/gpu.product": product, "nvidia.com/gpu.count": str(count), **more.pop("labels", {})}
    if mib is not None:
        labels["nvidia.com/gpu.memory"] = str(mib)
    more.setdefault("allocatable", {"nvidia.com/gpu": str(count)})
    return node(name, labels, **more)
