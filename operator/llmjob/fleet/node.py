"""A Node object, read without trust: odd types and values give nothing, never an exception."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from llmjob.quantity import parse_quantity

_MOST_UNITS: Final = 10_000
_KARPENTER: Final = ("karpenter.sh/", "karpenter.k8s.aws/", "karpenter.azure.com/", "karpenter.k8s.gcp/")
_KARPENTER_AWS: Final = ("karpenter.k8s.aws/instance-gpu-memory", "karpenter.k8s.aws/instance-gpu-name")


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """Labels, and extended resources as the larger of allocatable and capacity (a plugin that restarts shows 0)."""

    name: str
    labels: Mapping[str, str]
    resources: Mapping[str, int]

    @classmethod
    def of(cls, node: Mapping[str, object]) -> "NodeFacts":
        metadata, status = mapping(node.get("metadata")), mapping(node.get("status"))
        resources: dict[str, int] = {}
        for source in (mapping(status.get("allocatable")), mapping(status.get("capacity"))):
            for key, value in source.items():
                if "/" in key and (count := _units(value)) is not None:
                    resources[key] = max(count, resources.get(key, 0))
        name = metadata.get("name")
        labels = {key: value for key, value in mapping(metadata.get("labels")).items() if isinstance(value, str)}
        return cls(name if isinstance(name, str) else "", labels, resources)

    def everything(self) -> Iterator[str]:
        """Every label key and extended resource."""
        yield from self.labels
        yield from self.resources

    def label(self, key: str) -> str:
        return self.labels.get(key, "").strip()

    def number(self, key: str) -> int | None:
        """A label as a small whole number; None where it is none."""
        return _units(self.labels.get(key))

    def units(self, resource: str) -> int | None:
        return self.resources.get(resource)

    def steering(self, keys: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
        """The label keys and values that name this node's card for an affinity.

        Karpenter may stamp invented values for keys that it does not own, so on its nodes only AWS's own keys count.
        """
        if any(key.startswith(_KARPENTER) for key in self.labels):
            return tuple((key, self.labels[key]) for key in _KARPENTER_AWS if self.labels.get(key))
        return keys


def mapping(value: object) -> Mapping[str, object]:
    """A JSON object's string keys; anything else is empty."""
    return {key: item for key, item in value.items() if isinstance(key, str)} if isinstance(value, Mapping) else {}


def sequence(value: object) -> list[object]:
    """A JSON array; anything else is empty."""
    return list(value) if isinstance(value, list | tuple) else []


def _units(value: object) -> int | None:
    if not isinstance(value, str | int) or isinstance(value, bool):
        return None
    try:
        count = parse_quantity(value)
    except ValueError:
        return None
    return count if 0 <= count <= _MOST_UNITS else None
