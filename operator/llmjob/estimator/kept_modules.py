"""The modules that an entry of a quantised checkpoint's config.json means: those that it leaves at the model's dtype,
and those that it stores unlike the others.

The list is a user's text: it is matched in time that grows with its length alone. Names, globs and the regular
expressions that publishers write (literals, `.*`, `.`, a choice such as `(gate|up)_proj`, `^` and `$`) are read;
others are not, since a regular expression may take for ever, and `unread` says so.
"""

import fnmatch
import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product
from typing import Final

_EXPRESSION: Final = "re:"
_MOST_PATTERNS: Final = 32
_MOST_BEGINNINGS: Final = 1024
_LONGEST: Final = 200
_MOST_CHOICES: Final = 32
_TOKEN: Final = re.compile(
    r"(?P<any>\.\*)|(?P<some>\.\+)|(?P<dot>\\\.)|(?P<one>\.)|(?P<text>[\w-]+)|\((?:\?:)?(?P<choice>[\w|-]+)\)"
)
_TELLS_LAYERS: Final = frozenset("0123456789?[")
_GLOBS: Final = {"any": "*", "some": "?*", "dot": ".", "one": "?"}


@dataclass(frozen=True, slots=True)
class KeptModules:
    """What a list keeps: `names` (any stretch of a module's path), what a path begins with, and other `patterns`.

    `unread`: how many entries of the list are in no form that is read; they keep nothing here. `by_layer`: layers may
    differ in what is kept, as some entry can tell one number from another.
    """

    names: frozenset[str] = frozenset()
    beginnings: tuple[str, ...] = ()
    patterns: re.Pattern[str] | None = None
    unread: int = 0
    by_layer: bool = False

    def __bool__(self) -> bool:
        return bool(self.names or self.beginnings or self.patterns)

    def keeps(self, module: str) -> bool:
        """Whether a module, by its full path (`model.layers.3.self_attn.q_proj`), is kept."""
        if self.beginnings and module.startswith(self.beginnings):
            return True
        if self.patterns is not None and self.patterns.match(module):
            return True
        if not self.names:
            return False
        parts = module.split(".")
        ends = range(1, len(parts) + 1)
        return any(".".join(parts[start:end]) in self.names for end in ends for start in range(end))


def kept_modules(entries: Iterable[str]) -> KeptModules:
    """Read a list of names, globs and `re:` expressions."""
    names, beginnings, others, unread = set(), set(), set(), 0
    for entry in dict.fromkeys(entries):
        globs = _globs(entry)
        if globs is None:
            unread += 1
            continue
        for glob in globs:
            # Multimodal checkpoints put their language model one level deeper.
            inner = glob.replace("language_model.", "")
            if not set(inner) & set("*?["):
                names.add(inner)
            elif inner.endswith("*") and not set(inner[:-1]) & set("*?["):
                beginnings.add(inner[:-1])
            else:
                others.add(inner)
    read = sorted(others)[:_MOST_PATTERNS]
    both = [fnmatch.translate(glob) for inner in read for glob in (inner, f"{inner}.*")]
    return KeptModules(
        names=frozenset(names),
        beginnings=tuple(sorted(beginnings)[:_MOST_BEGINNINGS]),
        patterns=re.compile("|".join(both)) if both else None,
        by_layer=any(_TELLS_LAYERS & set(glob) for glob in (*names, *beginnings, *others)),
        unread=unread + len(others) - len(read) + max(0, len(beginnings) - _MOST_BEGINNINGS),
    )


def _globs(entry: str) -> tuple[str, ...] | None:
    """The entry as globs; None for a form that is not read."""
    if len(entry) > _LONGEST:
        return None
    if not entry.startswith(_EXPRESSION):
        return (entry,)
    expression = entry.removeprefix(_EXPRESSION).removeprefix("^")
    closed = expression.endswith("$")
    expression = expression.removesuffix("$")
    pieces: list[tuple[str, ...]] = []
    position = 0
    while position < len(expression):
        token = _TOKEN.match(expression, position)
        if token is None:
            return None
        position = token.end()
        kind, text = str(token.lastgroup), token[str(token.lastgroup)]
        pieces.append(tuple(text.split("|")) if kind == "choice" else (_GLOBS.get(kind, text),))
    if _choices(pieces) > _MOST_CHOICES:
        return None
    # An expression is matched from the start and, without `$`, may end anywhere; a glob ends where the path does.
    return tuple("".join(parts) + ("" if closed else "*") for parts in product(*pieces))


def _choices(pieces: Iterable[tuple[str, ...]]) -> int:
    count = 1
    for piece in pieces:
        count *= len(piece)
    return count
