"""Actual against predicted, like against like."""

import pytest

from llmjob.estimator.interval import Interval
from llmjob.estimator.result import Budget, Estimate
from llmjob.observation.observed import Kind, Observed, Reading, compared, error_ratio, fills_the_card

USED, NEED = Reading(110, 5.0, "DCGM"), Reading(90, 5.0, "DCGM and the engine")


def estimate(expected=100, *, budget=False):
    return Estimate(
        per_gpu=Interval(0, expected, 2 * expected), components=(), profile="p", parameters=1, active_parameters=1,
        budget=Budget(needed=Interval(0, 1, 2), available=None) if budget else None,
    )  # fmt: skip


@pytest.mark.parametrize(("actual", "ratio"), [(110, 0.1), (90, -0.1), (100, 0.0)])
def test_the_error_is_what_is_above_the_expected_by_the_expected(actual, ratio):
    assert error_ratio(actual, estimate()) == pytest.approx(ratio)


def test_without_an_expectation_there_is_no_error():
    assert error_ratio(100, None) is None
    assert error_ratio(100, estimate(0)) is None


def test_an_engine_that_fills_the_card_is_never_compared_by_its_use():
    both, used = Observed(0.0, 1, {Kind.USED: USED, Kind.NEED: NEED}), Observed(0.0, 1, {Kind.USED: USED})
    assert compared(both, fills=True) is Kind.NEED
    assert compared(used, fills=True) is None
    assert compared(both, fills=False) is Kind.USED
    assert compared(Observed(0.0), fills=False) is None


@pytest.mark.parametrize("engine", ["vLLM", "SGLang", "TGI", "TensorRTLLM"])
def test_these_engines_fill_the_card(engine):
    assert fills_the_card(engine, None)


def test_an_engine_that_is_not_stated_fills_the_card_where_the_estimate_counts_with_its_budget():
    assert fills_the_card(None, estimate(budget=True))
    assert not fills_the_card(None, estimate())
    assert not fills_the_card("Transformers", estimate())
    assert not fills_the_card(None, None)


def test_later_readings_raise_the_highest_and_the_newest_tells_time_and_source():
    assert USED.and_then(Reading(50, 9.0, "AMD")) == Reading(110, 9.0, "AMD")
    assert USED.and_then(Reading(500, 1.0, "AMD")) == Reading(500, 5.0, "DCGM")


def test_a_kind_that_is_new_is_a_difference():
    assert Observed(0.0, 1, {Kind.USED: USED}).differs(Observed(0.0), 0.02)
    assert not Observed(0.0).differs(Observed(0.0), 0.02)


def test_with_a_share_of_nothing_every_change_is_one_and_no_change_is_none():
    before, after = Observed(0.0, 1, {Kind.USED: USED}), Observed(0.0, 1, {Kind.USED: Reading(111, 6.0, "DCGM")})
    assert after.differs(before, 0)
    assert not before.differs(before, 0)
