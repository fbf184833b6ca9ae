"""Of a job's roles the worst verdict is the job's."""

import pytest

from llmjob.decision.severity import severity
from llmjob.decision.verdict import Action, Verdict
from llmjob.names import Reason


def verdict(reason, action=Action.WARN):
    return Verdict(name="job", reason=reason, message="", action=action)


def test_every_reason_has_its_place_from_the_best_to_the_worst():
    order = [
        Reason.FITS, Reason.TIGHT, Reason.GPU_COUNT_MISMATCH, Reason.MODEL_UNKNOWN, Reason.NO_ELIGIBLE_GPU,
        Reason.INCOMPLETE_INVENTORY, Reason.NOT_ENOUGH_GPUS_PER_NODE, Reason.INSUFFICIENT_GPU_MEMORY, Reason.BAD_INPUT,
    ]  # fmt: skip
    assert sorted(order, key=lambda reason: severity(verdict(reason))) == order
    unknown = {Reason.MODEL_UNKNOWN, Reason.PENDING, Reason.STALE, Reason.INVENTORY_UNKNOWN}
    assert len({severity(verdict(reason)) for reason in unknown}) == 1
    assert {*order, *unknown} == set(Reason)


def test_what_is_denied_is_worse_than_what_is_warned_of():
    denied, warned = verdict(Reason.NOT_ENOUGH_GPUS_PER_NODE, Action.DENY), verdict(Reason.INSUFFICIENT_GPU_MEMORY)
    assert severity(denied) > severity(warned) > severity(verdict(Reason.BAD_INPUT, Action.ALLOW))


@pytest.mark.parametrize("reason", Reason)
def test_it_fits_or_not_only_where_that_is_sure(reason):
    sure = {Reason.FITS: True, Reason.INSUFFICIENT_GPU_MEMORY: False, Reason.NOT_ENOUGH_GPUS_PER_NODE: False}
    assert verdict(reason).fits is sure.get(reason)
