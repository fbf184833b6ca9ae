"""A class judged by two tests, the worse of which counts."""

import pytest

from llmjob.decision import outcome
from llmjob.decision.outcome import Estimates, judge_class
from llmjob.decision.verdict import Outcome
from llmjob.estimator.interval import Interval, Range
from llmjob.estimator.result import Budget, Estimate, Limit
from llmjob.fleet.gpu_class import GPUClass, Sharing, gpu_of
from tests.decision.cases import request


def gpu_class(lower=90, upper=100, **more):
    return GPUClass(name="nvidia-x", vendor="nvidia", product="X", usable=Range(lower, upper), **more)


@pytest.fixture
def judge(monkeypatch):
    def judge(need, found, *, budget=None, gpus=1):
        made = Estimate(
            per_gpu=Interval(*need), components=(), profile="test", parameters=1, active_parameters=1, budget=budget
        )
        monkeypatch.setattr(outcome, "estimate", lambda *_: made)
        asked = request()
        return judge_class(found, Estimates(asked.model, asked.task), gpus)

    return judge


@pytest.mark.parametrize(
    ("need", "expected"),
    [
        ((10, 50, 90), Outcome.FITS),
        ((10, 50, 91), Outcome.TIGHT),
        ((100, 100, 100), Outcome.TIGHT),
        ((101, 101, 101), Outcome.TOO_LARGE),
        ((95, 95, 95), Outcome.TIGHT),
    ],
)
def test_fits_compares_with_the_lower_end_and_too_large_with_the_upper(judge, need, expected):
    assert judge(need, gpu_class()).outcome.outcome is expected


@pytest.mark.parametrize(
    ("budgeted", "expected", "limit"),
    [
        ((5, 20, 40), Outcome.FITS, Limit.BUDGET),
        ((5, 20, 51), Outcome.TIGHT, Limit.BUDGET),
        ((61, 61, 61), Outcome.TOO_LARGE, Limit.BUDGET),
        ((5, 5, 5), Outcome.FITS, Limit.MEMORY),
    ],
)
def test_the_engines_budget_is_a_second_test(judge, budgeted, expected, limit):
    budget = Budget(needed=Interval(*budgeted), available=Range(50, 60))
    found = judge((10, 50, 60), gpu_class(), budget=budget).outcome
    assert (found.outcome, found.limit) == (expected, limit)


def test_memory_binds_where_it_is_the_worse(judge):
    budget = Budget(needed=Interval(5, 5, 51), available=Range(50, 60))
    found = judge((101, 101, 101), gpu_class(), budget=budget).outcome
    assert (found.outcome, found.limit) == (Outcome.TOO_LARGE, Limit.MEMORY)


def test_a_budget_without_a_gpu_tests_nothing(judge):
    found = judge((10, 50, 90), gpu_class(), budget=Budget(needed=Interval(500, 500, 500), available=None)).outcome
    assert (found.outcome, found.limit) == (Outcome.FITS, Limit.MEMORY)


def test_usable_is_the_lower_end_and_headroom_what_is_left_of_it(judge):
    found = judge((10, 50, 95), gpu_class()).outcome
    assert (found.usable, found.headroom, found.need) == (90, -5, Interval(10, 50, 95))


def test_unknown_memory_comes_before_too_few_gpus(judge):
    found = judge((10, 50, 90), GPUClass(name="nvidia-x", vendor="nvidia", product="X", gpus_per_node=1), gpus=8)
    assert found.outcome.outcome is Outcome.UNKNOWN
    assert found.outcome.need is None
    assert not found.too_large_by_memory


def test_too_few_gpus_are_too_large_but_not_by_memory(judge):
    found = judge((10, 50, 90), gpu_class(gpus_per_node=4), gpus=8)
    assert (found.outcome.outcome, found.outcome.too_few_gpus) == (Outcome.TOO_LARGE, True)
    assert not found.too_large_by_memory


def test_too_few_gpus_may_be_too_small_as_well(judge):
    found = judge((101, 101, 101), gpu_class(gpus_per_node=4), gpus=8)
    assert found.outcome.too_few_gpus
    assert found.too_large_by_memory


@pytest.mark.parametrize("sharing", [Sharing.TIME_SLICING, Sharing.MPS, Sharing.MIG])
def test_several_gpus_never_fit_on_shares_or_slices(judge, sharing):
    shared = gpu_class(sharing=sharing, gpus_per_node=8)
    assert judge((10, 50, 90), shared, gpus=2).outcome.outcome is Outcome.TIGHT
    assert judge((10, 50, 90), shared, gpus=1).outcome.outcome is Outcome.FITS
    assert judge((101, 101, 101), shared, gpus=2).outcome.outcome is Outcome.TOO_LARGE


def test_classes_that_offer_the_same_share_one_estimate(monkeypatch):
    made = []
    monkeypatch.setattr(outcome, "estimate", lambda _model, _task, gpu: made.append(gpu))
    asked = request()
    estimates = Estimates(asked.model, asked.task)
    for found in (gpu_class(), gpu_class(gpus_per_node=4), gpu_class(lower=80)):
        judge_class(found, estimates, 1)
    assert [gpu.usable.lower for gpu in made] == [90, 80]


def test_cards_of_one_product_and_memory_share_an_estimate_and_others_do_not(monkeypatch):
    asked = []
    monkeypatch.setattr(outcome, "estimate", lambda *question: asked.append(question[2].product))
    estimates = Estimates(request().model, request().task)
    for product, upper in (("A", 100), ("A", 100), ("B", 100), ("B", 101)):
        estimates.on(gpu_of(GPUClass(name=product, vendor="nvidia", product=product, usable=Range(90, upper))))
    assert asked == ["A", "B", "B"]
