"""The CustomResourceDefinition: structural, bounded, described, and the same bytes every time."""

from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from llmjob.api.crd import crd_yaml, render_crd

CRD = render_crd()
VERSION = CRD["spec"]["versions"][0]
SCHEMA = VERSION["schema"]["openAPIV3Schema"]
STRUCTURAL = {
    "type", "description", "enum", "pattern", "minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems",
    "maxProperties", "required", "default", "format", "properties", "additionalProperties", "items",
    "x-kubernetes-validations", "x-kubernetes-preserve-unknown-fields", "x-kubernetes-list-type",
    "x-kubernetes-list-map-keys",
}  # fmt: skip


def nodes(node: dict[str, Any], path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    yield path, node
    for name, inner in node.get("properties", {}).items():
        yield from nodes(inner, f"{path}.{name}")
    if "items" in node:
        yield from nodes(node["items"], f"{path}[]")
    if isinstance(node.get("additionalProperties"), dict):
        yield from nodes(node["additionalProperties"], f"{path}{{}}")


NODES = [node for part in ("spec", "status") for node in nodes(SCHEMA["properties"][part], part)]


@pytest.mark.parametrize("node", [node for _, node in NODES], ids=[path for path, _ in NODES])
def test_every_node_is_typed_and_bounded(node):
    assert set(node) <= STRUCTURAL
    match node["type"]:
        case "string":
            assert "maxLength" in node or "enum" in node
        case "integer":
            assert {"minimum", "maximum", "format"} <= set(node)
        case "array":
            assert "maxItems" in node
        case "object":
            assert "properties" in node or "maxProperties" in node
        case kind:
            assert kind == "boolean"


@pytest.mark.parametrize(("path", "node"), NODES, ids=[path for path, _ in NODES])
def test_every_field_is_described_for_kubectl_explain(path, node):
    if not path.endswith(("[]", "{}")):
        assert node["description"].endswith((".", "..."))


def test_only_config_is_free_form():
    free = [path for path, node in NODES if node.get("x-kubernetes-preserve-unknown-fields")]
    assert free == ["spec.model.config"]


def test_every_rule_carries_a_message_that_names_the_fields_it_blames():
    rules = [(path, rule) for path, node in NODES for rule in node.get("x-kubernetes-validations", [])]
    assert len(rules) == 10
    for _, rule in rules:
        assert rule["message"]
        if "fieldPath" in rule:
            assert rule["fieldPath"].removeprefix(".") in rule["message"]


def test_only_parallelism_has_defaults():
    defaults = {path: node["default"] for path, node in NODES if "default" in node}
    degrees = ("tensor", "pipeline", "context", "decodeContext", "expert")
    assert defaults == {"spec.parallelism": {}} | {f"spec.parallelism.{name}": 1 for name in degrees}


def test_the_name_fits_a_label_value():
    assert SCHEMA["properties"]["metadata"]["properties"]["name"]["maxLength"] == 63


def test_names_are_the_contracts():
    names = CRD["spec"]["names"]
    assert CRD["metadata"]["name"] == "llmjobs.llmjob.dev"
    assert CRD["spec"]["scope"] == "Namespaced"
    assert names["kind"] == "LLMJob"
    assert names["shortNames"] == ["llmj"]
    assert names["categories"] == ["llm"]
    assert (VERSION["name"], VERSION["served"], VERSION["storage"]) == ("v1alpha1", True, True)
    assert VERSION["subresources"] == {"status": {}}


def test_the_columns_tell_model_task_need_gpus_and_reason():
    shown = [column["name"] for column in VERSION["additionalPrinterColumns"] if column.get("priority", 0) == 0]
    assert shown == ["Model", "Task", "Need", "GPUs", "Fits", "Reason", "Age"]


def test_lists_of_status_that_are_maps_say_their_key():
    status = SCHEMA["properties"]["status"]["properties"]
    assert status["roles"]["x-kubernetes-list-map-keys"] == ["name"]
    assert status["conditions"]["x-kubernetes-list-map-keys"] == ["type"]


def test_the_yaml_is_the_rendered_definition_and_the_same_every_time():
    assert yaml.safe_load(crd_yaml()) == CRD
    assert crd_yaml() == crd_yaml()
