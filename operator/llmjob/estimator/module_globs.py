"""Entries of a quantised checkpoint's lists of modules as globs.

A list is a user's text: it is matched in time that grows with its length alone. Names, globs and the regular
expressions that publishers write (literals, `.*`, `.`, a choice such as `(gate|up)_proj`, `^` and `$`) are read;
others are not, since a regular expression may take for ever.
"""

import fnmatch
import re
from collections.abc import Iterable
from itertools import product
from typing import Final

EXPRESSION: Final = "re:"
_LONGEST: Final = 200
_MOST_CHOICES: Final = 32
_TOKEN: Final = re.compile(
    r"(?P<any>\.\*)|(?P<some>\.\+)|(?P<dot>\\\.)|(?P<one>\.)|(?P<text>[\w-]+)|\((?:\?:)?(?P<choice>[\w|-]+)\)"
)
_GLOBS: Final = {"any": "*", "some": "?*", "dot": ".", "one": "?"}
_BEFORE, _AFTER = fnmatch.translate("x").split("x")
_BELOW: Final = r"(?:\..*)?"


def globs_of(entry: str) -> tuple[str, ...] | None:
    """The entry as globs; None for a form that is not read."""
    if len(entry) > _LONGEST:
        return None
    if not entry.startswith(EXPRESSION):
        return (entry,)
    expression = entry.removeprefix(EXPRESSION).removeprefix("^")
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


def pattern_of(globs: Iterable[str]) -> str:
    """One expression that holds for the whole path of a module, or of one that it lies in, as one of the globs says."""
    inner = "|".join(fnmatch.translate(glob)[len(_BEFORE) : -len(_AFTER)] for glob in globs)
    return rf"(?:{inner}){_BELOW}\Z"


def _choices(pieces: Iterable[tuple[str, ...]]) -> int:
    count = 1
    for piece in pieces:
        count *= len(piece)
    return count
