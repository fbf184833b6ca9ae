"""NVIDIA nodes, as GPU Feature Discovery labels them and the device plugin advertises them.

Sources: github.com/NVIDIA/k8s-device-plugin (docs/gpu-feature-discovery) and labels of real nodes, whose faults the
tests list: memory in bytes, missing on unified memory, not divided by replicas, sharing without a suffix.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from llmjob.estimator.interval import Range
from llmjob.fleet import products
from llmjob.fleet.gpu_class import MemorySource, Sharing
from llmjob.fleet.node import NodeFacts
from llmjob.fleet.offer import Memory, Offer, class_name, share
from llmjob.quantity import GiB, MiB

VENDOR: Final = "nvidia"
GPU: Final = "nvidia.com/gpu"
GPU_SHARED: Final = "nvidia.com/gpu.shared"
MIG_PREFIX: Final = "nvidia.com/mig-"
PRODUCT: Final = "nvidia.com/gpu.product"

_MIG_TAIL: Final = re.compile(r"^(.*)-MIG-([^-]+)$")
_PROFILE: Final = re.compile(r"(\d)g\.(\d+)gb(?:\+\S+)?")
_MIG_KEY: Final = re.compile(r"nvidia\.com/(mig-\d+g\.\d+gb(?:\.me)?)(?:\.(?:count|memory|product|replicas))?")
_SHARED_TAIL: Final = "-SHARED"
_NO_COMPUTE: Final = frozenset({"dgx-display"})
_HINTS: Final = ("nvidia.com/gpu.clique", "nvidia.com/gpu.memory", "nvidia.com/gpu.count", "nvidia.com/mig.config")
_STRATEGIES: Final = {"time-slicing": Sharing.TIME_SLICING, "mps": Sharing.MPS}


@dataclass(frozen=True, slots=True)
class _Card:
    """What the product label says: the card's slug and name, its row of the table, its slice, whether it is shared."""

    slug: str
    name: str
    rows: tuple[products.Product, ...]
    profile: str | None
    shared: bool
    raw: str


def read(node: NodeFacts) -> tuple[Offer, ...]:
    """What a node offers of NVIDIA's; nothing where it shows no sign of a GPU."""
    slices = tuple(_mixed_slices(node))
    whole, shared = node.units(GPU) or 0, node.units(GPU_SHARED) or 0
    if slices and not whole and not shared:
        return slices
    label = node.label(PRODUCT)
    if not (label or whole or shared or _hinted(node)):
        return ()
    card = _card(label)
    if shared and whole:
        return (_offer(node, card, GPU, alone=False), _offer(node, card, GPU_SHARED, alone=False), *slices)
    return (_offer(node, card, GPU_SHARED if shared else GPU, alone=True), *slices)


def _hinted(node: NodeFacts) -> bool:
    return node.label("nvidia.com/gpu.present") == "true" or any(node.label(hint) for hint in _HINTS)


def _card(label: str) -> _Card:
    base, profile = label, None
    shared = base.endswith(_SHARED_TAIL)
    base = base.removesuffix(_SHARED_TAIL)
    if tail := _MIG_TAIL.match(base):
        base, profile = tail[1], tail[2].lower()
    # An autoscaler may stamp an invented integer; it names no card.
    if not base or base.isdigit():
        return _Card("unknown", "unknown GPU", (), profile, shared, label)
    rows = products.find(base)
    if len(rows) == 1:
        return _Card(rows[0].slug, rows[0].name, rows, profile, shared, label)
    slug, gb = products.split(base)
    slug = re.sub(r"[^a-z0-9.]+", "-", slug).strip("-.") or "unknown"
    name = re.sub(r"^NVIDIA[-_ ]", "", base, flags=re.IGNORECASE).replace("-", " ")
    return _Card(f"{slug}-{gb}gb" if gb and not rows else slug, name, rows, profile, shared, label)


def _offer(node: NodeFacts, card: _Card, resource: str, *, alone: bool) -> Offer:
    replicas = node.number("nvidia.com/gpu.replicas") or None
    count = node.number("nvidia.com/gpu.count") if alone else None
    sharing = _sharing(node, card, resource, replicas, count)
    memory = node.label("nvidia.com/gpu.memory")
    if card.profile is None:
        card, found = _whole(card, memory)
    else:
        found = _slice(card, memory)
    if sharing is Sharing.NONE and card.profile is not None:
        sharing = Sharing.MIG
    if count and sharing in (Sharing.TIME_SLICING, Sharing.MPS):
        count *= replicas or 1
    units = max(node.units(resource) or 0, count or 0) or None
    return Offer(
        class_name=class_name(VENDOR, card.slug, sharing=sharing, mig_profile=card.profile),
        vendor=VENDOR,
        product=card.name,
        memory=share(found, sharing, replicas),
        sharing=sharing,
        mig_profile=card.profile,
        replicas=replicas,
        units=units,
        resources=frozenset({resource}),
        steering=node.steering(((PRODUCT, card.raw),) if card.slug != "unknown" else ()),
    )


def _sharing(node: NodeFacts, card: _Card, resource: str, replicas: int | None, count: int | None) -> Sharing:
    stated = _STRATEGIES.get(node.label("nvidia.com/gpu.sharing-strategy"))
    if resource == GPU and node.units(GPU_SHARED):
        return Sharing.NONE
    more_units_than_cards = bool(count) and card.profile is None and (node.units(resource) or 0) > (count or 0)
    shared = card.shared or resource == GPU_SHARED or (replicas or 0) > 1 or more_units_than_cards
    return stated or (Sharing.TIME_SLICING if shared else Sharing.NONE)


def _whole(card: _Card, label: str) -> tuple[_Card, Memory]:
    """The card, its size settled by the memory label where the product leaves it open, and its memory."""
    if card.name.casefold().replace(" ", "-") in _NO_COMPUTE:
        return card, Memory(unknown_because=f"{card.raw} is a display card; the node's other cards are not labelled")
    if card.slug == "unknown" and card.raw:
        return card, Memory(unknown_because=f"the product label {card.raw} names no card")
    stated = _stated(label)
    sound = [row for row in card.rows if stated is not None and row.is_sound(stated)]
    if len(card.rows) > 1 and len(sound) == 1:
        card = replace(card, slug=sound[0].slug, name=sound[0].name, rows=(sound[0],))
    row = card.rows[0] if len(card.rows) == 1 else None
    if stated is not None and (sound or not card.rows):
        reported = Range.exact(stated)
        return card, Memory(reported=reported, usable=products.usable(row, reported), source=MemorySource.LABEL)
    if row is not None and row.reported is not None:
        return card, Memory(
            reported=row.reported, usable=products.usable(row, row.reported), source=MemorySource.PRODUCT_TABLE
        )
    return card, Memory(unknown_because=_why(card, row, label))


def _why(card: _Card, row: products.Product | None, label: str) -> str:
    if row is not None and row.unified:
        return f"{card.name} shares the host's memory and reports none"
    fault = f"the memory label says {label[:20]!r}" if label else "no memory label"
    if not card.raw:
        return f"{fault} and no product label"
    if len(card.rows) > 1:
        return f"{fault} and {card.raw} comes in several sizes"
    return f"{fault} and the product table does not list {card.raw}"


def _slice(card: _Card, label: str) -> Memory:
    """A MIG slice: its label, where near its profile's nominal size, else the product table."""
    profile = card.profile or ""
    size = _PROFILE.fullmatch(profile)
    stated = _stated(label)
    if size is None:
        return Memory(unknown_because=f"{card.raw or profile} is no usable MIG layout")
    nominal = int(size[2]) * GiB
    # A profile's gb is rounded up, by more than a GiB for 1g.12gb (11008 MiB).
    if stated is not None and nominal * 4 // 5 <= stated <= nominal * 21 // 20:
        reported, source = Range.exact(stated), MemorySource.LABEL
    elif len(card.rows) == 1 and profile in card.rows[0].mig:
        reported, source = Range.exact(card.rows[0].mig[profile]), MemorySource.PRODUCT_TABLE
    else:
        return Memory(unknown_because=f"no memory label for the slice {profile} of {card.name}")
    return Memory(reported=reported, usable=products.usable(None, reported), source=source)


def _mixed_slices(node: NodeFacts) -> Iterator[Offer]:
    """Strategy `mixed`: each profile has a resource and labels of its own; gpu.memory is the parent card's."""
    found = {match[1] for key in node.everything() if (match := _MIG_KEY.fullmatch(key))}
    for name in sorted(found):
        prefix = f"nvidia.com/{name}"
        label = node.label(f"{prefix}.product") or node.label(PRODUCT)
        profile = name.removeprefix("mig-")
        units = max(node.units(prefix) or 0, node.number(f"{prefix}.count") or 0)
        if not units:
            continue
        card = replace(_card(label), profile=profile)
        replicas = node.number(f"{prefix}.replicas") or None
        sharing = Sharing.TIME_SLICING if (replicas or 0) > 1 or card.shared else Sharing.MIG
        memory = share(_slice(card, node.label(f"{prefix}.memory")), sharing, replicas)
        yield Offer(
            class_name=class_name(VENDOR, card.slug, sharing=sharing, mig_profile=profile),
            vendor=VENDOR,
            product=card.name,
            memory=memory,
            sharing=sharing,
            mig_profile=profile,
            replicas=replicas,
            units=units,
            resources=frozenset({prefix}),
        )


def _stated(label: str) -> int | None:
    """Bytes of a memory label: MiB, but values from 2^20 on are bytes (an old discovery wrote those)."""
    if not (label.isascii() and label.isdigit()) or len(label) > 15:  # noqa: PLR2004, a petabyte in bytes
        return None
    value = int(label)
    memory = value if value >= 2**20 else value * MiB
    return memory if memory >= MiB * 64 else None
