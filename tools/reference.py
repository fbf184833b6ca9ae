"""The LLMJob reference as Markdown, from the CRD's schema."""

from collections.abc import Iterator
from typing import Any

from llmjob.api.crd import render_crd


def reference() -> str:
    """docs/reference.md."""
    version = render_crd()["spec"]["versions"][0]
    schema = version["schema"]["openAPIV3Schema"]
    lines = [
        "# LLMJob reference",
        "",
        "Generated from the models in `operator/llmjob/api`; change those and run `make generate`.",
        "",
        f"{schema['description']} `apiVersion: llmjob.dev/{version['name']}`, `kind: LLMJob`, short name `llmj`.",
        "An unset field means the engine's or framework's own default. Fields marked * are required.",
    ]
    for part in ("spec", "status"):
        lines += [*_section(part, schema["properties"][part])]
    return "\n".join(lines) + "\n"


def _section(path: str, node: dict[str, Any]) -> Iterator[str]:
    yield from (
        "",
        f"## {path}",
        "",
        f"{node.get('description', '')}",
        "",
        "| Field | Type | Meaning |",
        "|---|---|---|",
    )
    nested = []
    for name, field in node["properties"].items():
        star = "*" if name in node.get("required", []) else ""
        yield f"| `{name}`{star} | {_type(field)} | {_cell(field)} |"
        inner = field.get("items", field)
        if "properties" in inner:
            nested.append(
                (f"{path}.{name}{'[]' if 'items' in field else ''}", inner | {"description": field["description"]})
            )
    for rule in node.get("x-kubernetes-validations", []):
        yield from ("", f"Rule: {rule['message']}.")
    for name, inner in nested:
        yield from _section(name, inner)


def _type(field: dict[str, Any]) -> str:
    if "items" in field:
        return f"list of {_type(field['items'])}"
    if "enum" in field:
        return ", ".join(str(value) for value in field["enum"])
    if "additionalProperties" in field:
        return "map"
    return str(field["type"])


def _cell(field: dict[str, Any]) -> str:
    text = str(field.get("description", "")).replace("|", "\\|")
    if "minimum" in field or "maximum" in field:
        text += f" {field.get('minimum', '')}–{field.get('maximum', '')}."
    default = field.get("default")
    return text + (f" Default {default}." if default not in (None, {}) else "")
