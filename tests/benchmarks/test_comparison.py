from dataclasses import replace

import pytest

from benchmarks.accuracy.comparison import Comparison, printed
from benchmarks.accuracy.configs import architecture_of, config_of
from benchmarks.accuracy.groups import Group, load_groups, named
from benchmarks.accuracy.scoring import Score, Scored, percentile
from llmjob.estimator.interval import Interval
from llmjob.quantity import GiB

EXACT = Comparison(predicted=Interval(90, 100, 110), low=99, high=101, denominator=200)


@pytest.mark.parametrize(
    ("low", "high", "inside"), [(80, 89, False), (80, 90, True), (110, 120, True), (111, 120, False)]
)
def test_a_row_is_inside_where_its_rounding_meets_the_interval(low: int, high: int, inside: bool) -> None:  # noqa: FBT001
    assert replace(EXACT, low=low, high=high).inside is inside


def test_an_error_is_relative_to_the_groups_denominator() -> None:
    assert replace(EXACT, low=80, high=80).error == pytest.approx(0.1)
    assert EXACT.error == 0


def test_a_printed_figure_stands_for_half_its_last_digit_either_way() -> None:
    assert printed("1.5", GiB) == (int(1.45 * GiB), int(1.55 * GiB))
    assert printed("0", 10) == (0, 5)


def test_unknown_counts_as_outside_and_a_missing_config_does_not_count() -> None:
    group = Group(name="g", file="f", reader="r", measure="m", inside=0.9, width=0.5)
    rows = tuple(Scored(row={}, comparison=EXACT) for _ in range(9))
    lost = Scored(row={}, unknown="no such engine")
    assert Score(group=group, scored=(*rows, lost, Scored(row={}, no_config=True))).inside == pytest.approx(0.9)
    assert not Score(group=group, scored=(*rows, lost, lost)).met


def test_an_interval_wider_than_asked_misses() -> None:
    wide = replace(EXACT, predicted=Interval(0, 100, 300))
    group = Group(name="g", file="f", reader="r", measure="m", inside=0.9, width=0.5)
    assert not Score(group=group, scored=(Scored(row={}, comparison=wide),)).met


def test_the_95th_percentile_is_a_value_that_was_seen() -> None:
    assert percentile([float(number) for number in range(1, 21)], 95) == 19
    assert percentile([1.0], 95) == 1


def test_rows_of_one_architecture_parallel_and_dtype_count_once() -> None:
    rows = named(load_groups(), "vllm-activation").rows()
    llama = [
        row for row in rows if row["model"] == "meta-llama/Llama-3.1-8B-Instruct" and row["parallel"] == "tp1pp1dp1"
    ]
    assert len(llama) == 5


def test_private_keys_are_left_behind_and_encoders_are_put_back() -> None:
    config = config_of("google/gemma-3-27b-it")
    assert config is not None
    assert config["vision_config"]["num_hidden_layers"] == 27
    assert not [key for key in (*config, *config["text_config"]) if key.startswith("_")]


def test_a_model_without_a_config_file_has_no_architecture() -> None:
    assert architecture_of("nobody/nothing") is None
