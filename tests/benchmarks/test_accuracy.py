"""The accuracy that the estimator must keep on the repository's own measured rows."""

import json

import pytest

from benchmarks.accuracy.__main__ import main
from benchmarks.accuracy.groups import load_groups, named
from benchmarks.accuracy.scoring import score
from benchmarks.accuracy.starts import all_answers

REQUIRED = ("vllm-weights", "vllm-kv", "vllm-activation", "vllm-pool-h100", "vllm-pool")


def test_the_required_groups_are_held_to_ninety_percent_inside_and_half_as_wide_as_expected() -> None:
    required = {group.name: (group.inside, group.width) for group in load_groups() if group.inside is not None}
    assert required == dict.fromkeys(REQUIRED, (0.9, 0.5))


@pytest.mark.parametrize("name", REQUIRED)
def test_measured_rows_lie_inside_narrow_intervals(name: str) -> None:
    found = score(named(load_groups(), name))
    assert found.inside is not None
    assert found.width is not None
    assert len(found.comparisons) >= 15
    assert found.inside >= 0.9, [row.unknown for row in found.scored if row.unknown]
    assert found.width <= 0.5


def test_a_record_says_how_many_rows_lack_a_config_or_an_answer(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--group", "vllm-kv", "-o", "json"]) == 0
    (record,) = json.loads(capsys.readouterr().out)
    assert record["rows"] == record["noConfig"] + len(score(named(load_groups(), "vllm-kv")).comparisons)
    assert record["met"] is True


def test_an_unknown_group_is_a_usage_error_that_lists_the_groups(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["--group", "nothing"])
    assert "vllm-kv" in capsys.readouterr().err


def test_nothing_that_started_is_called_too_large_and_h100_starts_are_told_apart() -> None:
    found = {answers.name: answers for answers in all_answers()}
    assert found["vllm-starts-h100"].balanced >= 0.98
    assert found["vllm-starts-h100"].asked == {True: 35, False: 35}
    assert {name: answers.wrongly_too_large for name, answers in found.items()} == dict.fromkeys(found, 0)
