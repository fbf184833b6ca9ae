"""What a pod asks for: the role of the job that its labels name."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmjob.api.reader import read_llmjob
from llmjob.names import JOB_LABEL, ROLE_LABEL, Reason
from llmjob.workloads.llmjob import requests_from_llmjob
from llmjob.workloads.pod import request_from_pod
from llmjob.workloads.request import Request, UnknownRequest

JOB = read_llmjob(
    {
        "apiVersion": "llmjob.dev/v1alpha1",
        "kind": "LLMJob",
        "metadata": {"name": "sft", "namespace": "research"},
        "spec": {
            "model": {"parameters": "7B"},
            "fineTuning": {},
            "parallelism": {"data": 2},
            "scheduling": {"nodeSelector": {"of": "the-job"}},
            "enforcement": "Enforce",
        },
    }
).job


def pod(labels=None, *, gpus="2", metadata=None, **spec):
    labels = {JOB_LABEL: "sft"} if labels is None else labels
    container = {"name": "main", "resources": {"limits": {"nvidia.com/gpu": gpus}}}
    return {
        "metadata": {"name": "sft-0", "namespace": "research", "labels": labels} | (metadata or {}),
        "spec": {"containers": [container]} | spec,
    }


def test_a_pod_is_its_role_of_the_job_on_the_nodes_where_the_pod_may_run():
    request = request_from_pod(pod(nodeSelector={"of": "the-pod"}), JOB)
    (of_job,) = requests_from_llmjob(JOB)
    assert isinstance(request, Request)
    assert (request.model, request.task, request.enforcement) == (of_job.model, of_job.task, of_job.enforcement)
    assert request.gpus_per_pod == 2
    assert request.scheduling.node_selector == {"of": "the-pod"}
    assert (request.gpu_resource, request.pod_gpus) == ("nvidia.com/gpu", 2)
    assert (request.name, request.namespace, request.role) == ("sft-0", "research", "main")


def test_a_pod_that_has_no_name_yet_is_called_by_its_generate_name_else_by_its_job():
    assert request_from_pod(pod(metadata={"name": "", "generateName": "sft-"}), JOB).name == "sft-"
    assert request_from_pod(pod(metadata={"name": None}), JOB).name == "sft"


def test_a_pod_that_has_no_namespace_yet_is_in_its_jobs():
    assert request_from_pod(pod(metadata={"namespace": None}), JOB).namespace == "research"


def test_a_pod_without_a_gpu_asks_for_nothing():
    assert request_from_pod(pod(gpus="0"), JOB) is None
    assert request_from_pod(pod(gpus="0"), None) is None


def test_a_pod_that_names_no_job_asks_for_nothing():
    assert request_from_pod(pod({}), None) is None


def test_the_hash_covers_what_the_pod_adds():
    hashes = {
        request.input_hash
        for request in (
            *requests_from_llmjob(JOB),
            request_from_pod(pod(), JOB),
            request_from_pod(pod(gpus="1"), JOB),
            request_from_pod(pod(nodeSelector={"a": "b"}), JOB),
        )
    }
    assert len(hashes) == 4


def test_pods_of_one_role_hash_alike():
    one = request_from_pod(pod(), JOB)
    other = request_from_pod(pod(metadata={"name": "sft-1", "annotations": {"a": "b"}}), JOB)
    assert one.input_hash == other.input_hash


def test_a_pod_whose_job_is_not_known_is_pending_with_what_to_do():
    request = request_from_pod(pod(nodeSelector={"a": "b"}), None)
    assert isinstance(request, UnknownRequest)
    assert (request.unknown.reason, request.unknown.field) == (Reason.PENDING, f"metadata.labels[{JOB_LABEL}]")
    assert "LLMJob sft is not known in namespace research yet" in request.unknown.message
    assert f"correct the label {JOB_LABEL}" in request.unknown.message
    assert (request.gpu_resource, request.pod_gpus) == ("nvidia.com/gpu", 2)
    assert request.scheduling.node_selector == {"a": "b"}


def test_a_pod_whose_job_surely_does_not_exist_is_told_so():
    request = request_from_pod(pod(), None, missing=True)
    assert "there is no LLMJob sft in namespace research" in request.unknown.message


def test_a_pod_whose_role_the_job_lacks_is_pending_naming_the_label_and_the_roles():
    request = request_from_pod(pod({JOB_LABEL: "sft", ROLE_LABEL: "prefill"}), JOB)
    assert (request.unknown.reason, request.unknown.field) == (Reason.PENDING, f"metadata.labels[{ROLE_LABEL}]")
    assert "'prefill'" in request.unknown.message
    assert "main" in request.unknown.message
    assert request.role == "prefill"


@pytest.mark.parametrize("labels", [{JOB_LABEL: 7}, {JOB_LABEL: ""}, "x", None, [JOB_LABEL]])
def test_labels_of_odd_shape_name_no_job(labels):
    shape = pod()
    shape["metadata"]["labels"] = labels
    assert request_from_pod(shape, None) is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["nodeAffinity", "requiredDuringSchedulingIgnoredDuringExecution", "nodeSelectorTerms", "key"]
            )
            | st.text(max_size=4),
            inner,
            max_size=3,
        )
    ),
    max_leaves=15,
)


@given(
    st.dictionaries(st.sampled_from(["name", "namespace", "generateName", "annotations"]), JSON),
    st.dictionaries(
        st.sampled_from(["nodeSelector", "affinity", "tolerations", "runtimeClassName", "initContainers"]), JSON
    ),
    st.sampled_from([JOB, None]),
)
def test_a_pod_of_any_shape_is_answered(metadata, spec, job):
    request = request_from_pod(pod(metadata=metadata, **spec), job)
    assert request is not None
    assert request.input_hash


@given(JSON, JSON, st.sampled_from([JOB, None]))
def test_garbage_is_never_a_crash(metadata, spec, job):
    assert request_from_pod({"metadata": metadata, "spec": spec}, job) is None
