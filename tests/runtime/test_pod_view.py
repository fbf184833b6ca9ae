"""Pods of jobs: what is kept of them, which of them count, and the class that each runs on."""

import pytest

from llmjob.runtime.pod_view import JobPod, PodView, joined


def running(made, name="pod", job="job", *, node="small", gpus=1, **spec):
    """A pod that the kubelet runs."""
    pod = made.pod(job, gpus=gpus, nodeName=node, **spec)
    pod["metadata"] |= {"name": name, "namespace": "team", "uid": f"uid-{name}"}
    pod["status"] = {"phase": "Running", "startTime": "2026-01-01T00:00:00Z"}
    return pod


def view(*pods):
    found = PodView()
    found.replace(found.read(pods))
    return found


def places(made, *pods, **world):
    return [
        (found.pod.name, found.pod.role, found.gpu_class, found.shared)
        for found in joined(view(*pods), made.world(jobs=(made.job(),), **world))
    ]


def test_what_is_kept_of_a_pod(made):
    assert JobPod.of(running(made)) == JobPod(
        namespace="team", name="pod", uid="uid-pod", job="job", role="main", node="small", running=True,
        started=1767225600.0, resource="nvidia.com/gpu",
    )  # fmt: skip


def test_a_role_that_the_pod_names_is_its_role(made):
    pod = running(made)
    pod["metadata"]["labels"]["llmjob.dev/role"] = "trainer"
    assert places(made, pod) == [("pod", "trainer", "nvidia-t4", False)]


@pytest.mark.parametrize("pod", [{}, {"metadata": None}, {"metadata": {"labels": {"llmjob.dev/job": ""}}}])
def test_a_pod_without_a_job_is_none(pod):
    assert JobPod.of(pod) is None


def test_odd_shapes_are_read_as_nothing():
    odd = {"metadata": {"labels": {"llmjob.dev/job": "job"}}, "spec": [], "status": {"startTime": 5}}
    found = JobPod.of(odd)
    assert found is not None
    assert (found.node, found.running, found.started, found.resource) == ("", False, None, None)


@pytest.mark.parametrize("phase", ["Pending", "Succeeded", "Failed", "Unknown"])
def test_a_pod_that_does_not_run_has_not_joined(made, phase):
    pod = running(made)
    pod["status"]["phase"] = phase
    assert places(made, pod) == []


def test_a_pod_whose_job_is_not_there_has_not_joined(made):
    assert places(made, running(made, job="absent"), running(made, "other")) == [("other", "main", "nvidia-t4", False)]


def test_the_class_is_that_of_the_node_for_the_resource_asked_for(made):
    node = made.node("mixed", made.a100)
    node["metadata"]["labels"] |= {
        "nvidia.com/mig.strategy": "mixed", "nvidia.com/mig-3g.40gb.count": "2",
        "nvidia.com/mig-3g.40gb.memory": "40448", "nvidia.com/mig-3g.40gb.product": "NVIDIA-A100-SXM4-80GB-MIG-3g.40gb",
    }  # fmt: skip
    node["status"]["allocatable"]["nvidia.com/mig-3g.40gb"] = "2"
    limits = {"resources": {"limits": {"nvidia.com/mig-3g.40gb": "1"}}}
    slice_of = running(made, "slice", node="mixed", containers=[{"name": "main", **limits}])
    world = made.world(node, jobs=(made.job(),))
    found = {
        item.pod.name: item.gpu_class for item in joined(view(slice_of, running(made, "whole", node="mixed")), world)
    }
    assert found == {"slice": "nvidia-a100-80gb-mig-3g.40gb", "whole": "nvidia-a100-80gb"}


def test_without_a_gpu_or_with_a_node_that_is_not_known_there_is_no_class(made):
    pods = (running(made, "router", gpus=0), running(made, "elsewhere", node="gone"))
    assert places(made, *pods) == [("router", "main", "", False), ("elsewhere", "main", "", False)]


@pytest.mark.parametrize("strategy", ["time-slicing", "mps"])
def test_a_card_that_is_handed_to_several_pods_is_shared(made, strategy):
    node = made.node("small", made.t4)
    node["metadata"]["labels"] |= {"nvidia.com/gpu.sharing-strategy": strategy, "nvidia.com/gpu.replicas": "4"}
    [found] = joined(view(running(made)), made.world(node, jobs=(made.job(),)))
    assert found.shared


def test_a_pod_that_is_deleted_or_unlabelled_leaves_the_view(made):
    pods = view(running(made, "a"), running(made, "b"))
    pods.apply("DELETED", running(made, "a"))
    pods.apply("MODIFIED", running(made, "b", job=None))
    pods.apply("ADDED", running(made, "c"))
    assert [pod.name for pod in pods] == ["c"]


def test_a_list_drops_pods_that_are_gone_but_not_what_an_event_brought_meanwhile(made):
    pods = view(running(made, "a"))
    pods.begin()
    pods.apply("ADDED", running(made, "b"))
    pods.replace(pods.read([]))
    assert [pod.name for pod in pods] == ["b"]
