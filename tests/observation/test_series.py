"""Answers of Prometheus, and of what only looks like it."""

import math
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmjob.observation.series import BadAnswer, read_matrix


def answer(*values, **metric):
    return {
        "status": "success",
        "data": {"resultType": "matrix", "result": [{"metric": metric, "values": [list(pair) for pair in values]}]},
    }


def test_labels_and_samples_are_read_as_prometheus_writes_them():
    [series] = read_matrix(answer((1700000000.5, "12000"), (1700000001, "1.5e3"), __name__="x", pod="p"))
    assert (series.name, series.labels["pod"]) == ("x", "p")
    assert series.samples == ((1700000000.5, 12000.0), (1700000001.0, 1500.0))


@pytest.mark.parametrize("lie", ["NaN", "+Inf", "-Inf", "-1", "1e300"])
def test_a_sample_that_cannot_be_true_is_left_out_and_the_others_stay(lie):
    [series] = read_matrix(answer((1, "5"), (2, lie), (3, "7")))
    assert [value for _, value in series.samples] == [5, 7]
    assert read_matrix(answer((1, lie))) == []


@pytest.mark.parametrize("time", [math.nan, math.inf])
def test_a_sample_of_no_time_is_left_out(time):
    assert read_matrix(answer((time, "5"))) == []


@pytest.mark.parametrize(
    "wrong",
    [
        None, [], "<html>", {}, {"status": "error", "error": "x"}, {"status": "success"},
        {"status": "success", "data": {"resultType": "vector", "result": []}},
        {"status": "success", "data": {"resultType": "matrix"}},
        {"status": "success", "data": {"resultType": "matrix", "result": {}}},
        {"status": "success", "data": {"resultType": "matrix", "result": [5]}},
        {"status": "success", "data": {"resultType": "matrix", "result": [{"metric": {}}]}},
        {"status": "success", "data": {"resultType": "matrix", "result": [{"values": []}]}},
        answer((1,)), answer((1, "2", "3")), answer((1, "high")), answer((None, "1")),
        {"status": "success", "data": {"resultType": "matrix", "result": [{"metric": {}, "values": ["12"]}]}},
    ],
)  # fmt: skip
def test_what_is_no_answer_is_said(wrong):
    with pytest.raises(BadAnswer):
        read_matrix(wrong)


_JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["status", "data", "result", "metric", "values", "resultType"]), inner, max_size=3
        )
    ),
    max_leaves=10,
)


@given(
    _JSON | st.builds(lambda result: {"status": "success", "data": {"resultType": "matrix", "result": result}}, _JSON)
)
def test_no_json_is_more_than_a_bad_answer(content):
    with suppress(BadAnswer):
        read_matrix(content)
