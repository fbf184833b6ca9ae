"""Runs of containers, from statuses as the kubelet writes them."""

import pytest

from llmjob.observation.container_runs import Run, runs_of
from llmjob.observation.signatures import Cause

TEXT = "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB."
BEGAN, ENDED = "2026-01-01T00:00:00Z", "2026-01-01T00:05:00Z"
MIDNIGHT = 1767225600.0


def terminated(message=TEXT, code=1, reason="Error"):
    return {
        "terminated": {
            "exitCode": code, "reason": reason, "message": message, "startedAt": BEGAN, "finishedAt": ENDED,
            "containerID": "containerd://1",
        }
    }  # fmt: skip


def status(kind="containerStatuses", **found):
    return {"status": {kind: [{"name": "main", "restartCount": 0, **found}]}}


def told(pod):
    return [(run.container, run.number, run.ending.cause if run.ending else None) for run in runs_of(pod)]


def test_a_run_that_ended_is_told_with_its_moments_and_its_cause():
    [run] = runs_of(status(state=terminated()))
    assert (run.started, run.finished, run.lasted) == (MIDNIGHT, MIDNIGHT + 300, 300)
    assert run.ending is not None
    assert run.ending.claim is not None
    assert run.ending.claim.asked == 2 * 2**30


def test_the_same_end_has_the_same_number_while_it_stands_while_a_restart_is_awaited_and_after_it():
    ended = told(status(state=terminated()))
    waiting = told(status(state={"waiting": {"reason": "CrashLoopBackOff"}}, lastState=terminated()))
    again = told(status(restartCount=1, state={"running": {"startedAt": ENDED}}, lastState=terminated()))
    twice = told(status(restartCount=1, state=terminated("bye", 0, "Completed"), lastState=terminated()))
    end = ("main", 0, Cause.GPU_OUT_OF_MEMORY)
    assert (ended, waiting, again, twice) == (
        [end], [end], [end, ("main", 1, None)], [end, ("main", 1, Cause.COMPLETED)],
    )  # fmt: skip


def test_init_containers_count_too():
    assert told(status("initContainerStatuses", state=terminated())) == [("main", 0, Cause.GPU_OUT_OF_MEMORY)]


def test_the_hosts_memory_and_an_end_without_a_message_are_no_gpus():
    assert told(status(state=terminated(TEXT, 137, "OOMKilled"))) == [("main", 0, Cause.HOST_OUT_OF_MEMORY)]
    assert told(status(state=terminated(None))) == [("main", 0, Cause.OTHER)]


@pytest.mark.parametrize(
    "pod",
    [
        {}, {"status": None}, {"status": {"containerStatuses": "x"}}, {"status": {"containerStatuses": [None]}},
        status(state="x", lastState=[]), status(state={"terminated": "x"}, restartCount="y"),
    ],
)  # fmt: skip
def test_odd_shapes_give_nothing(pod):
    assert runs_of(pod) == ()


def test_odd_values_are_read_as_nothing():
    odd = {"terminated": {"exitCode": "x", "reason": 5, "message": ["y"], "startedAt": 7, "finishedAt": "never"}}
    [run] = runs_of(status(state=odd, restartCount="y"))
    assert run.ending is not None
    assert (run, run.ending.cause, run.lasted) == (Run(container="main", number=0, ending=run.ending), Cause.OTHER, 0)
