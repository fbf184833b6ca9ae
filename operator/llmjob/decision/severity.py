"""Of a job's roles, whose verdict is the job's: the worst."""

from collections.abc import Mapping
from typing import Final

from llmjob.decision.verdict import Action, Verdict
from llmjob.names import Reason

_RANK: Final[Mapping[Reason, int]] = {
    Reason.FITS: 0,
    Reason.TIGHT: 1,
    Reason.GPU_COUNT_MISMATCH: 2,
    Reason.MODEL_UNKNOWN: 3,
    Reason.PENDING: 3,
    Reason.STALE: 3,
    Reason.INVENTORY_UNKNOWN: 3,
    Reason.NO_ELIGIBLE_GPU: 4,
    Reason.INCOMPLETE_INVENTORY: 5,
    Reason.NOT_ENOUGH_GPUS_PER_NODE: 6,
    Reason.INSUFFICIENT_GPU_MEMORY: 7,
    Reason.BAD_INPUT: 8,
}
_ACTIONS: Final = (Action.ALLOW, Action.WARN, Action.DENY)


def severity(verdict: Verdict) -> tuple[int, int]:
    """What admission does about it first, then its reason; larger is worse."""
    return _ACTIONS.index(verdict.action), _RANK[verdict.reason]
