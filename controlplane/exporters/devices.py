"""Who has which GPU of a simulated node: kwok runs no device plugin, so the GPUs are handed out here."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from controlplane.exporters.cards import MIB, Card, Occupant
from controlplane.exporters.courses import IDLE, Course
from controlplane.nodes import GPU_RESOURCE

RESERVED: Final = 470 * MIB
"""What the driver keeps of a card, for want of a figure per product: an L4 says 470 MiB, a T4 447, an L40S 608."""


def cards_of(
    node: Mapping[str, Any], pods: Iterable[Mapping[str, Any]], uses: Mapping[str, tuple[Course, ...]]
) -> tuple[Card, ...]:
    """The node's cards, handed to its pods in the order of their names.

    `node` and `pods` are objects of the API; pods of other nodes, and those that ended, are left out. `uses` has, by
    `namespace/pod`, what a pod uses of each of its GPUs; a pod or a GPU without one uses nothing.
    """
    labels, name = node["metadata"]["labels"], node["metadata"]["name"]
    occupants = iter([(occupant,) for occupant in _occupants(name, pods, uses)])
    return tuple(
        Card(
            index=index,
            uuid=f"GPU-{name}-{index}",
            model=labels["nvidia.com/gpu.product"].replace("-", " "),
            memory=int(labels["nvidia.com/gpu.memory"]) * MIB,
            reserved=RESERVED,
            occupants=next(occupants, ()),
        )
        for index in range(int(labels.get("nvidia.com/gpu.count", "0")))
    )


def _occupants(
    node: str, pods: Iterable[Mapping[str, Any]], uses: Mapping[str, tuple[Course, ...]]
) -> Iterator[Occupant]:
    """One for each GPU that a container of the node asks for."""
    there = [pod for pod in pods if pod["spec"].get("nodeName") == node and pod["status"]["phase"] == "Running"]
    for pod in sorted(there, key=lambda pod: (pod["metadata"]["namespace"], pod["metadata"]["name"])):
        metadata = pod["metadata"]
        courses = iter(uses.get(f"{metadata['namespace']}/{metadata['name']}", ()))
        for container in pod["spec"]["containers"]:
            for _gpu in range(int(container.get("resources", {}).get("limits", {}).get(GPU_RESOURCE, "0"))):
                yield Occupant(
                    namespace=metadata["namespace"],
                    pod=metadata["name"],
                    container=container["name"],
                    uid=metadata.get("uid", ""),
                    use=next(courses, IDLE),
                )
