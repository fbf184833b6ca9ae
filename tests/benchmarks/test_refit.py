"""The constants in force are those that the rows give, whichever architecture is left out."""

import pytest

from benchmarks.accuracy.refit import Refit, Sample, refits


@pytest.mark.parametrize("refit", refits(), ids=lambda refit: refit.name)
def test_a_constant_in_force_lies_within_what_the_left_out_architectures_scatter(refit: Refit) -> None:
    errors = refit.held_out
    tolerance = 0.02 * refit.in_force
    assert refit.fitted + errors[0] - tolerance <= refit.in_force <= refit.fitted + errors[-1] + tolerance


def test_an_architecture_is_predicted_from_the_others_alone() -> None:
    samples = (Sample("a", 1.0), Sample("a", 1.0), Sample("b", 2.0), Sample("c", 2.0))
    assert Refit("x", samples, 1.0).held_out == [-1.0, -1.0, 1.0, 1.0]
