"""From what nodes offer to classes: names, counts, and intervals over the nodes."""

from collections.abc import Iterable

from llmjob.estimator.interval import Range
from llmjob.fleet.gpu_class import GPUClass
from llmjob.fleet.offer import Offer


def classes_of(offers: Iterable[tuple[Offer, int]]) -> tuple[GPUClass, ...]:
    """The classes of offers with the number of nodes that make them, sorted by name."""
    by_name: dict[str, dict[Offer, int]] = {}
    for offer, nodes in offers:
        members = by_name.setdefault(offer.class_name, {})
        members[offer] = members.get(offer, 0) + nodes
    return tuple(_class(members) for _, members in sorted(by_name.items()))


def _class(members: dict[Offer, int]) -> GPUClass:
    """One class over its nodes; the order of nodes does not matter.

    Nodes of unknown memory beside known ones: the known interval, its upper end raised to what the table allows.
    """
    ordered = sorted(members, key=repr)
    first = ordered[0]
    known = [offer for offer in ordered if offer.memory.usable is not None]
    usable = _hull(offer.memory.usable for offer in known)
    unknown = [offer.memory for offer in ordered if offer.memory.usable is None]
    if usable is not None and unknown:
        usable = Range(usable.lower, max(usable.upper, *(memory.ceiling or 0 for memory in unknown)))
    keys: dict[str, frozenset[str]] = {}
    for key, value in (pair for offer in ordered for pair in offer.steering):
        keys[key] = keys.get(key, frozenset()) | {value}
    units = [offer.units for offer in ordered if offer.units is not None]
    # Fewest units behind a card first: the pessimistic share is what the interval's lower end is made of.
    replicas = [offer.replicas for offer in ordered if offer.replicas is not None]
    sources = [offer.memory.source for offer in known if offer.memory.source is not None]
    return GPUClass(
        name=first.class_name,
        vendor=first.vendor,
        product=first.product,
        sharing=first.sharing,
        mig_profile=first.mig_profile,
        replicas=max(replicas, default=None),
        gpus_per_node=max(units, default=None),
        nodes=sum(members.values()),
        reported=_hull(offer.memory.reported for offer in known),
        usable=usable,
        memory_from=min(sources, default=None),
        unknown_because=unknown[0].unknown_because if usable is None and unknown else None,
        steering_keys=keys,
        resources=frozenset().union(*(offer.resources for offer in ordered)),
    )


def _hull(ranges: Iterable[Range | None]) -> Range | None:
    known = [item for item in ranges if item is not None]
    return Range(min(item.lower for item in known), max(item.upper for item in known)) if known else None
