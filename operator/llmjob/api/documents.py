"""YAML with Kubernetes' meaning: JSON is YAML, 1e-06 is a number; duplicate keys, alias bombs and NaN are errors."""

import math
import re
from collections.abc import Hashable
from typing import Any, Final

import yaml

from llmjob.api.errors import BadInput, FieldError

_ALIASES: Final = 100
_DEPTH: Final = 200
_FLOAT: Final = re.compile(r"^[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?$")
_TAG: Final = "tag:yaml.org,2002:"

_ALIAS: Final = re.compile(r"(?:^|[\s\[{,:-])\*")


class _Limited(yaml.SafeLoader):
    """The safe loader with a limit on aliases and depth; for texts that may hold an alias."""

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self.aliases = 0
        self.depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.events.AliasEvent):
            self.aliases += 1
            if self.aliases > _ALIASES:
                raise yaml.composer.ComposerError(
                    None, None, f"more than {_ALIASES} aliases", self.peek_event().start_mark
                )
        self.depth += 1
        if self.depth > _DEPTH:
            raise yaml.composer.ComposerError(None, None, f"nested deeper than {_DEPTH}", self.peek_event().start_mark)
        try:
            return super().compose_node(parent, index)
        finally:
            self.depth -= 1


class _Fast(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """The safe loader in C, ten times as fast; libyaml limits the depth itself."""


def _mapping(loader: yaml.SafeLoader, node: yaml.MappingNode) -> dict[Hashable, Any]:
    loader.flatten_mapping(node)
    found: dict[Hashable, Any] = {}
    for key_node, value_node in node.value:
        key = loader.construct_object(key_node, deep=True)
        if not isinstance(key, str):
            key = key_node.value if isinstance(key_node, yaml.ScalarNode) else None
        if key is None:
            raise yaml.constructor.ConstructorError(None, None, "a key is no string", key_node.start_mark)
        if key in found:
            raise yaml.constructor.ConstructorError(None, None, f"key {key!r} stands twice", key_node.start_mark)
        found[key] = loader.construct_object(value_node, deep=True)
    return found


def _float(_: yaml.SafeLoader, node: yaml.ScalarNode) -> float:
    text = node.value.replace("_", "").lower()
    if not _FLOAT.match(text):
        raise yaml.constructor.ConstructorError(
            None, None, f"{node.value} is no number that JSON knows", node.start_mark
        )
    value = float(text)
    if math.isinf(value):
        raise yaml.constructor.ConstructorError(None, None, f"{node.value} is out of range", node.start_mark)
    return value


def _configure(loader: type[yaml.SafeLoader]) -> None:
    loader.yaml_implicit_resolvers = {
        first: [
            (tag, regexp) for tag, regexp in resolvers if tag not in {_TAG + "float", _TAG + "int", _TAG + "timestamp"}
        ]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    number = r"(?:[0-9]+(?:\.[0-9]*)?(?:[eE][-+]?[0-9]+)?|\.[0-9]+(?:[eE][-+]?[0-9]+)?)"
    loader.add_implicit_resolver(
        _TAG + "float",
        re.compile(rf"^(?:[-+]?{number}|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$"),
        list("-+0123456789."),
    )
    # Without the sexagesimal numbers of YAML 1.1, which Kubernetes' parser does not know either.
    loader.add_implicit_resolver(
        _TAG + "int",
        re.compile(r"^[-+]?(?:0b[0-1_]+|0x[0-9a-fA-F_]+|0[0-7_]*|[1-9][0-9_]*)$"),
        list("-+0123456789"),
    )
    loader.add_constructor(_TAG + "map", _mapping)
    loader.add_constructor(_TAG + "float", _float)


_configure(_Limited)
_configure(_Fast)


def read_yaml(text: str) -> list[object]:
    """Every document of a YAML (or JSON) text, empty ones left out.

    Raises:
        BadInput: when the text is no YAML, or holds what JSON cannot: the message says line and column.
    """
    loader: yaml.SafeLoader | None = None
    try:
        loader = _Limited(text) if _ALIAS.search(text) else _Fast(text)
        documents: list[object] = []
        while loader.check_data():
            documents.append(loader.get_data())
    except yaml.MarkedYAMLError as error:
        raise BadInput((FieldError("", _where(error)),)) from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise BadInput((FieldError("", f"not YAML: {str(error).splitlines()[0]}"),)) from error
    finally:
        if loader is not None:
            loader.dispose()
    return [document for document in documents if document is not None]


def _where(error: yaml.MarkedYAMLError) -> str:
    mark = error.problem_mark or error.context_mark
    place = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
    return f"not YAML{place}: {error.problem or error.context or error}"
