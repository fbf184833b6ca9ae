"""The chart's values as Markdown, from its schema and defaults."""

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import yaml

CHART: Final = Path(__file__).parents[1] / "charts" / "llmjob"


def chart_values() -> str:
    """docs/values.md."""
    schema = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
    values = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
    lines = [
        "# Values of the chart",
        "",
        "Generated from `charts/llmjob/values.schema.json` and `values.yaml`; change those and run `make generate`.",
        "helm refuses an unknown value, or one of the wrong type, by its name.",
    ]
    properties = schema["properties"]
    groups = {name: node for name, node in properties.items() if "properties" in node}
    for name, node in groups.items():
        lines += _section(name, node["description"], _rows(name, node, values[name]))
    alone = [
        row for name, node in properties.items() if name not in groups for row in _rows(name, node, values.get(name))
    ]
    lines += _section("Others", "For the whole chart.", alone)
    return "\n".join(lines) + "\n"


def _section(title: str, description: str, rows: Iterable[str]) -> Iterator[str]:
    yield from ("", f"## {title}", "", description, "", "| Value | Type | Default | Meaning |", "|---|---|---|---|")
    yield from rows


def _rows(path: str, node: Mapping[str, Any], default: object) -> Iterator[str]:
    if "properties" in node:
        for name, inner in node["properties"].items():
            yield from _rows(f"{path}.{name}", inner, default.get(name) if isinstance(default, Mapping) else None)
        return
    shown = "" if default is None else f"`{json.dumps(default, ensure_ascii=False)}`"
    yield f"| `{path}` | {_type(node)} | {shown} | {_cell(node)} |"
    if "properties" in node.get("items", {}):
        yield from _rows(f"{path}[]", node["items"], None)


def _type(node: Mapping[str, Any]) -> str:
    if "enum" in node:
        return ", ".join(f"`{value}`" for value in node["enum"])
    kind = node["type"]
    return " or ".join(kind) if isinstance(kind, list) else str(kind)


def _cell(node: Mapping[str, Any]) -> str:
    text = str(node["description"]).replace("|", "\\|")
    return f"{text} {node['minimum']}–{node['maximum']}." if "maximum" in node else text
