"""Objects by key, from a LIST and from the watch events around it: of two states the newer one stays."""

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class Entry(Generic[V]):
    """A value with its object's resourceVersion; None where there is no such object, or nothing in it matters."""

    version: int | None
    value: V | None

    def older_than(self, other: "Entry[V] | None") -> bool:
        """Whether both versions are known and this one comes first (resourceVersions are ordered integers)."""
        return (
            self.version is not None
            and other is not None
            and other.version is not None
            and self.version < other.version
        )


class Kept(Generic[K, V]):
    """What a view holds. A LIST takes seconds: what events say meanwhile may be newer than what it brings."""

    def __init__(self) -> None:
        self._entries: dict[K, Entry[V]] = {}
        self._during: dict[K, Entry[V]] | None = None

    def begin(self) -> None:
        """A LIST begins."""
        self._during = {}

    def complete(self, listed: Mapping[K, Entry[V]]) -> set[K]:
        """A LIST ended: what it lacks is gone, but for what events since its begin know better; what changed."""
        newer = {key: entry for key, entry in (self._during or {}).items() if not entry.older_than(listed.get(key))}
        entries = {key: entry for key, entry in {**listed, **newer}.items() if entry.value is not None}
        before, self._entries, self._during = self._entries, entries, None
        return {key for key in before.keys() | entries.keys() if _value(before, key) != _value(entries, key)}

    def put(self, key: K, entry: Entry[V]) -> bool:
        """A watch event; whether it changed anything. One that is older than what is known does not."""
        known = self._entries.get(key)
        if entry.older_than(known):
            return False
        if self._during is not None:
            self._during[key] = entry
        if entry.value is None:
            return self._entries.pop(key, None) is not None
        self._entries[key] = entry
        return known is None or known.value != entry.value

    def find(self, key: K) -> Entry[V] | None:
        """What is known of one key; safe from any thread."""
        return self._entries.get(key)

    def values(self) -> Iterator[V]:
        """Every value of the moment."""
        return iter([entry.value for entry in self._entries.values() if entry.value is not None])

    def __len__(self) -> int:
        return len(self._entries)


def _value(entries: Mapping[K, Entry[V]], key: K) -> V | None:
    entry = entries.get(key)
    return entry.value if entry is not None else None
