"""The fleet: nodes as slim projections, grouped into classes, and the classes a pod may run on."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import Final

from llmjob.fleet.gpu_class import GPUClass
from llmjob.fleet.grouping import classes_of
from llmjob.fleet.offer import Memory, Offer
from llmjob.fleet.projection import NodeProjection, NodeShape, project
from llmjob.fleet.scheduling import Scheduling

_NAME: Final = "metadata.name"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """Nodes that are not there (a declared pool, a class named by hand): their shape and how many count.

    `anywhere` is set where nothing is known of labels and taints: then every pod may run there.
    """

    shape: NodeShape
    nodes: int = 0
    anywhere: bool = False


@dataclass(frozen=True, eq=False)
class Fleet:
    """An immutable snapshot of the GPU nodes of a cluster (live, declared and remembered).

    Nodes of one shape are judged once, so a question costs as much as there are kinds of nodes.
    """

    groups: Mapping[NodeShape, tuple[NodeProjection, ...]]
    pools: tuple[Pool, ...] = ()

    @classmethod
    def from_nodes(cls, nodes: Iterable[Mapping[str, object]]) -> "Fleet":
        """Read Node objects as the API server or kubectl prints them; never fails on odd labels."""
        return cls.of(projection for node in nodes if (projection := project(node)) is not None)

    @classmethod
    def of(
        cls,
        projections: Iterable[NodeProjection],
        *,
        pools: Iterable[Pool] = (),
    ) -> "Fleet":
        """The fleet of nodes read before, in any order, and of declared pools."""
        groups: dict[NodeShape, list[NodeProjection]] = {}
        for projection in projections:
            groups.setdefault(projection.shape, []).append(projection)
        return cls({shape: tuple(members) for shape, members in groups.items()}, tuple(pools))

    @classmethod
    def of_classes(cls, classes: Iterable[GPUClass]) -> "Fleet":
        """A fleet of classes named by hand; every pod may run on each of them."""
        shapes = (NodeShape((offer_of(gpu_class),), (), ()) for gpu_class in classes)
        # A class may be named twice with different counts; the table of classes shows it once.
        return cls({}, tuple(Pool(shape=shape, anywhere=True) for shape in shapes))

    def classes(self) -> tuple[GPUClass, ...]:
        """Every class, sorted by name."""
        return self._classes

    def gpus(self) -> dict[str, int]:
        """GPUs of each class over all its nodes, as the scheduler hands them out."""
        counted: dict[str, int] = {}
        for shape, nodes in self._counted:
            for offer in shape.offers:
                counted[offer.class_name] = counted.get(offer.class_name, 0) + nodes * (offer.units or 0)
        return counted

    def eligible(self, scheduling: Scheduling, gpu_resource: str | None = None) -> tuple[GPUClass, ...]:
        """The classes over those nodes only that the pod may use and that offer `gpu_resource` (None: any GPU)."""
        keys = frozenset(scheduling.keys())
        found: list[tuple[NodeShape, int]] = []
        for shape, members in self.groups.items():
            own = not self._own_keys.isdisjoint(keys)
            if nodes := _admitted(scheduling, shape, members, own=own):
                found.append((shape, nodes))
        found += [
            (pool.shape, pool.nodes)
            for pool in self.pools
            if pool.anywhere or scheduling.admits(dict(pool.shape.labels), pool.shape.taints)
        ]
        return classes_of(
            (offer, nodes)
            for shape, nodes in found
            for offer in shape.offers
            if gpu_resource is None or not offer.resources or gpu_resource in offer.resources
        )

    @cached_property
    def generation(self) -> str:
        """A hash of everything a verdict can depend on; equal for equal fleets, whatever the order of nodes."""
        lines = sorted(
            [
                f"{shape!r}{sorted(repr((node.name, node.own_labels)) for node in members)!r}"
                for shape, members in self.groups.items()
            ]
            + [repr(pool) for pool in self.pools]
        )
        return sha256("\n".join(lines).encode()).hexdigest()[:16]

    @cached_property
    def _own_keys(self) -> frozenset[str]:
        """Label keys that differ between nodes of one shape, and the node's name."""
        return frozenset(
            {_NAME, *(key for nodes in self.groups.values() for node in nodes for key, _ in node.own_labels)}
        )

    @cached_property
    def _counted(self) -> tuple[tuple[NodeShape, int], ...]:
        """Every shape and how many nodes have it."""
        live = [(shape, len(members)) for shape, members in self.groups.items()]
        return (*live, *((pool.shape, pool.nodes) for pool in self.pools))

    @cached_property
    def _classes(self) -> tuple[GPUClass, ...]:
        return classes_of((offer, nodes) for shape, nodes in self._counted for offer in shape.offers)


def _admitted(scheduling: Scheduling, shape: NodeShape, members: tuple[NodeProjection, ...], *, own: bool) -> int:
    """How many nodes of a shape the pod may use; one look unless it asks for what differs from node to node."""
    labels = dict(shape.labels)
    if not own:
        return len(members) if scheduling.admits(labels, shape.taints, members[0].name) else 0
    return sum(scheduling.admits({**labels, **dict(node.own_labels)}, shape.taints, node.name) for node in members)


def offer_of(gpu_class: GPUClass) -> Offer:
    """A class named by hand as the offer of its nodes."""
    return Offer(
        class_name=gpu_class.name,
        vendor=gpu_class.vendor,
        product=gpu_class.product,
        memory=Memory(
            reported=gpu_class.reported,
            usable=gpu_class.usable,
            source=gpu_class.memory_from,
            unknown_because=gpu_class.unknown_because,
        ),
        sharing=gpu_class.sharing,
        mig_profile=gpu_class.mig_profile,
        replicas=gpu_class.replicas,
        units=gpu_class.gpus_per_node,
        resources=gpu_class.resources,
        steering=tuple(
            (key, value) for key, values in sorted(gpu_class.steering_keys.items()) for value in sorted(values)
        ),
    )
