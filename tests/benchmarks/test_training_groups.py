"""Fine-tuning rows against the estimator: what is reached on public measurements stays reached."""

from dataclasses import replace
from statistics import median

import pytest

from benchmarks.accuracy.comparison import MEASURES
from benchmarks.accuracy.groups import load_groups, named
from benchmarks.accuracy.scoring import READERS, score
from llmjob.estimator.estimate import estimate
from llmjob.estimator.gpu import GPU
from llmjob.estimator.model import Model
from llmjob.estimator.result import Estimate
from llmjob.estimator.task import FineTuning


@pytest.mark.parametrize(
    ("group", "inside", "width", "error"),
    [
        ("faketensor", 0.98, 0.2, 0.005),
        ("t4-allocated", 0.98, 0.35, 0.015),
        ("fms-allocated", 0.98, 0.3, 0.05),
        ("t4-process", 0.95, 0.8, 0.08),
        ("fms-process", 0.85, 0.8, 0.1),
    ],
)
def test_the_share_inside_and_the_median_error_hold(group: str, inside: float, width: float, error: float) -> None:
    found = score(named(load_groups(), group))
    assert found.inside is not None
    assert found.width is not None
    assert found.inside >= inside
    assert found.width <= width
    assert median(found.errors) <= error


def _answer(model: Model, task: FineTuning, gpu: GPU | None) -> Estimate:
    answer = estimate(model, task, gpu)
    assert isinstance(answer, Estimate)
    return answer


@pytest.mark.parametrize("group", ["torchtitan", "torchtune", "fsdp-qlora", "fms-process"])
def test_no_sharded_row_is_denied_where_the_job_leaves_its_strategy_unstated(group: str) -> None:
    """Rows T1069, T1050 to T1061 and T1032 among them."""
    found = named(load_groups(), group)
    below = []
    asked = 0
    for row in found.rows():
        case = READERS[found.reader](row)
        if case.model is None or not isinstance(case.task, FineTuning) or case.task.sharding is None:
            continue
        asked += 1
        answer = _answer(case.model, replace(case.task, sharding=None), case.gpu)
        compared = MEASURES[found.measure](row, case, answer)
        if compared.predicted.lower > compared.high:
            below.append(row["id"])
    assert asked
    assert not below


@pytest.mark.parametrize("group", ["t4-allocated", "t4-process"])
def test_no_row_on_a_small_gpu_exceeds_the_upper_bound_where_attention_is_unstated(group: str) -> None:
    found = named(load_groups(), group)
    for row in found.rows():
        case = READERS[found.reader](row)
        assert case.model is not None
        assert isinstance(case.task, FineTuning)
        stated = MEASURES[found.measure](row, case, _answer(case.model, case.task, case.gpu))
        open_ = MEASURES[found.measure](row, case, _answer(case.model, replace(case.task, attention=None), case.gpu))
        assert open_.predicted.upper >= min(stated.predicted.upper, open_.low)
