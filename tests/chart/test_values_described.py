"""Every value is described, checked and documented; the settings are the product's own."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import yaml

from llmjob.runtime.settings import Settings
from tools.renders import CHART

VALUES = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
SCHEMA = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))


def nodes(schema: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every schema below, with its path; what lists and maps hold included."""
    yield path, schema
    for name, inner in schema.get("properties", {}).items():
        yield from nodes(inner, f"{path}.{name}".lstrip("."))
    for keyword in ("items", "additionalProperties"):
        if isinstance(schema.get(keyword), dict):
            yield from nodes(schema[keyword], f"{path}[]")


NODES = dict(nodes(SCHEMA))


def leaves(values: object, path: str = "") -> Iterator[str]:
    if isinstance(values, dict) and values:
        for name, inner in values.items():
            yield from leaves(inner, f"{path}.{name}".lstrip("."))
    else:
        yield path


@pytest.mark.parametrize("path", list(NODES))
def test_everything_that_can_be_set_is_described_in_a_sentence(path: str) -> None:
    assert NODES[path]["description"].endswith(".")


@pytest.mark.parametrize("path", list(leaves(VALUES)))
def test_every_value_of_the_chart_is_in_the_schema(path: str) -> None:
    amount = path.rpartition(".")[0] + "[]"
    assert path in NODES or (amount in NODES and amount.endswith(("requests[]", "limits[]")))


@pytest.mark.parametrize("path", list(NODES))
def test_what_can_be_set_has_its_default_in_the_values(path: str) -> None:
    """So that `helm show values` shows it all; a parent chart's globals and what lists and maps hold have none."""
    if path == "global" or "[]" in path:
        return
    found = VALUES
    for name in path.split(".") if path else ():
        assert name in found
        found = found[name]


@pytest.mark.parametrize("path", [path for path, node in NODES.items() if "properties" in node])
def test_an_unknown_key_is_refused_everywhere(path: str) -> None:
    assert NODES[path]["additionalProperties"] is False


def test_the_settings_defaults_are_those_of_the_operator() -> None:
    assert Settings.from_text(yaml.safe_dump(VALUES["settings"])) == Settings()


def test_the_settings_keys_are_those_of_the_operator() -> None:
    def keys(model: Any) -> dict[str, Any]:
        inner = {field.alias or name: field.annotation for name, field in model.model_fields.items()}
        return {key: keys(kind) if hasattr(kind, "model_fields") else None for key, kind in inner.items()}

    def described(schema: Mapping[str, Any]) -> dict[str, Any]:
        return {key: described(inner) if "properties" in inner else None for key, inner in schema["properties"].items()}

    assert described(SCHEMA["properties"]["settings"]) == keys(Settings)


@pytest.mark.parametrize(
    "key", ["views.listInterval", "views.maxAge", "prometheus.interval", "prometheus.statusInterval"]
)
def test_a_duration_that_the_chart_takes_is_one_that_the_operator_takes(key: str) -> None:
    """Else an upgrade succeeds and the settings in force are still the old ones."""
    pattern = re.compile(NODES[f"settings.{key}"]["pattern"])
    section, name = key.split(".")
    taken = [
        f"{count}{unit}" for unit in ("s", "m", "h") for count in range(100_000) if pattern.match(f"{count}{unit}")
    ]
    assert len(taken) > 100
    for text in (*taken[:3], *(end for unit in "smh" for end in [t for t in taken if t.endswith(unit)][-1:])):
        Settings.from_text(yaml.safe_dump({section: {name: text}}))
