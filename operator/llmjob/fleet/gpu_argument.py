"""GPUs as people name them: a class, a raw product label or an alias of the table, with or without `xN` a node."""

import re
from dataclasses import replace
from difflib import get_close_matches
from typing import Final

from llmjob.estimator.interval import Range
from llmjob.fleet import products
from llmjob.fleet.dialects import RESOURCES
from llmjob.fleet.gpu_class import GPUClass, MemorySource, Sharing
from llmjob.fleet.offer import Memory, class_name, share

_COUNT: Final = re.compile(r"(.+)x([1-9]\d{0,3})")
_MIG: Final = re.compile(r"-mig-(\d+g\.\d+gb(?:\+\S+)?)$")
_SHARED: Final = re.compile(r"-(shared|mps)$")
_VENDOR: Final = "nvidia"


def parse(argument: str) -> GPUClass:
    """The class that an argument names; the number of GPUs a node is not judged without `xN`.

    Raises:
        ValueError: when the table does not know it; the message names near ones.
    """
    found = named_class(argument)
    if found is not None:
        return found
    if count := _COUNT.fullmatch(argument.strip()):
        found = named_class(count[1])
        if found is not None:
            return replace(found, gpus_per_node=int(count[2]))
    raise ValueError(_unknown(argument))


def named_class(name: str, memory: int | None = None) -> GPUClass | None:
    """A class by name, with the memory that the product table gives it or the `memory` (reported bytes) stated.

    None where the table does not know the card and its memory is not stated, or where the name leaves its size open.
    """
    base, sharing, profile = _split(name.strip())
    rows = products.find(base)
    if memory is not None and len(rows) > 1:
        rows = tuple(row for row in rows if row.is_sound(memory))
        if not rows:
            return None
    row = rows[0] if len(rows) == 1 else None
    if row is None and memory is None:
        return None
    slug = row.slug if row else re.sub(r"[^a-z0-9.]+", "-", base.casefold().removeprefix("nvidia-")).strip("-.")
    vendor = next((known for known in RESOURCES if slug.startswith(f"{known}-")), _VENDOR)
    slug = slug.removeprefix(f"{vendor}-")
    found = share(_memory(row, memory, profile), sharing, None)
    return GPUClass(
        name=class_name(vendor, slug, sharing=sharing, mig_profile=profile),
        vendor=vendor,
        product=row.name if row else base,
        sharing=sharing,
        mig_profile=profile,
        reported=found.reported,
        usable=found.usable,
        memory_from=found.source,
        unknown_because=found.unknown_because,
        resources=RESOURCES[vendor] | _renamed(sharing, profile),
    )


def _renamed(sharing: Sharing, profile: str | None) -> frozenset[str]:
    """The names that a device plugin may give shares and slices instead; which it does, a class's name does not say."""
    if profile is not None:
        return frozenset({f"nvidia.com/mig-{profile}"})
    return frozenset({"nvidia.com/gpu.shared"}) if sharing is not Sharing.NONE else frozenset()


def _split(name: str) -> tuple[str, Sharing, str | None]:
    base = re.sub(r"-SHARED$", "-shared", re.sub(r"-MIG-(?=\d)", "-mig-", name))
    sharing = Sharing.NONE
    if shared := _SHARED.search(base):
        base, sharing = base[: shared.start()], Sharing.MPS if shared[1] == "mps" else Sharing.TIME_SLICING
    if mig := _MIG.search(base):
        return base[: mig.start()], Sharing.MIG if sharing is Sharing.NONE else sharing, mig[1]
    return base, sharing, None


def _memory(row: products.Product | None, stated: int | None, profile: str | None) -> Memory:
    """A slice's memory is its own: the parent card's published figures do not bound it."""
    card = row if profile is None else None
    if stated is not None:
        # The word of whoever declares it; the table's figures hold only for a card that can report so much.
        card = card if card is not None and card.is_sound(stated) else None
        reported = Range.exact(stated)
        return Memory(reported=reported, usable=products.usable(card, reported), source=MemorySource.LABEL)
    seen = row.reported if row else None
    if row and profile is not None:
        seen = Range.exact(row.mig[profile]) if profile in row.mig else None
    if seen is None:
        because = "unified memory" if row and row.unified else f"the product table has no memory for {profile}"
        return Memory(unknown_because=because)
    return Memory(reported=seen, usable=products.usable(card, seen), source=MemorySource.PRODUCT_TABLE)


def _unknown(argument: str) -> str:
    open_size = products.find(_split(argument)[0])
    if len(open_size) > 1:
        return f"comes in several sizes: {', '.join(f'nvidia-{row.slug}' for row in open_size)}"
    names = sorted(set(products.names()))
    near = get_close_matches(argument.casefold(), names, n=3, cutoff=0.5)
    if near:
        return f"the product table knows no such GPU; near names are {', '.join(near)}"
    shown = sorted(row.slug for row in products.table())
    return f"the product table knows no such GPU; it knows {', '.join(shown)}"
