"""GPU classes: what a pod can be told to run on, named by card, sharing and MIG profile."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from llmjob.estimator.gpu import GPU
from llmjob.estimator.interval import Range


class Sharing(StrEnum):
    """How one card is handed to several pods."""

    NONE = "none"
    TIME_SLICING = "time-slicing"
    MPS = "mps"
    MIG = "mig"


class MemorySource(StrEnum):
    """Where a class's memory was read."""

    LABEL = "label"
    PRODUCT_TABLE = "product-table"


@dataclass(frozen=True, slots=True, kw_only=True)
class GPUClass:
    """A class over the nodes that carry it (live, declared or remembered).

    `reported` is what labels or drivers say, `usable` what processes see, in bytes per GPU (or slice); both None
    while no node's memory is known, `unknown_because` then says why. `gpus_per_node` counts what the scheduler hands
    out, None where it is not judged (a class named on the command line). `steering_keys` maps each label key that
    names the card to the values its nodes carry. `resources` are the extended resources its nodes offer.
    """

    name: str
    vendor: str
    product: str
    sharing: Sharing = Sharing.NONE
    mig_profile: str | None = None
    replicas: int | None = None
    gpus_per_node: int | None = None
    nodes: int = 0
    reported: Range | None = None
    usable: Range | None = None
    memory_from: MemorySource | None = None
    unknown_because: str | None = None
    steering_keys: Mapping[str, frozenset[str]] = field(default_factory=dict)
    resources: frozenset[str] = frozenset()


def gpu_of(gpu_class: GPUClass) -> GPU | None:
    """What the estimator needs of a class; None while its memory is unknown."""
    if gpu_class.usable is None:
        return None
    return GPU(name=gpu_class.name, vendor=gpu_class.vendor, usable=gpu_class.usable, product=gpu_class.product)
