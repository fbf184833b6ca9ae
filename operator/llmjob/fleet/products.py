"""The product table: how labels name a card, what they report, what processes see.

Data and sources: data/gpus.toml. The table says whether a memory label is sound; it never overrides a sound one.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache
from math import ceil, floor
from typing import Any, Final

from llmjob.data import read_text
from llmjob.estimator.interval import Range
from llmjob.quantity import GiB, MiB

# A label may differ this much from the figures seen so far (ECC on or off, another driver) and still be sound.
_TOLERANCE: Final = Fraction(3, 100)
# Where no process was seen on a product: the largest reserve seen on any (T4: 14.56 of 15.00 GiB) is 2.9 %.
_RESERVE: Final = Fraction(3, 100)
_FORM_FACTOR: Final = re.compile(r"sxm\d*|pcie|pci|hbm\d+e?|dgxs|fhhl")
_SIZE: Final = re.compile(r"(\d+)gb?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """A card of the table. `reported` and `usable` in bytes, None where nobody published them."""

    product: str
    name: str
    slug: str
    gb: int | None = None
    labels: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    reported: Range | None = None
    usable: Range | None = None
    mig: Mapping[str, int] = field(default_factory=dict)
    unified: bool = False

    def is_sound(self, memory: int) -> bool:
        """Whether a label may say so many bytes of this card: near a figure seen, or the nominal size at most."""
        if self.reported is None:
            return not self.unified
        highest = max(floor(self.reported.upper * (1 + _TOLERANCE)), (self.gb or 0) * GiB)
        return self.reported.lower * (1 - _TOLERANCE) <= memory <= highest


def find(label: str) -> tuple[Product, ...]:
    """The cards that a product label (or class name, or alias) may mean; several where it leaves the size open."""
    by_name, by_product = _indexes()
    key = _plain(label)
    if key in by_name:
        return (by_name[key],)
    slug, gb = split(label)
    candidates = by_product.get(slug, ())
    if gb is None:
        return candidates
    return tuple(card for card in candidates if card.gb == gb)


def split(label: str) -> tuple[str, int | None]:
    """A product label as slug and nominal size: NVIDIA-A100-SXM4-80GB gives a100 and 80.

    Vendor, brand and form factor say nothing about memory and are dropped; vGPU profiles keep their name.
    """
    gb = None
    kept: list[str] = []
    for token in _plain(label).split("-"):
        size = _SIZE.fullmatch(token)
        if size and kept:
            gb = int(size[1][:6])
        elif token and not _FORM_FACTOR.fullmatch(token):
            kept.append(token)
    return "-".join(kept), gb


def usable(card: Product | None, reported: Range) -> Range:
    """What processes see of a card that reports so much: the published figures, else reported less a reserve."""
    if card is None or card.usable is None:
        return Range(floor(reported.lower * (1 - _RESERVE)), reported.upper)
    upper = min(card.usable.upper, reported.upper)
    return Range(min(card.usable.lower, upper), upper)


@cache
def table() -> tuple[Product, ...]:
    """Every card, as the data file lists them."""
    rows = tomllib.loads(read_text("llmjob.fleet", "data/gpus.toml"))["gpu"]
    names = [row["product"] for row in rows]
    return tuple(_product(row, several_sizes=names.count(row["product"]) > 1) for row in rows)


def names() -> Iterator[str]:
    """Every class name and alias, for messages that suggest near ones."""
    for card in table():
        yield f"nvidia-{card.slug}"
        yield from (card.slug, *card.aliases)


def _product(row: Mapping[str, Any], *, several_sizes: bool) -> Product:
    seen = row.get("reported_mib")
    published = row.get("usable_gib")
    return Product(
        product=row["product"],
        name=row["name"],
        slug=f"{row['product']}-{row['gb']}gb" if several_sizes else row["product"],
        gb=row.get("gb"),
        labels=tuple(row.get("labels", ())),
        aliases=tuple(row.get("aliases", ())),
        reported=Range(min(seen) * MiB, max(seen) * MiB) if seen else None,
        usable=_published(*published) if published else None,
        mig={profile: mib * MiB for profile, mib in row.get("mig_mib", {}).items()},
        unified=row.get("unified", False),
    )


def _published(lower: str, upper: str) -> Range:
    """Two decimals of GiB as printed: the true figures lie within half a unit of the last one."""
    half = Fraction(1, 200)
    return Range(ceil((Fraction(lower) - half) * GiB), floor((Fraction(upper) + half) * GiB))


def _plain(label: str) -> str:
    text = re.sub(r"[-_\s]+", "-", label.strip().casefold()).strip("-")
    return text.removeprefix("nvidia-").removeprefix("tesla-")


@cache
def _indexes() -> tuple[dict[str, Product], dict[str, tuple[Product, ...]]]:
    by_name: dict[str, Product] = {}
    by_product: dict[str, tuple[Product, ...]] = {}
    for card in table():
        for name in (card.slug, *card.aliases, *card.labels):
            by_name[_plain(name)] = card
        by_product[card.product] = (*by_product.get(card.product, ()), card)
    return by_name, by_product
