"""Series of the recording rules as the use of each role."""

import pytest

from llmjob.observation import course
from llmjob.observation.observed import Kind
from llmjob.observation.report import Source
from llmjob.observation.series import Sample, Series
from observability import recording

START, END, STEP = 1000.0, 1400.0, 100.0


def series(*samples, **labels):
    return Series({"namespace": "team", "llmjob": "job", **labels}, tuple(Sample(*sample) for sample in samples))


def test_the_rules_are_those_that_the_chart_ships():
    assert (course.COMPARED, course.NEEDED, course.USED) == (recording.COMPARED, recording.NEEDED, recording.USED)


def test_each_step_has_its_highest_value_also_where_steps_are_shorter_than_the_rules_interval():
    assert course.expression("rule", 900.0, None) == (
        "max by (namespace, llmjob, role) (max_over_time(rule[900000ms]) or rule)"
    )
    assert course.expression("rule", 1.5, "team") == (
        'max by (namespace, llmjob, role) (max_over_time(rule{namespace="team"}[1500ms]) or rule{namespace="team"})'
    )


def actuals(*compared, needed=()):
    return course.actuals(compared, needed, start=START, end=END, step=STEP)


def test_a_course_has_a_point_for_every_step_and_gaps_where_nothing_was_sampled():
    found = actuals(series((1100, 5), (1300, 9), role="trainer"))[("team", "job", "trainer")]
    assert [(point.at, point.value) for point in found.course] == [(1100, 5), (1200, None), (1300, 9), (1400, None)]
    assert (found.peak, found.since, found.last, found.source) == (9, 1000, 1300, Source.PROMETHEUS)


def test_a_series_without_a_role_is_of_the_role_main():
    assert list(actuals(series((1100, 5)))) == [("team", "job", "main")]


def test_a_series_of_zeros_is_no_use():
    assert actuals(series((1100, 0), (1200, 0)), series()) == {}


@pytest.mark.parametrize(("needed", "kind"), [((), Kind.USED), ((series((1100, 5)),), Kind.NEED)])
def test_it_is_a_need_where_a_need_is_recorded(needed, kind):
    assert actuals(series((1100, 5)), needed=needed)[("team", "job", "main")].kind is kind


def test_samples_of_another_time_than_was_asked_for_do_not_count():
    found = actuals(series((900, 9), (1400, 5), (1500, 9)))[("team", "job", "main")]
    assert (found.peak, found.last) == (5, END)
    assert actuals(series((1000, 9))) == {}


def test_the_highest_sample_of_a_role_counts():
    found = course.highest([series((1100, 5), (1200, 9)), series((1100, 7)), series((1100, 0), llmjob="zero")])
    assert found == {("team", "job", "main"): 9}
