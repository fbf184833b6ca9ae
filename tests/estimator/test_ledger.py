"""Which turns of equal blocks can be the peak: against every turn, tried one by one."""

from hypothesis import given
from hypothesis import strategies as st

from llmjob.estimator.ledger import Moment, corners

steps = st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), min_size=1, max_size=30)


@given(steps, st.integers(0, 9), st.integers(0, 9), st.integers(0, 200))
def test_no_turn_that_is_left_out_is_the_largest(
    moves: list[tuple[int, int]], of_left: int, of_gradients: int, before: int
) -> None:
    """Whatever counts of both, and gradients of earlier micro-batches where those are more."""
    left, gradients, moments = 10**4, 0, []
    for index, (less, more) in enumerate(moves):
        moments.append(Moment(str(index), left, gradients))
        left, gradients = left - less, gradients + more

    def size(moment: Moment) -> int:
        return of_left * moment.left + max(of_gradients * moment.gradients, before)

    assert max(map(size, corners(moments))) == max(map(size, moments))


def test_turns_in_one_line_are_the_first_and_the_last() -> None:
    moments = [Moment(str(index), 100 - 3 * index, 2 * index) for index in range(20)]
    assert [moment.name for moment in corners(moments)] == ["0", "19"]
