"""The words and marks of a report."""

import pytest

from llmjob.cli import report_words as words
from llmjob.observation.observed import Kind
from llmjob.observation.report import Finding, Smaller, Source
from llmjob.quantity import GiB
from tests.cli.reports import HOUR, actual, report, role

LITTLE = Smaller(gpu_class="nvidia-little", need=3 * GiB, usable=4 * GiB)


def test_the_heading_says_of_what_from_where_and_when():
    whole = report(role(9), role(9, role="other"), role(9, name="second"), source=Source.PROMETHEUS, window=90 * 60)
    assert words.heading(whole) == "namespace team · 2 jobs · use from Prometheus, last 1.5h · 2027-01-15 08:00 UTC"
    assert words.heading(report(role(9), namespace=None)) == (
        "all namespaces · 1 job · use from the jobs' status, since each was first observed · 2027-01-15 08:00 UTC"
    )


def test_one_line_counts_edges_wastes_unseen_and_idle_memory():
    whole = report(role(13), role(4, gpus=2), role())
    assert words.verdicts(whole) == (
        "1 near the edge · 1 wasting · 1 without a figure of use · 39.0 GiB idle on the GPUs they hold"
    )


@pytest.mark.parametrize(
    ("finding", "said"),
    [
        (Finding.MEMORY_EXHAUSTED, "ran out of GPU memory: its condition MemoryExhausted says what to change"),
        (
            Finding.ABOVE_PREDICTION,
            "uses 13.0 GiB, above the predicted upper bound of 12.0: compare its spec with what runs",
        ),
        (
            Finding.NEAR_GPU_LIMIT,
            "uses 13.0 of 20.0 GiB of nvidia-x (65%): lower batch or length, or take a larger GPU",
        ),
        (Finding.NEAR_UPPER_BOUND, "uses 13.0 GiB, close to the predicted upper bound of 12.0"),
        (Finding.GPU_TOO_LARGE, "uses 13.0 of 20.0 GiB of nvidia-x (65%)"),
        (
            Finding.PREDICTION_TOO_HIGH,
            "uses 13.0 GiB where 10.0 were predicted: is its spec larger than what runs?",
        ),
    ],
)
def test_every_finding_is_told_in_numbers(finding, said):
    assert words.sentence(role(13), finding) == said


def test_a_need_is_told_as_one():
    needing = role(actual(13, kind=Kind.NEED))
    assert words.sentence(needing, Finding.NEAR_UPPER_BOUND).startswith("needs 13.0 GiB")
    assert words.actual(needing, report()) == "13.0 needed"


@pytest.mark.parametrize(
    ("more", "end"),
    [
        ({"searched": True, "smaller": LITTLE}, "(25%); nvidia-little (4.0 GiB) would do"),
        ({"searched": True}, "(25%); no smaller GPU that it may use would do"),
        ({}, "(25%)"),
    ],
)
def test_a_card_that_is_too_large_names_the_smaller_one_where_that_was_looked_for(more, end):
    assert words.sentence(role(5, **more), Finding.GPU_TOO_LARGE).endswith(end)


@pytest.mark.parametrize(("ago", "said"), [(0.5, "9.0"), (0.6, "9.0 (36m ago)"), (50, "9.0 (2.1d ago)")])
def test_old_figures_say_their_age(ago, said):
    assert words.actual(role(actual(9, ago=ago)), report()) == said


def test_use_that_does_not_compare_is_shown_as_such():
    assert words.actual(role(used=18 * GiB), report()) == "? (18.0 used)"
    assert words.actual(role(), report()) == "?"


def test_what_is_not_known_is_a_question_mark_or_nothing():
    unknown = role(predicted=None, usable=None, gpus=0)
    assert (words.predicted(unknown), words.error(unknown), words.share(unknown), words.idle(unknown)) == (
        "?", "", "", "",
    )  # fmt: skip
    assert (words.gauge(unknown, 8), words.sparkline(unknown, 8), words.smaller(unknown)) == ("", "", "")


def test_the_error_has_a_sign():
    assert (words.error(role(12)), words.error(role(7))) == ("+20%", "-30%")


@pytest.mark.parametrize(
    ("peak", "marks"),
    [(None, "····░░····"), (5, "██··░░····"), (12, "████▓▓····"), (20, "████▓▓████")],
)
def test_the_gauge_shows_use_and_prediction_on_the_card(peak, marks):
    assert words.gauge(role(peak), 10) == marks


def test_the_gauge_of_an_unknown_card_ends_at_the_prediction_or_the_use():
    assert words.gauge(role(6, usable=None), 12) == "██████··░░░░"
    assert words.gauge(role(24, usable=None), 12) == "████▓▓██████"


def test_the_sparkline_goes_from_0_to_the_card_with_gaps():
    assert words.sparkline(role(actual(20, course=(1, 10, None, 20))), 4) == "▁▅·█"


def test_a_sparkline_of_more_points_than_marks_shows_the_highest_of_each():
    assert words.sparkline(role(actual(20, course=(1, 20, 1, 1, None, 1, None, None))), 4) == "█▁▁·"


def test_a_sparkline_of_fewer_points_than_marks_repeats_them():
    assert words.sparkline(role(actual(20, course=(1, 20))), 4) == "▁▁██"


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(59, "59s"), (60, "1m"), (90, "1.5m"), (HOUR, "1h"), (24 * HOUR, "24h"), (48 * HOUR, "2d"), (60 * HOUR, "2.5d")],
)
def test_lengths_of_time_are_as_people_say_them(seconds, said):
    assert words.span(seconds) == said
