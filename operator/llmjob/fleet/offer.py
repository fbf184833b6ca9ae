"""What one node offers: so many units of a class, with what is known of their memory."""

from dataclasses import dataclass

from llmjob.estimator.interval import Range
from llmjob.fleet.gpu_class import MemorySource, Sharing


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """A unit's memory in bytes as read from a node; all None but `unknown_because` and `ceiling` where unknown.

    `ceiling` is the most that the product table allows where the node itself says too little.
    """

    reported: Range | None = None
    usable: Range | None = None
    source: MemorySource | None = None
    unknown_because: str | None = None
    ceiling: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """Units of one class on one node. `units` is what the scheduler hands out, None where the node does not say."""

    class_name: str
    vendor: str
    product: str
    memory: Memory
    sharing: Sharing = Sharing.NONE
    mig_profile: str | None = None
    replicas: int | None = None
    units: int | None = None
    resources: frozenset[str] = frozenset()
    steering: tuple[tuple[str, str], ...] = ()


def class_name(vendor: str, slug: str, *, sharing: Sharing, mig_profile: str | None = None) -> str:
    """`<vendor>-<product slug>[-mig-<profile>][-shared|-mps]`; the slug carries the size where it must."""
    name = f"{vendor}-{slug}"
    if mig_profile is not None:
        name += f"-mig-{mig_profile}"
    return name + {Sharing.TIME_SLICING: "-shared", Sharing.MPS: "-mps"}.get(sharing, "")


def share(memory: Memory, sharing: Sharing, replicas: int | None) -> Memory:
    """The memory of one unit of a shared card.

    Time-slicing isolates nothing: what exceeds the share may still run, what exceeds the card cannot. MPS divides
    hard, so without replicas nothing is known.
    """
    if memory.usable is None or sharing not in (Sharing.TIME_SLICING, Sharing.MPS):
        return memory
    if sharing is Sharing.TIME_SLICING:
        lower = memory.usable.lower // replicas if replicas else 0
        usable = Range(lower, memory.usable.upper)
    elif replicas:
        usable = Range(memory.usable.lower // replicas, memory.usable.upper // replicas)
    else:
        because = "shared by MPS without a number of replicas"
        return Memory(unknown_because=because, ceiling=memory.usable.upper)
    return Memory(reported=memory.reported, usable=usable, source=memory.source)
