"""The status of a pod as the kubelet writes it."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from controlplane.kubelet.container import Container
from controlplane.kubelet.state import State
from controlplane.kubelet.status import pod_status

SPEC = {"name": "main", "image": "llmjob-operator:1"}
POD: dict[str, Any] = {"metadata": {"name": "p"}, "spec": {"containers": [SPEC]}, "status": {}}
RUNNING = State(state={"running": {"startedAt": "t"}}, started=True, ready=True)


def container(state: State) -> Container:
    return cast("Container", SimpleNamespace(name="main", spec=SPEC, state=state))


def ended(code: int) -> State:
    return State(state={"terminated": {"exitCode": code}})


def conditions(status: dict[str, Any]) -> dict[str, str]:
    return {item["type"]: item["status"] for item in status["conditions"]}


def test_before_its_containers_are_made_it_is_pending_and_says_why() -> None:
    status = pod_status(POD, [], address="127.1.2.3", waiting="no Secret", ended=False)
    assert (status["phase"], conditions(status)["Ready"]) == ("Pending", "False")
    [waiting] = status["containerStatuses"]
    assert waiting["state"]["waiting"] == {"reason": "ContainerCreating", "message": "no Secret"}


@pytest.mark.parametrize("ready", [True, False])
def test_it_is_ready_where_every_container_is(ready: bool) -> None:  # noqa: FBT001
    states = [RUNNING, replace(RUNNING, ready=ready)]
    found = pod_status(POD, [container(s) for s in states], address="127.1.2.3", waiting=None, ended=False)
    assert found["phase"] == "Running"
    assert (conditions(found)["Ready"], conditions(found)["ContainersReady"]) == (str(ready), str(ready))
    assert (found["podIP"], found["podIPs"]) == ("127.1.2.3", [{"ip": "127.1.2.3"}])


@pytest.mark.parametrize(("code", "phase"), [(0, "Succeeded"), (3, "Failed")])
def test_at_its_end_the_exit_code_decides(code: int, phase: str) -> None:
    found = pod_status(POD, [container(ended(code))], address="a", waiting=None, ended=True)
    assert (found["phase"], conditions(found)["Ready"]) == (phase, "False")
    assert found["containerStatuses"][0]["state"]["terminated"]["exitCode"] == code


def test_conditions_of_others_stay_and_ours_keep_their_time_until_they_change() -> None:
    scheduled = {"type": "PodScheduled", "status": "True", "lastTransitionTime": "s"}
    mine = {"type": "Ready", "status": "True", "lastTransitionTime": "r"}
    pod = {**POD, "status": {"conditions": [scheduled, mine], "startTime": "begun"}}
    same = pod_status(pod, [container(RUNNING)], address="a", waiting=None, ended=False)
    times = {item["type"]: item["lastTransitionTime"] for item in same["conditions"]}
    assert scheduled in same["conditions"]
    assert (times["Ready"], same["startTime"]) == ("r", "begun")
    other = pod_status(pod, [container(State())], address="a", waiting=None, ended=False)
    assert {item["type"]: item["lastTransitionTime"] for item in other["conditions"]}["Ready"] != "r"
