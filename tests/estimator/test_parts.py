from hypothesis import given
from hypothesis import strategies as st

from llmjob.estimator.interval import Interval
from llmjob.estimator.parts import Part, total
from llmjob.estimator.result import Basis, ComponentName

BYTES = st.integers(min_value=0, max_value=2**50)


def part(lower: int, expected: int, upper: int) -> Part:
    return Part.of(ComponentName.RUNTIME, Interval(lower, expected, upper), Basis.MEASURED)


def test_residuals_combine_as_a_root_of_squares_and_settings_add() -> None:
    found = total([part(7, 10, 13), part(6, 10, 14)])
    assert found == Interval(20 - 5, 20, 20 + 5)
    setting = Part(name=ComponentName.LOGITS, lower=1, expected=10, upper=30, basis=Basis.MODELLED)
    assert total([setting, setting]) == Interval(2, 20, 60)


def test_a_remainder_of_the_root_counts_in_full() -> None:
    assert total([part(9, 10, 11), part(9, 10, 11)]) == Interval(18, 20, 22)


@given(st.lists(st.tuples(BYTES, BYTES, BYTES).map(sorted), min_size=1, max_size=6))
def test_a_total_lies_between_the_sums_of_bounds(amounts: list[list[int]]) -> None:
    parts = [part(*ends) for ends in amounts]
    found = total(parts)
    assert found.lower >= sum(item.memory.lower for item in parts)
    assert found.upper <= sum(item.memory.upper for item in parts)
    assert found.expected == sum(item.expected for item in parts)
