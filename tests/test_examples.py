"""The examples a reader can apply: sound, known, and too large for the cards that their measured runs rule out."""

from pathlib import Path

import pytest

from llmjob.api.reader import read_llmjob, read_yaml
from llmjob.estimator.estimate import estimate
from llmjob.models import catalogue
from llmjob.names import JOB_LABEL
from llmjob.workloads.llmjob import requests_from_llmjob
from llmjob.workloads.pod import request_from_pod
from llmjob.workloads.request import Request

EXAMPLES = Path(__file__).parents[1] / "examples"
FILES = sorted(EXAMPLES.rglob("*.yaml"))
DOCUMENTS = [document for file in FILES for document in read_yaml(file.read_text())]
JOBS = {
    document["metadata"]["name"]: read_llmjob(document).job for document in DOCUMENTS if document["kind"] == "LLMJob"
}
PODS = {document["metadata"]["name"]: document for document in DOCUMENTS if document["kind"] == "Pod"}

# Memory of the whole card in MiB as its label says it (15,360 for a T4, 23,034 for an L4, 81,920 for an A100 or H100):
# no process sees more.
CARDS = {"T4": 15_360, "L4": 23_034, "A100-80": 81_920, "H100": 81_920}
TOO_SMALL = {
    "mistral-7b-lora": {"T4", "L4"},
    "llama-8b-lora": {"T4"},
    "llama-70b-serving": {"T4", "L4"},
    "qwen3-30b-serving": {"T4", "L4"},
    "qwen3-8b-serving": {"T4"},
    "qwen3-small-serving": set(),
    "llama-405b-full": {"T4", "L4", "A100-80", "H100"},
}
# Bytes a GPU that published runs of the same model and settings held. Training: what was allocated; serving: the
# weights alone, which no card changes.
MEASURED = {
    "mistral-7b-lora": 38_742_912_512,
    "llama-8b-lora": 19_730_000_000,
    "llama-70b-serving": int(33.88 * 2**30),
    "qwen3-30b-serving": int(56.88 * 2**30),
    "qwen3-8b-serving": int(15.27 * 2**30),
    "qwen3-small-serving": int(1.12 * 2**30),
}


def test_every_example_is_judged_here():
    assert set(JOBS) == set(TOO_SMALL)


@pytest.mark.parametrize("name", JOBS)
def test_the_lower_bound_exceeds_exactly_the_cards_that_are_too_small(name):
    (request,) = requests_from_llmjob(JOBS[name])
    lower = estimate(request.model, request.task).per_gpu.lower
    assert {card for card, mib in CARDS.items() if lower > mib * 2**20} == TOO_SMALL[name]


@pytest.mark.parametrize("name", MEASURED)
def test_the_measured_need_rules_out_the_same_cards(name):
    assert {card for card, mib in CARDS.items() if MEASURED[name] > mib * 2**20} == TOO_SMALL[name]


@pytest.mark.parametrize("name", MEASURED)
def test_no_estimate_promises_less_than_was_measured(name):
    (request,) = requests_from_llmjob(JOBS[name])
    assert estimate(request.model, request.task).per_gpu.upper >= MEASURED[name]


@pytest.mark.parametrize("name", PODS)
def test_a_pod_says_what_was_measured_and_by_whom(name):
    job = PODS[name]["metadata"]["labels"][JOB_LABEL]
    notes = PODS[name]["metadata"].get("annotations", {})
    if job in MEASURED:
        assert abs(int(notes["examples.llmjob.dev/measured-bytes"]) - MEASURED[job]) <= 1
        assert notes["examples.llmjob.dev/measured-by"]
    else:
        assert not notes


@pytest.mark.parametrize("name", PODS)
def test_a_pod_asks_for_as_many_gpus_as_its_job_says(name):
    job = JOBS[PODS[name]["metadata"]["labels"][JOB_LABEL]]
    request = request_from_pod(PODS[name], job)
    assert isinstance(request, Request)
    assert request.pod_gpus == request.gpus_per_pod


@pytest.mark.parametrize("name", JOBS)
def test_a_model_named_by_id_is_catalogued(name):
    model_id = JOBS[name].spec.model.id
    assert model_id is None or catalogue.find(model_id) is not None


@pytest.mark.parametrize("name", JOBS)
def test_an_example_has_no_unknown_field(name):
    (document,) = [item for item in DOCUMENTS if item["kind"] == "LLMJob" and item["metadata"]["name"] == name]
    assert read_llmjob(document).unknown_paths == ()
