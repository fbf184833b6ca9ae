"""The extended resources that are GPUs, by vendor, and how many of them a pod asks for.

A new vendor is a new line in the table.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from llmjob.quantity import parse_quantity

# Names that end in "-" are prefixes: NVIDIA's device plugin advertises each MIG profile as a resource of its own
# (strategy "mixed"), and renamed shares as gpu.shared.
_RESOURCES: Final[Mapping[str, tuple[str, ...]]] = {
    "nvidia": ("nvidia.com/gpu", "nvidia.com/gpu.shared", "nvidia.com/mig-"),
}
_NAMES: Final = tuple(name for names in _RESOURCES.values() for name in names)


@dataclass(frozen=True, slots=True)
class GPUAsk:
    """So many GPUs of one extended resource."""

    resource: str
    count: int


def is_gpu_resource(name: str) -> bool:
    """Whether an extended resource is a GPU or a slice of one."""
    return any(name.startswith(known) if known.endswith("-") else name == known for known in _NAMES)


def asks_for_gpu(pod: Mapping[str, object]) -> GPUAsk | None:
    """What a pod asks for, None where nothing asks for a GPU; odd shapes count as nothing.

    As the scheduler counts: the larger of all containers with the sidecars (init containers that restart always), and
    of each other init container with the sidecars started before it. Of several GPU resources the largest ask counts.
    """
    spec = pod.get("spec")
    if not isinstance(spec, Mapping):
        return None
    inits = [(_asked(container), _is_sidecar(container)) for container in _items(spec.get("initContainers"))]
    containers = [_asked(container) for container in _items(spec.get("containers"))]
    names = sorted({name for ask in [*containers, *(ask for ask, _ in inits)] for name in ask})
    asks = [GPUAsk(name, _needed(name, containers, inits)) for name in names]
    return max(asks, key=lambda ask: ask.count, default=None)


def container_asks_for_gpu(container: Mapping[str, object]) -> bool:
    """Whether one container asks for a GPU."""
    return bool(_asked(container))


def _needed(name: str, containers: list[dict[str, int]], inits: list[tuple[dict[str, int], bool]]) -> int:
    sidecars, largest = 0, 0
    for ask, is_sidecar in inits:
        count = ask.get(name, 0)
        if is_sidecar:
            sidecars += count
        largest = max(largest, sidecars if is_sidecar else sidecars + count)
    return max(largest, sidecars + sum(ask.get(name, 0) for ask in containers))


def _asked(container: Mapping[str, object]) -> dict[str, int]:
    """GPU resources of one container; extended resources have equal requests and limits, either may stand alone."""
    resources = container.get("resources")
    if not isinstance(resources, Mapping):
        return {}
    asked: dict[str, int] = {}
    for kind in ("requests", "limits"):
        amounts = resources.get(kind)
        if isinstance(amounts, Mapping):
            for name, amount in amounts.items():
                count = _count(amount)
                if count > 0 and isinstance(name, str) and is_gpu_resource(name):
                    asked[name] = count
    return asked


def _count(amount: object) -> int:
    if isinstance(amount, float) and amount.is_integer():
        amount = int(amount)
    if not isinstance(amount, str | int):
        return 0
    try:
        return parse_quantity(amount)
    except ValueError:
        return 0


def _is_sidecar(container: Mapping[str, object]) -> bool:
    return container.get("restartPolicy") == "Always"


def _items(value: object) -> list[Mapping[str, object]]:
    if not isinstance(value, Sequence) or isinstance(value, str):
        return []
    return [item for item in value if isinstance(item, Mapping)]
