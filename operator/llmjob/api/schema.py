"""From pydantic models to the structural schema of a CustomResourceDefinition."""

from typing import Any, Final

from pydantic import BaseModel

from llmjob.api.base import ApiModel, Rule

_KEPT: Final = (
    "type", "description", "enum", "pattern", "minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems",
    "maxProperties", "required", "default",
)  # fmt: skip
# The only subtree whose fields the API does not name; its size is bounded by the API server's request limit.
_FREE_FORM: Final = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}


def structural_schema(model: type[BaseModel]) -> dict[str, Any]:
    """The model's structural schema: no references, no unions with null, every node typed, rules as CEL."""
    source = model.model_json_schema(by_alias=True)
    definitions = source.get("$defs", {})
    models = {found.__name__: found for found in _models(model)}
    return _convert(source, definitions, models)


def _models(model: type[BaseModel]) -> set[type[BaseModel]]:
    found = {model}
    for field in model.model_fields.values():
        for inner in _inside(field.annotation):
            if inner not in found:
                found |= _models(inner)
    return found


def _inside(annotation: Any) -> set[type[BaseModel]]:  # noqa: ANN401, any type
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return {annotation}
    return {model for argument in getattr(annotation, "__args__", ()) for model in _inside(argument)}


def _convert(node: dict[str, Any], definitions: dict[str, Any], models: dict[str, type[BaseModel]]) -> dict[str, Any]:
    merged = _resolved(node, definitions)
    schema: dict[str, Any] = {key: merged[key] for key in _KEPT if key in merged}
    name = merged.get("title")
    if isinstance(schema.get("default"), dict):
        schema["default"] = {}  # the properties' own defaults fill it
    if "const" in merged:
        schema["enum"] = [merged["const"]]
    if schema.get("type") == "integer":
        schema["format"] = "int64"
    if "properties" in merged:
        schema["properties"] = {
            key: _convert(value, definitions, models) for key, value in merged["properties"].items()
        }
        schema |= _rules(models.get(str(name)))
    elif schema.get("type") == "object":
        values = merged.get("additionalProperties")
        if isinstance(values, dict) and values:
            schema["additionalProperties"] = _convert(values, definitions, models)
        else:
            schema |= _FREE_FORM
    if "items" in merged:
        schema["items"] = _convert(merged["items"], definitions, models)
    return schema


def _resolved(node: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    """The node with its reference followed and `X | null` reduced to X; the outer description and default win."""
    outer = {key: value for key, value in node.items() if key not in {"$ref", "anyOf"}}
    if outer.get("default", 0) is None:
        del outer["default"]
    if "$ref" in node:
        return _resolved(definitions[node["$ref"].rsplit("/", 1)[1]], definitions) | _untitled(outer)
    if "anyOf" in node:
        (inner,) = (choice for choice in node["anyOf"] if choice.get("type") != "null")
        return _resolved(inner, definitions) | _untitled(outer)
    return outer


def _untitled(node: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in node.items() if key != "title"}


def _rules(model: type[BaseModel] | None) -> dict[str, Any]:
    if model is None or not issubclass(model, ApiModel) or not model.rules:
        return {}
    return {"x-kubernetes-validations": [_rule(rule) for rule in model.rules]}


def _rule(rule: Rule) -> dict[str, str]:
    blamed = {"fieldPath": f".{rule.fields[0]}"} if len(rule.fields) == 1 else {}
    return {"rule": rule.cel, "message": rule.message, **blamed}
