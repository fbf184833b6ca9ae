"""Predicted against actual: findings, order and totals, from figures made by hand."""

import pytest

from llmjob.estimator.interval import Interval
from llmjob.observation.observed import Kind
from llmjob.observation.report import Actual, ClassMemory, Finding, Role, Smaller, Source, make_report

DAY, HOUR = 86400.0, 3600.0
LITTLE = Smaller(gpu_class="little", need=10, usable=24)


def actual(peak, seconds=DAY, **more):
    return Actual(kind=Kind.USED, peak=peak, source=Source.STATUS, since=0.0, last=seconds, **more)


def role(peak=None, *, predicted=(80, 100, 120), usable=200, runs=(("card", 1),), seconds=DAY, **more):
    given = {
        "namespace": "team",
        "name": "job",
        "role": "main",
        "gpu_class": "card",
        "usable": usable,
        "runs": runs,
        "predicted": Interval(*predicted) if predicted else None,
        "actual": actual(peak, seconds) if peak is not None else None,
    }
    return Role(**{**given, **more})


def report(*roles, classes=(), window=DAY):
    return make_report(roles, classes, namespace=None, at=DAY, window=window, source=Source.STATUS)


def found(*args, **more):
    return list(report(role(*args, **more)).roles[0].findings)


@pytest.mark.parametrize(
    ("peak", "findings"),
    [
        (110, []),
        (113, []),
        (114, [Finding.NEAR_UPPER_BOUND]),
        (120, [Finding.NEAR_UPPER_BOUND]),
        (121, [Finding.ABOVE_PREDICTION]),
    ],
)
def test_use_is_near_the_upper_bound_within_a_twentieth_of_it_and_above_it_beyond(peak, findings):
    assert found(peak) == findings


def test_an_exact_prediction_that_holds_is_not_near_its_bound():
    assert found(100, predicted=(100, 100, 100), usable=120) == []
    assert found(99, predicted=(100, 100, 100), usable=120) == []


@pytest.mark.parametrize(("peak", "findings"), [(190, []), (191, [Finding.NEAR_GPU_LIMIT])])
def test_more_than_95_percent_of_the_card_is_near_its_limit(peak, findings):
    assert found(peak, predicted=None) == findings


@pytest.mark.parametrize(("peak", "findings"), [(100, []), (99, [Finding.GPU_TOO_LARGE])])
def test_a_card_is_too_large_where_less_than_half_is_needed(peak, findings):
    assert found(peak, predicted=(90, 100, 110)) == findings


@pytest.mark.parametrize(("peak", "findings"), [(50, []), (49, [Finding.PREDICTION_TOO_HIGH])])
def test_a_prediction_is_too_high_from_twice_the_use(peak, findings):
    assert found(peak, usable=60) == findings


@pytest.mark.parametrize(("seconds", "said"), [(HOUR - 1, False), (HOUR, True)])
def test_waste_is_told_only_after_an_hour_of_a_day(seconds, said):
    assert bool(found(10, seconds=seconds)) is said


def test_a_shorter_window_asks_for_less():
    (judged,) = report(role(10, seconds=60), window=24 * 60).roles
    assert judged.findings == (Finding.GPU_TOO_LARGE, Finding.PREDICTION_TOO_HIGH)


def test_use_since_nobody_knows_when_wastes_nothing():
    unknown = Actual(kind=Kind.USED, peak=10, source=Source.STATUS)
    assert found(actual=unknown) == []


def test_danger_is_told_at_once():
    assert found(199, seconds=0) == [Finding.ABOVE_PREDICTION, Finding.NEAR_GPU_LIMIT]


def test_a_job_that_does_not_run_holds_no_card():
    assert found(60, runs=()) == []
    assert found(199, predicted=None, runs=()) == []


def test_without_use_only_memory_that_ran_out_is_told():
    assert found() == []
    assert found(exhausted=True) == [Finding.MEMORY_EXHAUSTED]


def test_an_unknown_card_or_prediction_says_nothing_of_it():
    assert found(10, usable=None, predicted=None) == []
    (judged,) = report(role(10, usable=None, predicted=None)).roles
    assert judged.error is None
    assert judged.share is None
    assert judged.idle is None


def test_the_error_is_above_0_where_more_is_used_than_expected():
    assert role(110).error == pytest.approx(0.1)
    assert role(75).error == pytest.approx(-0.25)
    assert role(10, predicted=(0, 0, 10)).error is None


def test_idle_memory_is_what_all_gpus_have_beyond_the_fullest_ones_use():
    assert role(150, runs=(("card", 2), ("other", 1))).idle == 150
    assert role(250).idle == 0
    assert role(150, runs=()).idle is None


@pytest.mark.parametrize(("more", "named"), [({}, True), ({"seconds": HOUR - 1}, False), ({"exhausted": True}, False)])
def test_a_smaller_gpu_is_named_for_those_whose_need_was_seen(more, named):
    (judged,) = report(role(10, smaller=LITTLE, **more)).roles
    assert (judged.smaller is not None) is named


def test_the_most_urgent_come_first_then_the_most_idle_memory_and_the_unseen_last():
    roles = [
        role(name="unseen"),
        role(110, name="calm"),
        role(110, name="with-use-but-stopped", runs=()),
        role(20, name="waste-less", runs=(("card", 1),)),
        role(90, name="waste-more", runs=(("card", 4),)),
        role(116, name="upper"),
        role(199, name="above"),
        role(10, name="exhausted", exhausted=True),
        role(195, name="limit", predicted=(100, 195, 300)),
    ]
    order = [item.name for item in report(*roles).roles]
    assert order == [
        "exhausted",
        "above",
        "limit",
        "upper",
        "waste-more",
        "waste-less",
        "calm",
        "with-use-but-stopped",
        "unseen",
    ]


def test_near_the_edge_and_wasting_are_those_with_such_findings():
    whole = report(role(199, name="edge"), role(20, name="waste"), role(110, name="calm"), role(name="unseen"))
    assert [item.name for item in whole.near_the_edge()] == ["edge"]
    assert [item.name for item in whole.wasting()] == ["waste"]


def test_classes_add_up_over_the_gpus_that_are_held():
    roles = [
        role(150, name="a", runs=(("card", 2),)),
        role(name="b", runs=(("card", 3),)),
        role(50, name="c", runs=(("other", 1),), predicted=None),
        role(50, name="stopped", runs=()),
    ]
    whole = report(
        *roles, classes=[ClassMemory(name="card", usable=200, gpus=8), ClassMemory(name="free", usable=9, gpus=1)]
    )
    card, free, other = whole.classes
    assert (card.name, card.gpus, card.held_gpus, card.observed_gpus, card.roles) == ("card", 8, 5, 2, 2)
    assert (card.predicted, card.actual, card.idle) == (500, 300, 100)
    assert (free.held_gpus, free.roles, free.idle) == (0, 0, 0)
    assert (other.usable, other.held_gpus, other.actual, other.idle) == (None, 1, 50, None)


def test_a_class_that_is_overfull_has_nothing_idle():
    (card,) = report(role(250), classes=[ClassMemory(name="card", usable=200, gpus=1)]).classes
    assert card.idle == 0
