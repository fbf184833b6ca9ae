"""YAML with Kubernetes' meaning: JSON is YAML, 1e-06 is a number; duplicate keys, alias bombs and NaN are errors."""

from typing import Any, Final

import yaml

from llmjob.api.errors import BadInput, FieldError
from llmjob.api.json_documents import DEEPEST, looks_like_json, nested_too_deep, read_json
from llmjob.api.scalars import MERGE, Scalar, key_text, resolve_plain, resolve_tagged

_LONGEST: Final = 32 * 2**20
_ALIASES: Final = 100
_NODES: Final = 2_000_000  # after aliases are followed
_PARSER: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_yaml(text: str) -> list[object]:
    """Every document of a YAML (or JSON) text, empty ones left out.

    Raises:
        BadInput: when the text is no YAML, or holds what JSON cannot: the message says line and column.
    """
    documents = read_each(text)
    for document in documents:
        if isinstance(document, BadInput):
            raise document
    return documents


def read_each(text: str) -> list[object]:
    """Every document of a text, empty ones left out; where one cannot be read its BadInput stands in its place.

    What breaks the syntax ends the text: what follows it cannot be told apart.
    """
    if len(text) > _LONGEST:
        return [_bad(f"longer than {_LONGEST // 2**20} MiB; split it")]
    if looks_like_json(text):
        try:
            documents = read_json(text)
        except BadInput as error:
            return [error]
        if documents is not None:
            return documents
    try:
        return [document for document in _Documents(text).read() if document is not None]
    except yaml.reader.ReaderError as error:
        return [_bad(f"{error.reason} at position {error.position}")]
    except UnicodeError as error:
        return [_bad(f"no Unicode text: {error}")]


def _broken(error: yaml.MarkedYAMLError) -> BadInput:
    return _bad(error.problem or error.context or str(error), error.problem_mark or error.context_mark)


def _bad(message: str, mark: Any = None) -> BadInput:  # noqa: ANN401, libyaml's mark or PyYAML's
    place = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
    return BadInput((FieldError("", f"not YAML{place}: {message}"),))


class _Documents:
    """Builds plain values from the parser's events, so that every limit holds before anything is built."""

    def __init__(self, text: str) -> None:
        self._parser = _PARSER(text)
        self._anchors: dict[str, tuple[Any, int]] = {}  # value and how many nodes it has
        self._aliases = 0
        self._nodes = 0
        self._depth = 0

    def read(self) -> list[object]:
        documents: list[object] = []
        try:
            while not self._parser.check_event(yaml.StreamEndEvent):
                event = self._parser.get_event()
                if isinstance(event, yaml.DocumentStartEvent):
                    documents.append(self._document(event))
        except yaml.MarkedYAMLError as error:
            documents.append(_broken(error))
        finally:
            self._parser.dispose()
        return documents

    def _document(self, start: yaml.DocumentStartEvent) -> object:
        self._anchors, self._depth = {}, 0
        try:
            value = self._value(self._parser.get_event())
            if self._aliases and nested_too_deep(value):
                raise _bad(f"nested deeper than {DEEPEST}", start.start_mark)
        except BadInput as error:
            while not self._parser.check_event(yaml.DocumentEndEvent):
                self._parser.get_event()
            return error
        return value

    def _value(self, event: yaml.NodeEvent) -> Any:  # noqa: ANN401, any JSON value
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event)
        before = self._nodes
        self._count(1, event)
        if isinstance(event, yaml.ScalarEvent):
            scalar = _scalar(event)
            self._keep(event, scalar, 1)
            return scalar
        self._depth += 1
        if self._depth > DEEPEST:
            raise _bad(f"nested deeper than {DEEPEST}", event.start_mark)
        value = self._sequence() if isinstance(event, yaml.SequenceStartEvent) else self._mapping()
        self._depth -= 1
        self._keep(event, value, self._nodes - before)
        return value

    def _keep(self, event: yaml.NodeEvent, value: object, nodes: int) -> None:
        if event.anchor is not None:
            self._anchors[event.anchor] = (value, nodes)

    def _count(self, nodes: int, event: yaml.NodeEvent) -> None:
        self._nodes += nodes
        if self._nodes > _NODES:
            raise _bad(f"more than {_NODES} values, aliases followed", event.start_mark)

    def _alias(self, event: yaml.AliasEvent) -> object:
        self._aliases += 1
        if self._aliases > _ALIASES:
            raise _bad(f"more than {_ALIASES} aliases", event.start_mark)
        if event.anchor not in self._anchors:
            raise _bad(f"alias {event.anchor!r} has no anchor before it, or holds itself", event.start_mark)
        value, nodes = self._anchors[event.anchor]
        self._count(nodes, event)
        return value

    def _sequence(self) -> list[object]:
        items: list[object] = []
        while not isinstance(event := self._parser.get_event(), yaml.SequenceEndEvent):
            items.append(self._value(event))
        return items

    def _mapping(self) -> dict[str, object]:
        own: dict[str, object] = {}
        merged: list[dict[str, object]] = []
        while not isinstance(event := self._parser.get_event(), yaml.MappingEndEvent):
            if _is_merge(event):
                merged += self._merged()
                continue
            key = _key(event, self._value(event))
            if key in own:
                raise _bad(f"key {key!r} stands twice", event.start_mark)
            own[key] = self._value(self._parser.get_event())
        for source in merged:
            own = {**source, **own}
        return own

    def _merged(self) -> list[dict[str, object]]:
        event = self._parser.get_event()
        value = self._value(event)
        sources = [source for source in (value if isinstance(value, list) else [value]) if isinstance(source, dict)]
        if not sources or (isinstance(value, list) and len(sources) < len(value)):
            raise _bad("<< merges a mapping, or a list of mappings", event.start_mark)
        return sources


def _scalar(event: yaml.ScalarEvent) -> Scalar:
    try:
        if event.tag not in {None, "!"}:
            return resolve_tagged(event.tag, event.value)
        plain = event.implicit[0] and event.tag is None
        return resolve_plain(event.value) if plain else str(event.value)
    except ValueError as error:
        raise _bad(str(error), event.start_mark) from error


def _is_merge(event: yaml.Event) -> bool:
    if not isinstance(event, yaml.ScalarEvent) or event.value != "<<":
        return False
    return event.tag == MERGE or (event.tag is None and bool(event.implicit[0]))


def _key(event: yaml.Event, value: Any) -> str:  # noqa: ANN401, any JSON value
    if isinstance(value, (dict, list)):
        raise _bad("a key is a string, no mapping or list", event.start_mark)
    try:
        return key_text(value)
    except ValueError as error:
        raise _bad(str(error), event.start_mark) from error
