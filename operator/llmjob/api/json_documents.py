"""JSON documents one after another, as kubectl reads them, with the limits of YAML input."""

import json
import math
import re
from collections.abc import Iterable
from typing import Final, NoReturn

from llmjob.api.errors import BadInput, FieldError

DEEPEST: Final = 200
_SPACE: Final = re.compile(r"[ \t\r\n\ufeff]*")
_HALF_PAIR: Final = re.compile(r"\\u[dD][89a-fA-F]")
_INT64: Final = 2**63
_DIGITS: Final = 400


def looks_like_json(text: str) -> bool:
    """Whether the text begins as a JSON object does."""
    return text.startswith("{", _blank(text, 0))


def read_json(text: str) -> list[object] | None:
    """The documents; None where the text is no JSON and may still be YAML.

    Raises:
        BadInput: for what JSON cannot hold, and for a key that stands twice.
    """
    decoder = json.JSONDecoder(
        object_pairs_hook=_object, parse_constant=_no_constant, parse_float=_float, parse_int=_integer
    )
    documents: list[object] = []
    position = _blank(text, 0)
    try:
        while position < len(text):
            document, position = decoder.raw_decode(text, position)
            documents.append(document)
            position = _blank(text, position)
    except json.JSONDecodeError:
        return None
    except RecursionError as error:
        raise _bad(f"nested deeper than {DEEPEST}") from error
    if any(nested_too_deep(document) for document in documents):
        raise _bad(f"nested deeper than {DEEPEST}")
    if _HALF_PAIR.search(text) and not _is_unicode(documents):
        raise _bad("a string holds half of a surrogate pair")
    return documents


def nested_too_deep(document: object) -> bool:
    """Whether values lie deeper than the limit."""
    level: list[object] = [document]
    for _ in range(DEEPEST + 1):
        level = [item for value in level for item in _items(value)]
        if not level:
            return False
    return True


def _is_unicode(documents: list[object]) -> bool:
    try:
        json.dumps(documents, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def _items(value: object) -> Iterable[object]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _blank(text: str, position: int) -> int:
    match = _SPACE.match(text, position)
    return match.end() if match else position


def _bad(message: str) -> BadInput:
    return BadInput((FieldError("", f"not JSON: {message}"),))


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found: dict[str, object] = {}
    for key, value in pairs:
        if key in found:
            raise _bad(f"key {key!r} stands twice")
        found[key] = value
    return found


def _integer(text: str) -> int | float:
    if len(text) > _DIGITS:
        raise _bad(f"{text[:20]}… is out of range")
    value = int(text)
    return value if -_INT64 <= value < _INT64 else _float(text)


def _float(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise _bad(f"{text[:20]} is out of range")
    return value


def _no_constant(text: str) -> NoReturn:
    raise _bad(f"{text} is no number that JSON knows")
