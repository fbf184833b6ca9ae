"""Simulated GPU nodes, as a cluster with NVIDIA's GPU operator shows them; kwok keeps them alive."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from controlplane.commands import KWOK_ANNOTATION

GPU_RESOURCE: Final = "nvidia.com/gpu"


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """A card as GPU Feature Discovery labels it: `memory` is NVML's total in MiB, `source` where that is read."""

    product: str
    memory: int
    family: str
    compute: tuple[int, int]
    mig_capable: bool
    source: str


T4: Final = Card(
    product="Tesla-T4",
    memory=15360,
    family="turing",
    compute=(7, 5),
    mig_capable=False,
    source="NVIDIA/gpu-operator issue 334 (names), nodes of current drivers (15360; 15109 before R510)",
)
L4: Final = Card(
    product="NVIDIA-L4",
    memory=23034,
    family="ada-lovelace",
    compute=(8, 9),
    mig_capable=False,
    source="nvidia-smi on an L4: 23034 MiB",
)
A100_80GB: Final = Card(
    product="NVIDIA-A100-SXM4-80GB",
    memory=81920,
    family="ampere",
    compute=(8, 0),
    mig_capable=True,
    source="nvidia-smi on an A100-SXM4-80GB: 81920 MiB",
)
H100: Final = Card(
    product="NVIDIA-H100-80GB-HBM3",
    memory=81559,
    family="hopper",
    compute=(9, 0),
    mig_capable=True,
    source="NVIDIA/cloud-native-docs gpu-operator/manifests/output/mig-node-labels.json",
)


def labels(card: Card, count: int) -> dict[str, str]:
    """The labels of GPU Feature Discovery for a node with `count` whole cards."""
    major, minor = card.compute
    return {
        "nvidia.com/cuda.driver-version.full": "580.95.05",
        "nvidia.com/cuda.driver-version.major": "580",
        "nvidia.com/gpu.present": "true",
        "nvidia.com/gpu.product": card.product,
        "nvidia.com/gpu.memory": str(card.memory),
        "nvidia.com/gpu.count": str(count),
        "nvidia.com/gpu.replicas": "1",
        "nvidia.com/gpu.sharing-strategy": "none",
        "nvidia.com/gpu.family": card.family,
        "nvidia.com/gpu.compute.major": str(major),
        "nvidia.com/gpu.compute.minor": str(minor),
        "nvidia.com/gpu.mode": "compute",
        "nvidia.com/mig.capable": str(card.mig_capable).lower(),
        "nvidia.com/mig.strategy": "single",
        "nvidia.com/mps.capable": "false",
    }


def node(
    name: str,
    card: Card | None,
    count: int = 1,
    *,
    extra_labels: Mapping[str, str] | None = None,
    annotations: Mapping[str, str] | None = None,
    taints: tuple[Mapping[str, str], ...] = (),
) -> dict[str, object]:
    """A Node for kwok with `count` GPUs of `card`; without a card a node without GPUs."""
    resources = {"cpu": "96", "memory": "768Gi", "pods": "110", "ephemeral-storage": "1Ti"}
    if card is not None:
        resources[GPU_RESOURCE] = str(count)
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "annotations": {KWOK_ANNOTATION: "fake", **(annotations or {})},
            "labels": {
                "kubernetes.io/arch": "amd64",
                "kubernetes.io/os": "linux",
                "kubernetes.io/hostname": name,
                **(labels(card, count) if card is not None else {}),
                **(extra_labels or {}),
            },
        },
        "spec": {"taints": list(taints)},
        "status": {"capacity": resources, "allocatable": resources},
    }


PHYSICAL_MEMORY_ANNOTATION: Final = "demo.llmjob.dev/physical-gpu-memory-mib"
"""What the demonstration's judge reads: the card's memory, apart from every label that llmjob reads."""


def mixed_fleet() -> list[dict[str, object]]:
    """Many small cards, few large: six nodes of four T4, four of four L4, one of eight A100, one of eight H100.

    All have the same CPUs and memory, so that the scheduler, which knows nothing of GPU memory, prefers none.
    """
    shapes = (("t4", T4, 4, 6), ("l4", L4, 4, 4), ("a100", A100_80GB, 8, 1), ("h100", H100, 8, 1))
    return [
        node(f"{short}-{number}", card, count, annotations={PHYSICAL_MEMORY_ANNOTATION: str(card.memory)})
        for short, card, count, nodes in shapes
        for number in range(1, nodes + 1)
    ]
