"""What is wrong with a field, in words that name the fix."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from pydantic import ValidationError

from llmjob.api.base import BROKEN_RULES, Rule
from llmjob.api.errors import FieldError
from llmjob.api.patterns import MEANINGS

_LONGEST_VALUE: Final = 60
_ASKED: Final = {
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "string_type": "must be a string",
    "string_unicode": "must be a string of whole characters",
    "bool_type": "must be true or false",
    "list_type": "must be a list",
    "dict_type": "must be a mapping",
    "model_type": "must be a mapping",
    "model_attributes_type": "must be a mapping",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
    "string_too_short": "must not be empty",
    "string_too_long": "must be at most {max_length} characters long",
    "too_short": "must hold at least {min_length} items",
    "too_long": "must hold at most {max_length} items",
    "literal_error": "must be one of {expected}",
}


def field_errors(error: ValidationError) -> Iterator[FieldError]:
    """Every error of a validation, with the path as the user wrote it."""
    for found in error.errors(include_url=False):
        path = _path(found["loc"])
        if found["type"] == BROKEN_RULES:
            yield from (_rule_error(path, rule) for rule in found["ctx"]["rules"])
        elif found["type"] == "missing":
            yield FieldError(path, "is required")
        else:
            value = found["input"]
            yield FieldError(path, f"{_asked(found)}, not {shown(value)}{_hint(found['type'], value)}")


def shown(value: object) -> str:
    """A value as the user wrote it, cut to a readable length."""
    try:
        text = repr(value)
    except (RecursionError, ValueError):
        text = type(value).__name__
    return text if len(text) <= _LONGEST_VALUE else text[: _LONGEST_VALUE - 1] + "…"


def _asked(found: Mapping[str, Any]) -> str:
    context = found.get("ctx", {})
    if found["type"] == "string_pattern_mismatch":
        return f"must be {MEANINGS[context['pattern']]}"
    template = _ASKED.get(found["type"])
    if template is None:
        message: str = found["msg"]
        return message[:1].lower() + message[1:]
    return template.format(**context)


def _hint(kind: str, value: object) -> str:
    if kind == "string_type" and isinstance(value, (int, float)):
        return f'; quote it: "{str(value).lower()}"'
    if kind in {"int_type", "bool_type"} and isinstance(value, str):
        return "; write it without quotes"
    return ""


def _rule_error(path: str, rule: Rule) -> FieldError:
    if len(rule.fields) == 1:
        return FieldError(f"{path}.{rule.fields[0]}", rule.message)
    return FieldError(path, f"{rule.message} ({', '.join(f'{path}.{field}' for field in rule.fields)})")


def _path(location: tuple[int | str, ...]) -> str:
    path = ""
    for part in location:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else str(part)
    return path
