"""Reading an LLMJob: the same answer as the API server's schema gives, with every error and its path."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from llmjob.api.documents import read_yaml
from llmjob.api.errors import BadInput, FieldError
from llmjob.api.json_documents import DEEPEST, nested_too_deep
from llmjob.api.llmjob import LLMJob
from llmjob.api.messages import field_errors, shown
from llmjob.names import API_VERSION, KIND

__all__ = ["BadInput", "FieldError", "ReadLLMJob", "read_llmjob", "read_yaml", "suggestion"]

_TOP_LEVEL: Final = frozenset({"apiVersion", "kind", "metadata", "spec", "status"})
_LONGEST_PREFIX: Final = 58  # the API server appends five characters
_FREE_FORM: Final = frozenset({"config", "node_selector"})


@dataclass(frozen=True, slots=True)
class ReadLLMJob:
    """An LLMJob and the paths that the API does not know, of the spec and beside it."""

    job: LLMJob
    unknown_paths: tuple[str, ...]


def read_llmjob(content: Mapping[str, Any]) -> ReadLLMJob:
    """Read one LLMJob object.

    Of metadata only the name counts; status is not read. As in the API server a field that is null is absent.

    Raises:
        BadInput: with every error, when the object is none that the API server would take.
    """
    if not isinstance(content, Mapping):
        raise BadInput(
            (FieldError("", f"an LLMJob is a mapping with apiVersion, kind, metadata and spec, not {shown(content)}"),)
        )
    wrong = tuple(_identity(content))
    if wrong:
        raise BadInput(wrong)
    if nested_too_deep(content):
        raise BadInput((FieldError("spec", f"must not be nested deeper than {DEEPEST}"),))
    metadata = content.get("metadata") or {}
    spec = content.get("spec")
    wanted = {
        "metadata": _metadata(metadata) if isinstance(metadata, Mapping) else metadata,
        "spec": _without_nulls(spec),
    }
    try:
        job = LLMJob.model_validate(wanted)
    except ValidationError as error:
        raise BadInput(tuple(field_errors(error))) from error
    beside = (str(key) for key in content if key not in _TOP_LEVEL)
    return ReadLLMJob(job, (*beside, *_unknown(spec, LLMJob.model_fields["spec"], "spec")))


def suggestion(path: str) -> str | None:
    """The nearest known name for an unknown path's last part, None where nothing is near."""
    parts = path.split(".")
    fields: Mapping[str, FieldInfo] = LLMJob.model_fields
    for part in parts[:-1]:
        found = next((field for field in fields.values() if field.alias == part.split("[")[0]), None)
        model = _model_of(found) if found else None
        if model is None:
            return None
        fields = model.model_fields
    import difflib  # noqa: PLC0415, only where a name is wrong

    known = [str(field.alias) for field in fields.values()]
    near = difflib.get_close_matches(parts[-1], known, n=1, cutoff=0.6)
    return near[0] if near else None


def _identity(content: Mapping[str, Any]) -> Iterator[FieldError]:
    if content.get("apiVersion") != API_VERSION:
        yield FieldError("apiVersion", f"is {shown(content.get('apiVersion'))}; this llmjob knows {API_VERSION}")
    if content.get("kind") != KIND:
        yield FieldError("kind", f"is {shown(content.get('kind'))}, not {KIND}")


def _metadata(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Name and namespace; before the API server gives a name, it is what generateName begins with."""
    kept = {"namespace": metadata["namespace"]} if isinstance(metadata.get("namespace"), str) else {}
    if metadata.get("name") is not None:
        kept["name"] = metadata["name"]
    elif isinstance(metadata.get("generateName"), str):
        kept["name"] = metadata["generateName"][:_LONGEST_PREFIX].rstrip("-.")
    return kept


def _without_nulls(value: object) -> object:
    """Drop null properties, as the API server prunes them; a config keeps its own."""
    if not isinstance(value, Mapping):
        return value
    kept: dict[str, object] = {}
    for key, item in value.items():
        if item is None:
            continue
        if key == "config":
            kept[key] = item
        elif isinstance(item, list):
            kept[key] = [_without_nulls(element) for element in item]
        else:
            kept[key] = _without_nulls(item)
    return kept


def _unknown(value: object, field: FieldInfo, path: str) -> Iterator[str]:
    model = _model_of(field)
    if model is None:
        return
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from _unknown_keys(item, model, f"{path}[{index}]")
    else:
        yield from _unknown_keys(value, model, path)


def _unknown_keys(value: object, model: type[BaseModel], path: str) -> Iterator[str]:
    if not isinstance(value, Mapping):
        return
    by_alias = {str(field.alias): (name, field) for name, field in model.model_fields.items()}
    for key, item in value.items():
        known = by_alias.get(str(key))
        if known is None:
            yield f"{path}.{key}"
        elif known[0] not in _FREE_FORM:
            yield from _unknown(item, known[1], f"{path}.{key}")


def _model_of(field: FieldInfo) -> type[BaseModel] | None:
    """The API model inside a field's type, through Optional and list."""
    return _model_in(field.annotation)


def _model_in(annotation: object) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for argument in get_args(annotation):
        model = _model_in(argument)
        if model is not None:
            return model
    return None
