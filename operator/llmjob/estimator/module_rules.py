"""Which modules of a quantised checkpoint are stored unlike the others, and how, as lists in its config.json say."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Final

from llmjob.estimator.module_globs import globs_of, pattern_of
from llmjob.estimator.module_names import ours, ours_of_glob, spellings, without_expert

Size = Fraction | None
"""Bytes of an element; None for the model's own dtype."""

_MOST_PATTERNS: Final = 32
"""Globs of all entries together: each is tried on every module, so as many keep any config cheap."""
_TELLS_LAYERS: Final = frozenset("0123456789?[")
_WILD: Final = frozenset("*?[")


@dataclass(frozen=True, slots=True)
class Pattern:
    """An entry's globs and its place in the order of entries."""

    globs: tuple[str, ...]
    order: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ModuleRules:
    """Of the entries that hold for a module the first counts: by its place it has one of `sizes`.

    `names` are any stretch of a module's path, `beginnings` what one begins with, `patterns` globs. `experts`: names of
    single experts' modules, by the name of all and the place, with the experts' numbers. `unread`: entries in no form
    that is read, or of no module that is known; `unread_sizes`: of them, some that quantise. `by_layer`: some entry can
    tell one layer's number from another.
    """

    sizes: tuple[Size, ...] = ()
    names: Mapping[str, int] = field(default_factory=dict, hash=False)
    experts: Mapping[tuple[str, int], set[str]] = field(default_factory=dict, hash=False)
    beginnings: Mapping[str, int] = field(default_factory=dict, hash=False)
    patterns: tuple[Pattern, ...] = ()
    unread: int = 0
    unread_sizes: bool = False
    by_layer: bool = False
    _lengths: tuple[int, ...] = field(init=False)
    _joined: re.Pattern[str] | None = field(init=False)

    def __post_init__(self) -> None:
        joined = "|".join(f"({pattern_of(pattern.globs)})" for pattern in self.patterns)
        object.__setattr__(self, "_joined", re.compile(joined) if joined else None)
        object.__setattr__(self, "_lengths", tuple(sorted({len(beginning) for beginning in self.beginnings})))

    def place(self, name: str, prefix: str = "") -> int | None:
        """The place of the first entry that holds for a module, by its layer's path and its name below that.

        `prefix` is such as `model.layers.3.`. None where no entry holds.
        """
        found: list[int] = []
        module = prefix + name
        if self.names:
            parts = module.split(".")
            ends = range(1, len(parts) + 1)
            stretches = [".".join(parts[start:end]) for end in ends for start in range(end)]
            found += [self.names[stretch] for stretch in stretches if stretch in self.names]
        for length in self._lengths:
            if module[:length] in self.beginnings:
                found.append(self.beginnings[module[:length]])
        if self._joined is not None:
            for spelling in spellings(name):
                match = self._joined.match(prefix + spelling)
                if match is not None and match.lastindex is not None:
                    found.append(self.patterns[match.lastindex - 1].order)
        return min(found) if found else None

    def size(self, name: str, prefix: str, otherwise: Size) -> Size:
        """Bytes of an element of a module; `otherwise` those of one that no entry holds for."""
        place = self.place(name, prefix)
        return otherwise if place is None else self.sizes[place]


def module_rules(entries: Iterable[tuple[str, Size]]) -> ModuleRules:
    """Read names, globs and `re:` expressions with the bytes of an element, in the order in which they count."""
    reading = _Reading()
    seen: set[str] = set()
    for entry, size in entries:
        if entry not in seen:
            seen.add(entry)
            reading.add(entry, size)
    return reading.rules()


class _Reading:
    """Rules as far as they are read."""

    def __init__(self) -> None:
        self._sizes: list[Size] = []
        self._names: dict[str, int] = {}
        self._experts: dict[tuple[str, int], set[str]] = {}
        self._beginnings: dict[str, int] = {}
        self._patterns: list[Pattern] = []
        self._count = self._unread = 0
        self._unread_sizes = self._by_layer = False
        # The names of a checkpoint's single experts are few but for their numbers.
        self._ours: dict[str, tuple[str, ...]] = {}

    def add(self, entry: str, size: Size) -> None:
        """Read one more entry."""
        if not self._sizes or (self._sizes[-1] is not size and self._sizes[-1] != size):
            self._sizes.append(size)
        globs = globs_of(entry) or ()
        wild = not globs or bool(_WILD & set(globs[0][:-1])) or globs[0].endswith(("?", "["))
        if wild and (not globs or self._count + len(globs) > _MOST_PATTERNS):
            self._unread += 1
            self._unread_sizes |= size is not None
            return
        self._by_layer = self._by_layer or any(_TELLS_LAYERS & set(glob) for glob in globs)
        if wild:
            self._count += len(globs)
            self._patterns.append(Pattern(tuple(ours_of_glob(glob) for glob in globs), len(self._sizes) - 1))
        else:
            for glob in globs:
                self._add_name(glob)

    def _add_name(self, glob: str) -> None:
        """A name, or the beginning of one."""
        order = len(self._sizes) - 1
        begins = glob.endswith("*")
        name, expert = (glob[:-1], None) if begins else without_expert(glob)
        if name not in self._ours:
            self._ours[name] = ours(name)
        for our in self._ours[name]:
            if expert is not None:
                self._experts.setdefault((our, order), set()).add(expert)
            else:
                (self._beginnings if begins else self._names).setdefault(our, order)

    def rules(self) -> ModuleRules:
        """What is read."""
        return ModuleRules(
            sizes=tuple(self._sizes),
            names=self._names,
            experts=self._experts,
            beginnings=self._beginnings,
            patterns=tuple(self._patterns),
            unread=self._unread,
            unread_sizes=self._unread_sizes,
            by_layer=self._by_layer,
        )
