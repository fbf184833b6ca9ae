"""The GPUs that exporters report, and the containers that use them."""

from dataclasses import dataclass
from typing import Final

from controlplane.exporters.courses import IDLE, Course

MIB: Final = 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class Occupant:
    """A container that was handed a GPU, or a part of one, and what it uses of it."""

    namespace: str
    pod: str
    container: str = "main"
    uid: str = ""
    use: Course = IDLE


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """A MIG instance: the name of its profile, its number, its memory in bytes, and who has it."""

    profile: str
    instance: int
    memory: int
    occupant: Occupant | None = None

    def used(self, seconds: float) -> int:
        """Bytes in use."""
        return 0 if self.occupant is None else min(self.occupant.use(seconds), self.memory)


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """A GPU of a node.

    `memory` is what the driver reports in all and `reserved` what it keeps of that (bytes). It has one occupant,
    several where it is shared, none where no pod has it (`other` is what is in use all the same), or it is cut into
    `slices`, which have theirs.
    """

    index: int
    uuid: str
    model: str
    memory: int
    reserved: int = 0
    occupants: tuple[Occupant, ...] = ()
    other: Course = IDLE
    slices: tuple[Slice, ...] = ()
    serial: str = ""

    def used(self, seconds: float) -> int:
        """Bytes in use, at most what the driver leaves."""
        wanted = self.other(seconds) + sum(occupant.use(seconds) for occupant in self.occupants)
        return min(wanted, self.memory - self.reserved)
