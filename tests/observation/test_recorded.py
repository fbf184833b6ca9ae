"""What a status says, and that an odd one says nothing."""

import pytest

from llmjob.estimator.interval import Interval
from llmjob.observation import recorded
from llmjob.observation.observed import Kind
from llmjob.observation.report import Source
from llmjob.quantity import GiB

BOUNDS = {"lower": "8Gi", "expected": "10Gi", "upper": "12Gi"}
SEEN = {
    "pods": 1,
    "since": "2026-01-01T00:00:00Z",
    "kinds": [
        {"kind": "used", "sampledMax": "70Gi", "source": "DCGM", "lastSample": "2026-01-01T02:00:00Z"},
        {"kind": "need", "sampledMax": "9Gi", "source": "DCGM", "lastSample": "2026-01-01T01:00:00Z"},
    ],
}


def only(kind):
    return {"observed": {**SEEN, "kinds": [item for item in SEEN["kinds"] if item["kind"] == kind]}}


def test_the_prediction_is_the_one_on_the_class_that_it_runs_on():
    role = {"referenceClass": "a", "classes": [{"name": "a", **BOUNDS}, {"name": "b", **BOUNDS, "upper": "13Gi"}]}
    assert recorded.predicted_on(role, "b") == Interval(8 * GiB, 10 * GiB, 13 * GiB)
    assert recorded.predicted_on(role, "a") == Interval(8 * GiB, 10 * GiB, 12 * GiB)


@pytest.mark.parametrize("other", ["gone", None])
def test_on_a_class_that_was_not_judged_it_is_that_of_the_reference_class(other):
    role = {"referenceClass": "a", "classes": [{"name": "a", **BOUNDS}, {"name": "gone"}]}
    assert recorded.predicted_on(role, other) == Interval(8 * GiB, 10 * GiB, 12 * GiB)


@pytest.mark.parametrize(
    "classes",
    [
        None,
        "x",
        [7],
        [{"name": "a"}],
        [{"name": "a", **BOUNDS, "lower": "20Gi"}],
        [{"name": "a", **BOUNDS, "upper": "NaN"}],
        [{"name": "a", **BOUNDS, "lower": -1}],
        [{"name": "a", **BOUNDS, "lower": 1.5}],
    ],
)
def test_an_odd_prediction_is_none(classes):
    assert recorded.predicted_on({"referenceClass": "a", "classes": classes}, "a") is None


def test_what_the_card_offers_is_read_of_the_class():
    role = {"classes": [{"name": "a", "usable": "22Gi"}, {"name": "b"}]}
    assert recorded.usable_of(role, "a") == 22 * GiB
    assert recorded.usable_of(role, "b") is None
    assert recorded.usable_of(role, None) is None


def test_a_need_compares_before_the_use():
    actual = recorded.actual_of({"observed": SEEN}, fills_the_card=False)
    assert (actual.kind, actual.peak, actual.source) == (Kind.NEED, 9 * GiB, Source.STATUS)
    assert actual.seconds == 3600


def test_use_compares_unless_the_engine_fills_the_card():
    assert recorded.actual_of(only("used"), fills_the_card=False).kind is Kind.USED
    assert recorded.actual_of(only("used"), fills_the_card=True) is None
    assert recorded.actual_of(only("need"), fills_the_card=True).kind is Kind.NEED


def test_use_is_shown_whatever_the_engine():
    assert recorded.used_of({"observed": SEEN}) == 70 * GiB
    assert recorded.used_of({}) is None


@pytest.mark.parametrize(
    "observed",
    [None, [], {}, {"kinds": None}, {"kinds": [{"kind": "used"}]}, {"kinds": [{"kind": "used", "sampledMax": "0"}]}],
)
def test_use_that_was_not_seen_is_unknown_never_0(observed):
    assert recorded.actual_of({"observed": observed}, fills_the_card=False) is None


def test_times_that_cannot_be_read_are_unknown():
    odd = {"since": "yesterday", "kinds": [{"kind": "used", "sampledMax": "1Gi", "lastSample": None}]}
    actual = recorded.actual_of({"observed": odd}, fills_the_card=False)
    assert (actual.since, actual.last, actual.seconds) == (None, None, 0)


def test_what_was_told_before_holds_while_the_controller_goes_on_to_see_use():
    started = recorded.actual_of({"observed": SEEN}, fills_the_card=False)
    actual = recorded.actual_of({"observed": SEEN}, fills_the_card=False, now=started.since + 7200)
    assert (actual.seconds, actual.last, actual.until) == (7200, started.last, started.since + 7200)


def test_what_was_told_of_pods_that_are_gone_is_as_old_as_it_is():
    gone = {"observed": {**SEEN, "pods": 0}}
    actual = recorded.actual_of(gone, fills_the_card=False, now=4e9)
    assert (actual.holds, actual.until) == (None, actual.last)


@pytest.mark.parametrize(("state", "holds"), [("True", True), ("Unknown", False)])
def test_use_is_seen_where_the_condition_says_so(state, holds):
    assert recorded.goes_on({"conditions": [{"type": "UsageObserved", "status": state}]}) is holds


@pytest.mark.parametrize(
    ("state", "kind", "holds"),
    [("True", "MemoryExhausted", True), ("False", "MemoryExhausted", False), ("True", "Fits", False)],
)
def test_memory_ran_out_where_the_condition_says_so(state, kind, holds):
    assert recorded.exhausted({"conditions": [{"type": kind, "status": state}]}) is holds


def test_roles_and_texts_of_an_odd_status_are_none():
    assert list(recorded.roles_of({"roles": [7, {}]})) == [("main", {})]
    assert recorded.text_of({"model": 7}, "model", "name") == ""
    assert recorded.text_of({"model": {"name": 7}}, "model", "name") == ""
    assert recorded.text_of({"model": {"name": "m"}}, "model", "name") == "m"
    assert recorded.reference_class({"referenceClass": 7}) is None
