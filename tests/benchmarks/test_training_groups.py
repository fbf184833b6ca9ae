"""Fine-tuning rows against the estimator: what is reached on public measurements stays reached."""

from statistics import median

import pytest

from benchmarks.accuracy.groups import load_groups, named
from benchmarks.accuracy.scoring import score


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
