"""Scalars as a kube-apiserver reads them; tests/cluster/test_crd.py asks a server for the same table."""

import json
from pathlib import Path

import pytest

from llmjob.api.reader import BadInput, read_yaml

TABLE = json.loads((Path(__file__).parents[1] / "data" / "yaml_scalars.json").read_text())


@pytest.mark.parametrize("text", TABLE)
def test_a_scalar_means_what_it_means_to_the_api_server(text):
    expected = TABLE[text]
    if "error" in expected:
        with pytest.raises(BadInput):
            read_yaml(f"v: {text}\n")
        return
    (document,) = read_yaml(f"v: {text}\n")
    found = document["v"]
    assert found == expected["value"]
    assert isinstance(found, bool) == isinstance(expected["value"], bool)
    assert isinstance(found, str) == isinstance(expected["value"], str)


def test_a_whole_number_stays_an_integer():
    (document,) = read_yaml("[8192, 0x10, -3, 9223372036854775807]")
    assert [type(value) for value in document] == [int, int, int, int]
    assert document == [8192, 16, -3, 9223372036854775807]


@pytest.mark.parametrize(
    ("key", "text"), [("yes", "true"), ("1", "1"), ("0x10", "16"), ("1.5", "1.5"), ("2.0", "2"), ("'yes'", "yes")]
)
def test_a_key_is_the_string_that_json_has(key, text):
    assert read_yaml(f"{key}: 1\n") == [{text: 1}]


def test_null_is_no_key():
    with pytest.raises(BadInput, match="null is no key"):
        read_yaml("~: 1\n")
