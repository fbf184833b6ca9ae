"""A request from plain values."""

from dataclasses import replace

import pytest

from llmjob.estimator.model import ModelSource
from llmjob.estimator.task import FineTuning, Inference, Parallelism
from llmjob.fleet.scheduling import ANYWHERE, Scheduling
from llmjob.models.catalogue import find
from llmjob.models.reference import ModelReference
from llmjob.names import Level, Reason
from llmjob.workloads.build import build_request
from llmjob.workloads.request import Request, UnknownRequest

SEVEN = ModelReference(parameters=7 * 10**9)


def test_a_request_carries_what_it_was_built_from():
    scheduling = Scheduling(node_selector={"pool": "big"})
    request = build_request(
        name="a",
        namespace="team",
        role="trainer",
        reference=SEVEN,
        task=FineTuning(parallelism=Parallelism(data=16)),
        pods_per_instance=2,
        scheduling=scheduling,
        enforcement=Level.ENFORCE,
    )
    assert isinstance(request, Request)
    assert (request.name, request.namespace, request.role) == ("a", "team", "trainer")
    assert (request.pods_per_instance, request.gpus_per_pod) == (2, 8)
    assert (request.scheduling, request.enforcement) == (scheduling, Level.ENFORCE)
    assert request.model.source is ModelSource.PARAMETERS
    assert (request.gpu_resource, request.pod_gpus) == (None, None)


def test_unstated_scheduling_is_anywhere():
    assert build_request(name="a", reference=SEVEN, task=Inference()).scheduling == ANYWHERE


def test_names_become_canonical_in_any_spelling():
    request = build_request(
        name="a",
        reference=ModelReference(parameters=7 * 10**9, dtype="bfloat16", quantization="nf-4"),
        task=FineTuning(method="q_lora", optimizer="adam-w"),
    )
    assert (request.model.dtype, request.model.quantization) == ("BF16", "NF4")
    assert (request.task.method, request.task.optimizer) == ("QLoRA", "AdamW")


def test_spelling_does_not_change_the_hash():
    one = build_request(name="a", reference=SEVEN, task=Inference(engine="vllm"))
    other = build_request(name="b", namespace="x", reference=SEVEN, task=Inference(engine="vLLM"))
    assert one.input_hash == other.input_hash


@pytest.mark.parametrize(
    "change",
    [
        {"reference": ModelReference(parameters=8 * 10**9)},
        {"task": Inference(concurrency=2)},
        {"pods_per_instance": 2, "gpus_per_pod": 1, "task": Inference(parallelism=Parallelism(tensor=2))},
        {"scheduling": Scheduling()},
        {"enforcement": Level.STRICT},
    ],
)
def test_what_the_answer_depends_on_changes_the_hash(change):
    given = {"name": "a", "reference": SEVEN, "task": Inference()}
    assert build_request(**given).input_hash != build_request(**(given | change)).input_hash


def test_the_config_of_a_model_changes_the_hash():
    config = dict(find("Qwen/Qwen3-8B").config)
    hashes = {
        build_request(name="a", reference=reference, task=Inference()).input_hash
        for reference in (
            ModelReference(id="some/x-8B", config=config),
            ModelReference(id="some/x-8B", config=config | {"num_hidden_layers": 35}),
            ModelReference(id="some/x-8B"),
        )
    }
    assert len(hashes) == 3


def test_the_catalogued_config_of_a_model_changes_the_hash(monkeypatch):
    reference = ModelReference(id="Qwen/Qwen3-8B")
    before = build_request(name="a", reference=reference, task=Inference()).input_hash
    entry = find("Qwen/Qwen3-8B")
    changed = replace(entry, config=dict(entry.config) | {"num_hidden_layers": 35})
    monkeypatch.setattr("llmjob.workloads.build.find", lambda _: changed)
    assert build_request(name="a", reference=reference, task=Inference()).input_hash != before


def test_an_unknown_model_is_an_unknown_request_that_keeps_its_place():
    scheduling = Scheduling(node_selector={"pool": "big"})
    request = build_request(
        name="a",
        namespace="team",
        reference=ModelReference(id="some/model"),
        task=Inference(parallelism=Parallelism(tensor=4)),
        scheduling=scheduling,
        enforcement=Level.WARN,
    )
    assert isinstance(request, UnknownRequest)
    assert (request.name, request.namespace, request.scheduling) == ("a", "team", scheduling)
    assert (request.pods_per_instance, request.gpus_per_pod, request.enforcement) == (1, 4, Level.WARN)
    assert (request.unknown.reason, request.unknown.field) == (Reason.MODEL_UNKNOWN, "spec.model.id")
    assert request.input_hash


def test_an_unknown_name_is_an_unknown_request_that_names_its_field():
    request = build_request(name="a", reference=SEVEN, task=FineTuning(optimizer="AdamX"))
    assert (request.unknown.reason, request.unknown.field) == (Reason.MODEL_UNKNOWN, "spec.fineTuning.optimizer")


def test_a_topology_that_contradicts_itself_is_an_unknown_request():
    request = build_request(name="a", reference=SEVEN, task=FineTuning(), gpus_per_pod=3)
    assert (request.unknown.reason, request.unknown.field) == (Reason.BAD_INPUT, "spec.topology.gpusPerPod")


def test_unknown_requests_that_differ_hash_differently():
    hashes = {
        build_request(name="a", reference=ModelReference(id=model_id), task=task).input_hash
        for model_id in ("some/model", "other/model")
        for task in (Inference(), FineTuning())
    }
    assert len(hashes) == 4
