"""Reading an LLMJob: all errors at once, unknown paths, nearest names; no input crashes it."""

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmjob.api.reader import BadInput, read_llmjob, suggestion


def llmjob(spec: Any, **metadata: Any) -> dict[str, Any]:
    return {
        "apiVersion": "llmjob.dev/v1alpha1",
        "kind": "LLMJob",
        "metadata": {"name": "a"} | metadata,
        "spec": spec,
    }


def errors_of(content):
    with pytest.raises(BadInput) as caught:
        read_llmjob(content)
    return {error.path: error.message for error in caught.value.errors}


def test_all_errors_of_all_fields_are_told_at_once():
    spec = {
        "model": {"id": "../a", "dtype": 16},
        "inference": {"maxModelLen": "8192", "engineVersion": 0.19},
        "parallelism": {"tensor": 0},
        "enforcement": "warn",
    }
    assert errors_of(llmjob(spec)) == {
        "spec.model.id": "must be a model id such as Qwen/Qwen2.5-7B-Instruct, no URL and no path, not '../a'",
        "spec.model.dtype": 'must be a string, not 16; quote it: "16"',
        "spec.inference.engineVersion": 'must be a string, not 0.19; quote it: "0.19"',
        "spec.inference.maxModelLen": "must be a whole number, not '8192'; write it without quotes",
        "spec.parallelism.tensor": "must be at least 1, not 0",
        "spec.enforcement": "must be one of 'Audit', 'Warn', 'Enforce' or 'Strict', not 'warn'",
    }


def test_all_broken_rules_of_an_object_are_told_at_once():
    assert set(errors_of(llmjob({"model": {"id": "a..b", "parameters": "0B"}, "inference": {}}))) == {
        "spec.model.id",
        "spec.model.parameters",
    }


def test_a_rule_between_fields_names_every_one_of_them():
    spec = {"model": {"id": "a"}, "fineTuning": {"sharding": {"degree": 3}}, "parallelism": {"data": 8}}
    assert errors_of(llmjob(spec)) == {
        "spec": "fineTuning.sharding.degree must divide parallelism.data; the rest are replicas "
        "(spec.fineTuning.sharding.degree, spec.parallelism.data)"
    }


def test_a_long_value_is_cut_in_the_message():
    message = errors_of(llmjob({"model": {"id": "a"}, "inference": {"engine": "x" * 5000}}))["spec.inference.engine"]
    assert message.startswith("must be at most 63 characters long, not 'xxx")
    assert len(message) < 120


def test_another_apiversion_and_kind_are_told_together():
    assert errors_of({"apiVersion": "v1", "kind": "Pod"}) == {
        "apiVersion": "is 'v1'; this llmjob knows llmjob.dev/v1alpha1",
        "kind": "is 'Pod', not LLMJob",
    }


@pytest.mark.parametrize("content", [None, 1, "a", [], [{}]])
def test_what_is_no_mapping_is_refused(content):
    assert "is a mapping" in errors_of(content)[""]


def test_unknown_paths_are_told_beside_the_object():
    spec = {"model": {"id": "a", "nam": 1}, "inference": {"maxModelLenght": 1, "speculative": {"x": 1}}}
    read = read_llmjob(llmjob(spec) | {"extra": 1})
    assert read.unknown_paths == (
        "extra",
        "spec.model.nam",
        "spec.inference.maxModelLenght",
        "spec.inference.speculative.x",
    )
    assert read.job.spec.inference is not None


def test_unknown_paths_inside_a_list_carry_the_index():
    spec = {"model": {"id": "a"}, "inference": {}, "scheduling": {"tolerations": [{}, {"kye": "a"}]}}
    assert read_llmjob(llmjob(spec)).unknown_paths == ("spec.scheduling.tolerations[1].kye",)


def test_a_config_has_no_unknown_paths_and_keeps_its_nulls():
    spec = {"model": {"config": {"anything": {"goes": None}}}, "inference": {}}
    read = read_llmjob(llmjob(spec))
    assert read.unknown_paths == ()
    assert read.job.spec.model.config == {"anything": {"goes": None}}


@pytest.mark.parametrize(
    ("path", "near"),
    [
        ("spec.inference.maxModelLength", "maxModelLen"),
        ("spec.inference.max_model_len", "maxModelLen"),
        ("spec.fineTunning", "fineTuning"),
        ("spec.scheduling.tolerations[1].kye", "key"),
        ("sepc", "spec"),
        ("spec.inference.zzz", None),
        ("spec.nowhere.engine", None),
        ("spec.model.config.hidden", None),
    ],
)
def test_an_unknown_name_gets_its_nearest_known_one(path, near):
    assert suggestion(path) == near


def test_status_is_not_read():
    content = llmjob({"model": {"id": "a"}, "inference": {}}) | {"status": {"roles": "nonsense"}}
    assert read_llmjob(content).unknown_paths == ()


def test_of_metadata_only_the_name_is_checked():
    job = read_llmjob(llmjob({"model": {"id": "a"}, "inference": {}}, labels=3, generation="x", namespace="n")).job
    assert (job.metadata.name, job.metadata.namespace) == ("a", "n")


def test_before_a_name_is_generated_its_prefix_stands_for_it():
    content = llmjob({"model": {"id": "a"}, "inference": {}}) | {"metadata": {"generateName": "sweep-"}}
    assert read_llmjob(content).job.metadata.name == "sweep"
    content["metadata"]["generateName"] = "x" * 100
    assert read_llmjob(content).job.metadata.name == "x" * 58


def test_reading_changes_nothing_in_the_input():
    content = llmjob({"model": {"id": "a", "dtype": None}, "inference": {"maxModelLen": 8.0}})
    before = copy.deepcopy(content)
    read_llmjob(content)
    assert content == before


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
FIELDS = ["model", "inference", "fineTuning", "parallelism", "topology", "scheduling", "enforcement"]
INNER = [
    "id",
    "parameters",
    "config",
    "engine",
    "maxModelLen",
    "engineArgs",
    "tensor",
    "data",
    "gpusPerPod",
    "sharding",
]
SPECS = st.dictionaries(st.sampled_from(FIELDS), st.dictionaries(st.sampled_from(INNER), JSON, max_size=4) | JSON)


@given(JSON)
def test_no_object_crashes_the_reader(content):
    with pytest.raises(BadInput) as caught:
        read_llmjob(content)
    assert caught.value.errors


@given(SPECS | JSON)
def test_no_spec_crashes_the_reader(spec):
    read, errors = None, ()
    try:
        read = read_llmjob(llmjob(spec))
    except BadInput as error:
        errors = error.errors
    assert (read is None) == bool(errors)
    assert all(found.path.startswith("spec") and found.message for found in errors)


@pytest.mark.parametrize("field", ["id", "config"])
def test_an_object_nested_beyond_all_measure_is_refused(field):
    deep: Any = {}
    for _ in range(100_000):
        deep = {"a": deep}
    assert errors_of(llmjob({"model": {field: deep}, "inference": {}})) == {
        "spec": "must not be nested deeper than 200"
    }
