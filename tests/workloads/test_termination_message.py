"""Which containers of a pod show the end of their log."""

import pytest

from llmjob.workloads.termination_message import fall_back_to_logs

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


def test_a_second_pass_changes_nothing():
    pod = {"spec": {"containers": containers("FallbackToLogsOnError", **GPU)}}
    assert fall_back_to_logs(pod) == ()


@pytest.mark.parametrize("odd", [{}, {"spec": None}, {"spec": {"containers": "x"}}, {"spec": {"containers": [None]}}])
def test_odd_shapes_change_nothing(odd):
    assert fall_back_to_logs(odd) == ()
