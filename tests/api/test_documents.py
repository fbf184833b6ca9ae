"""YAML and JSON documents: limits, duplicates, places of errors."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmjob.api.reader import BadInput, read_yaml


def error_of(text):
    with pytest.raises(BadInput) as caught:
        read_yaml(text)
    (error,) = caught.value.errors
    assert error.path == ""
    return error.message


def test_several_documents_are_read_and_empty_ones_left_out():
    assert read_yaml("a: 1\n---\n---\n# nothing\n---\n- b\n") == [{"a": 1}, ["b"]]


def test_an_empty_text_has_no_document():
    assert read_yaml("") == []
    assert read_yaml("# only a comment\n") == []


def test_json_documents_may_follow_one_another():
    assert read_yaml('{"a": 1}\n{"b": [true, null, 1.5]}\n') == [{"a": 1}, {"b": [True, None, 1.5]}]


def test_a_flow_mapping_that_is_no_json_is_yaml():
    assert read_yaml("{a: 1, b: yes}") == [{"a": 1, "b": True}]


def test_json_may_be_indented_with_tabs_and_write_characters_as_pairs():
    assert read_yaml('{\n\t"a": "\\ud83d\\ude00"}') == [{"a": "😀"}]


@pytest.mark.parametrize("text", ["a: 1\nb: 2\na: 3\n", "x: {a: 1, a: 1}\n", "1: a\n'1': b\n"])
def test_a_key_that_stands_twice_is_an_error_with_its_place(text):
    message = error_of(text)
    assert "stands twice" in message
    assert "line" in message


def test_a_key_that_stands_twice_is_named_with_line_and_column():
    assert error_of("a: 1\nb:\n  c: 1\n  c: 2\n") == "not YAML at line 4, column 3: key 'c' stands twice"


def test_a_key_that_stands_twice_in_json_is_an_error():
    assert "'a' stands twice" in error_of('{"b": {"a": 1, "a": 2}}')


def test_a_key_may_override_a_merged_one():
    assert read_yaml("a: &a {x: 1, z: 2}\nb: {<<: *a, x: 3}\n") == [{"a": {"x": 1, "z": 2}, "b": {"x": 3, "z": 2}}]


def test_the_first_of_several_merged_mappings_wins():
    assert read_yaml("a: &a {x: 1}\nb: &b {x: 2, z: 2}\nc: {<<: [*a, *b]}\n")[0]["c"] == {"x": 1, "z": 2}


@pytest.mark.parametrize("value", ["1", "[1]", "[]", "[{}, 1]"])
def test_only_mappings_are_merged(value):
    assert "merges a mapping" in error_of(f"a: {{<<: {value}}}\n")


def test_a_quoted_merge_sign_is_a_key():
    assert read_yaml("a: {'<<': 1}\n") == [{"a": {"<<": 1}}]


def test_a_hundred_aliases_are_read_and_one_more_is_an_error():
    assert read_yaml("a: &x 1\nb: [" + "*x," * 100 + "]")[0]["b"] == [1] * 100
    assert "more than 100 aliases" in error_of("a: &x 1\nb: [" + "*x," * 101 + "]")


def test_few_aliases_that_stand_for_millions_of_values_are_an_error():
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 10)}]\n" for level in range(1, 10)
    )
    assert bomb.count("*") <= 100
    assert "aliases followed" in error_of(bomb)


def test_aliases_do_not_nest_deeper_than_text_may():
    chain = "a0: &a0 " + "[" * 150 + "]" * 150 + "\na1: " + "[" * 100 + "*a0" + "]" * 100 + "\n"
    assert "nested deeper" in error_of(chain)


def test_an_alias_without_anchor_is_an_error():
    assert "'x'" in error_of("a: *x\n")


def test_an_anchor_of_another_document_is_unknown():
    assert "'x'" in error_of("a: &x 1\n---\nb: *x\n")


def test_an_anchor_cannot_hold_itself():
    assert "holds itself" in error_of("a: &a [*a]\n")


@pytest.mark.parametrize("text", ["[" * 201 + "]" * 201, "[" * 100_000, "{" * 100_000, '{"a":' * 100_000])
def test_what_is_nested_too_deep_is_an_error(text):
    assert "nest" in error_of(text)


def test_json_nested_too_deep_is_an_error():
    assert "nested deeper" in error_of('{"a":' * 250 + "1" + "}" * 250)


@pytest.mark.parametrize("text", ['{"a": NaN}', '{"a": Infinity}', '{"a": 1e400}', '{"a": "\\ud83d"}'])
def test_what_json_cannot_hold_is_an_error(text):
    assert error_of(text).startswith("not JSON")


def test_json_integers_beyond_64_bits_are_floats_as_for_the_api_server():
    (document,) = read_yaml('{"a": 9223372036854775807, "b": 9223372036854775808, "c": -9223372036854775809}')
    assert document == {"a": 2**63 - 1, "b": float(2**63), "c": float(-(2**63))}
    assert [type(value) for value in document.values()] == [int, float, float]


@pytest.mark.parametrize("text", ["\x00", "a: \ud800", "a: b: c", "a:\n\t- b", "\x07", "&", "!!int x", "%YAML 9"])
def test_what_is_no_yaml_is_an_error(text):
    assert error_of(text).startswith("not YAML")


def test_a_key_that_is_a_mapping_is_an_error():
    assert "a key is a string" in error_of("? {a: 1}\n: b\n")


def test_a_text_beyond_32_mib_is_refused_before_it_is_parsed():
    assert "32 MiB" in error_of("#" * (32 * 2**20 + 1))


def outcome(text):
    try:
        return read_yaml(text), ()
    except BadInput as error:
        return None, error.errors


@given(st.text() | st.text(alphabet="{}[]:,-*&!|>'\"%@`#?<\n\t ab01.~", max_size=60))
def test_no_text_crashes_the_reader(text):
    documents, errors = outcome(text)
    assert (documents is None) == bool(errors)
    assert documents is None or None not in documents
