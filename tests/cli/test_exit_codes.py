import pytest

from llmjob.cli.exit_codes import BY_REASON, ExitCode, worst
from llmjob.names import Reason


def test_every_reason_has_an_exit_code():
    assert set(BY_REASON) == set(Reason)


@pytest.mark.parametrize(
    ("reasons", "code"),
    [
        (["Fits"], 0),
        (["Tight", "Fits"], 1),
        (["InsufficientGPUMemory"], 2),
        (["NotEnoughGPUsPerNode"], 2),
        (["IncompleteInventory"], 2),
        (["ModelUnknown", "Tight"], 3),
        (["InventoryUnknown"], 3),
        (["Pending"], 3),
        (["Stale"], 3),
        (["GPUCountMismatch"], 3),
        (["NoEligibleGPU", "ModelUnknown"], 4),
        (["InsufficientGPUMemory", "NoEligibleGPU", "ModelUnknown"], 2),
        (["BadInput", "InsufficientGPUMemory", "Fits"], 65),
    ],
)
def test_of_several_documents_the_worst_counts(reasons, code):
    assert worst(BY_REASON[Reason(reason)] for reason in reasons) == code


def test_nothing_to_judge_is_bad_input():
    assert worst([]) == ExitCode.BAD_INPUT
