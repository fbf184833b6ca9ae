"""Which containers of a pod show the end of their log, and for whom."""

import pytest

from llmjob.runtime.admission import Admission
from llmjob.runtime.termination_message import fall_back_to_logs

NAMESPACE_ASKS = {"resource": "pods", "verb": "mutate"}
LEVEL = {"level": "audit", "resource": "pods", "verb": "mutate"}
GPU = {"resources": {"limits": {"nvidia.com/gpu": "1"}}}


def containers(*policies, **more):
    return [{"name": f"c{index}", "terminationMessagePolicy": policy, **more} for index, policy in enumerate(policies)]


def paths(patch):
    return {item["path"]: item["value"] for item in patch if "terminationMessagePolicy" in item["path"]}


def test_gpu_containers_with_the_default_policy_show_their_logs_and_no_others():
    pod = {
        "spec": {
            "containers": [*containers("File", "FallbackToLogsOnError", **GPU), *containers("File")],
            "initContainers": [{"name": "warm", **GPU}, "odd"],
        }
    }
    assert paths(fall_back_to_logs(pod)) == {
        "/spec/containers/0/terminationMessagePolicy": "FallbackToLogsOnError",
        "/spec/initContainers/0/terminationMessagePolicy": "FallbackToLogsOnError",
    }


def test_a_second_pass_changes_nothing(apply_patch):
    pod = {"spec": {"containers": containers("File", **GPU)}}
    assert fall_back_to_logs(apply_patch(pod, fall_back_to_logs(pod))) == ()


@pytest.mark.parametrize("odd", [{}, {"spec": None}, {"spec": {"containers": "x"}}, {"spec": {"containers": [None]}}])
def test_odd_shapes_change_nothing(odd):
    assert fall_back_to_logs(odd) == ()


async def test_an_annotation_of_the_pod_asks_at_any_level(made, apply_patch):
    world = made.world(jobs=(made.job(),))
    silent, asking, other = made.pod(), made.pod(), made.pod()
    asking["metadata"]["annotations"] = {"llmjob.dev/termination-message": "logs"}
    other["metadata"]["annotations"] = {"llmjob.dev/termination-message": "file"}
    answers = [await Admission(world)(LEVEL, made.request(pod)) for pod in (silent, asking, other)]
    assert [bool(paths(answer.patch)) for answer in answers] == [False, True, False]
    written = apply_patch(asking, answers[1].patch)
    assert written["metadata"]["annotations"]["status.llmjob.dev/verdict"] == "Fits"


async def test_where_the_namespace_asks_that_is_all_that_changes(made):
    answer = await Admission(made.world(jobs=(made.job(),)))(NAMESPACE_ASKS, made.request(made.pod()))
    assert [item["path"] for item in answer.patch] == ["/spec/containers/0/terminationMessagePolicy"]


async def test_mirrors_updates_and_the_kill_switch_change_nothing(made):
    mirror = made.pod()
    mirror["metadata"]["annotations"] = {"kubernetes.io/config.mirror": "x"}
    world = made.world(jobs=(made.job(),))
    for request in (made.request(mirror), made.request(made.pod(), operation="UPDATE")):
        assert not (await Admission(world)(NAMESPACE_ASKS, request)).patch
    killed = made.world(jobs=(made.job(),), settings="enabled: false")
    assert not (await Admission(killed)(NAMESPACE_ASKS, made.request(made.pod()))).patch
