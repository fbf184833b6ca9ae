"""Constants of fine-tuning, read once from profiles/training.toml."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from typing import Any, Final

from llmjob.data import read_text
from llmjob.quantity import MiB

PROFILE: Final = "training-pytorch"


@dataclass(frozen=True, slots=True)
class Spread:
    """Lowest, expected and highest value of a constant."""

    low: Fraction
    expected: Fraction
    high: Fraction


@dataclass(frozen=True, slots=True)
class OptimizerRule:
    """State per trainable parameter, in elements of its dtype or in bytes; `copies` of foreach at the step.

    `gradients`: 1, or 0 where an update inside the backward leaves none.
    """

    state: Spread
    in_elements: bool
    copies: int
    gradients: Spread


@dataclass(frozen=True, slots=True)
class FrameworkRule:
    """A framework's defaults; `logits` in bytes per token and vocabulary entry at the loss's backward.

    `sharding`: what it does with several data-parallel ranks. `updates_in_backward`: it lets any optimizer do so.
    """

    logits: Spread
    checkpointing: str
    kbit: bool
    kindest_optimizer: str
    sharding: str
    updates_in_backward: bool


def optimizer(name: str) -> OptimizerRule:
    """The rule of an optimizer by its canonical name."""
    raw = _data()["optimizers"][name]
    return OptimizerRule(
        state=_spread(raw["elements"] if "elements" in raw else raw["bytes"]),
        in_elements="elements" in raw,
        copies=raw["copies"],
        gradients=_spread(raw.get("gradients", (1, 1, 1))),
    )


def framework(name: str | None) -> FrameworkRule:
    """The defaults of a framework; those of none in particular where it has no entry."""
    table = _data()["frameworks"]
    raw = table.get(name or "default", table["default"])
    return FrameworkRule(
        logits=_spread(raw["logits"]),
        checkpointing=raw["checkpointing"],
        kbit=raw["kbit"],
        kindest_optimizer=raw.get("kindest_optimizer", "AdamW"),
        sharding=raw.get("sharding", "DDP"),
        updates_in_backward=(name is None or name in table) and raw.get("updates_in_backward", False),
    )


def logits_of_release(name: str | None, release: str | None) -> Spread | None:
    """Bytes per token and vocabulary entry where a framework's release says it, None where it does not."""
    numbers = _release(release)
    if not numbers:
        return None
    for entry in _data()["logits_by_release"]:
        if entry["framework"] == name and (not entry["before"] or numbers < _release(entry["before"])):
            return _spread(entry["logits"])
    return None


def _release(text: str | None) -> tuple[int, ...]:
    found = []
    for part in (text or "").split(".")[:3]:
        if not part.isdecimal():
            break
        found.append(int(part))
    return tuple(found)


def quantized_bytes(name: str) -> Spread | None:
    """Bytes per quantised parameter of a base model, None where training on it has no figure."""
    raw = _data()["quantized"].get(name)
    return None if raw is None else _spread(raw)


def context(product: str | None) -> Spread:
    """Bytes of a process before its first tensor, by GPU product; a range over all where none is assumed."""
    table = _data()["context"]
    for entry in table["products"]:
        if product and entry["product"] in product.replace("-", " ").split():
            return _mebibytes(entry["mib"])
    return _mebibytes(table["default"])


def communication() -> Spread:
    """Bytes of NCCL's buffers on a rank that has peers."""
    return _mebibytes(_data()["communication"]["mib"])


def residual(*, experts: bool, compiled: bool, framework: str | None = None) -> tuple[Fraction, Fraction]:
    """How far activations and logits may be below and above the ledger's, as shares of them."""
    table = _data()["residual"]
    kinds = ["dense", *(["experts"] if experts else []), *(["compiled"] if compiled else [])]
    kinds += [framework] if framework and framework in table else []
    return max(Fraction(table[kind][0]) for kind in kinds), max(Fraction(table[kind][1]) for kind in kinds)


def slack(*, varying: bool) -> Spread:
    """What the allocator reserves beyond what is allocated, as a share of it; `varying`: sequences of many lengths."""
    return _spread(_data()["slack"]["varying" if varying else "equal"])


@cache
def _data() -> Mapping[str, Any]:
    text = read_text("llmjob.estimator", "profiles/training.toml")
    return tomllib.loads(text, parse_float=Fraction)


def _spread(values: Sequence[Fraction | int]) -> Spread:
    low, expected, high = values
    return Spread(Fraction(low), Fraction(expected), Fraction(high))


def _mebibytes(values: Sequence[int]) -> Spread:
    low, expected, high = values
    return Spread(Fraction(low * MiB), Fraction(expected * MiB), Fraction(high * MiB))
