"""Advice is what was tried: written into the manifest word for word, it makes the job fit."""

import copy
from typing import Any

import pytest

from llmjob.api.reader import read_llmjob
from llmjob.decision.decide import decide
from llmjob.decision.policy import Policy
from llmjob.decision.verdict import Outcome, Verdict
from llmjob.fleet.fleet import Fleet
from llmjob.fleet.gpu_argument import parse
from llmjob.workloads.llmjob import requests_from_llmjob

LLAMA_8B = {"id": "meta-llama/Llama-3.1-8B"}
LLAMA_70B = {"id": "meta-llama/Llama-3.1-70B"}
COUNTED = {"parameters": "7B"}
FULL = {"method": "Full", "microBatchSize": 1, "sequenceLength": 1024, "activationCheckpointing": "Full"}
JOBS: dict[str, tuple[str, dict[str, Any]]] = {
    "full on a node of eight": ("a100-80gbx8", {"model": COUNTED, "fineTuning": {"method": "Full"}}),
    "full, architecture": ("a100-80gbx8", {"model": LLAMA_8B, "fineTuning": FULL}),
    "full under DDP": (
        "a100-80gbx8",
        {"model": LLAMA_8B, "fineTuning": {**FULL, "sharding": {"strategy": "DDP"}}, "parallelism": {"data": 2}},
    ),
    "a degree that is too small": (
        "a100-80gbx8",
        {"model": LLAMA_8B, "fineTuning": {**FULL, "sharding": {"strategy": "ZeRO3", "degree": 2}}},
    ),
    "a degree and data": (
        "a100-80gbx8",
        {
            "model": LLAMA_8B, "fineTuning": {**FULL, "sharding": {"strategy": "FSDP", "degree": 2}},
            "parallelism": {"data": 2},
        },
    ),
    "data stated as one": ("a100-80gbx8", {"model": LLAMA_8B, "fineTuning": FULL, "parallelism": {"data": 1}}),
    "tensor parallel training": (
        "a100-80gbx8",
        {"model": LLAMA_8B, "fineTuning": FULL, "parallelism": {"tensor": 2, "context": 1}},
    ),
    "topology stated": (
        "a100-80gbx8",
        {"model": LLAMA_8B, "fineTuning": FULL, "topology": {"podsPerInstance": 1, "gpusPerPod": 1}},
    ),
    "two pods": (
        "a100-80gbx8",
        {
            "model": LLAMA_8B, "fineTuning": {**FULL, "sharding": {"strategy": "FSDP"}}, "parallelism": {"data": 2},
            "topology": {"podsPerInstance": 2},
        },
    ),
    "serving over more GPUs": (
        "l4x8", {"model": LLAMA_8B, "inference": {"engine": "vLLM", "maxModelLen": 8192, "concurrency": 16}},
    ),
    "serving in pipelines": (
        "l4x8", {"model": LLAMA_70B, "inference": {"maxModelLen": 4096}, "parallelism": {"pipeline": 2}},
    ),
    "serving with replicas": (
        "l4x4",
        {
            "model": LLAMA_8B, "inference": {"maxModelLen": 8192, "concurrency": 16},
            "parallelism": {"data": 2}, "topology": {"gpusPerPod": 2},
        },
    ),
    "long context on one": ("l4x1", {"model": LLAMA_8B, "inference": {"maxModelLen": 131072, "concurrency": 64}}),
    "a large micro batch": (
        "a100-80gbx1", {"model": LLAMA_8B, "fineTuning": {**FULL, "method": "LoRA", "microBatchSize": 64}},
    ),
}  # fmt: skip


def verdict(gpus: str, spec: dict[str, Any]) -> Verdict:
    manifest = {"apiVersion": "llmjob.dev/v1alpha1", "kind": "LLMJob", "metadata": {"name": "job"}, "spec": spec}
    (request,) = requests_from_llmjob(read_llmjob(manifest).job)
    return decide(request, Fleet.of_classes([parse(gpus)]), Policy())


def with_change(spec: dict[str, Any], field: str, value: str) -> dict[str, Any]:
    """The spec with every field set as the advice writes it."""
    changed: dict[str, Any] = copy.deepcopy(spec)
    for path, text in zip(field.split(","), value.split(","), strict=True):
        *parents, last = path.removeprefix("spec.").split(".")
        at = changed
        for parent in parents:
            at = at.setdefault(parent, {})
        at[last] = int(text) if text.isdigit() else text
    return changed


@pytest.mark.parametrize("name", JOBS)
def test_advice_written_into_the_manifest_makes_the_job_fit(name: str) -> None:
    gpus, spec = JOBS[name]
    found = verdict(gpus, spec)
    assert [item.outcome for item in found.classes] != [Outcome.FITS]
    changes = [advice for advice in found.advice if advice.field != "scheduling"]
    assert changes
    for advice in changes:
        after = verdict(gpus, with_change(spec, advice.field, advice.value))
        assert [item.outcome for item in after.classes] == [Outcome.FITS], (advice, after.message)


def test_degrees_that_the_stated_topology_rules_out_are_not_offered() -> None:
    gpus, spec = JOBS["topology stated"]
    assert not any("parallelism" in advice.field for advice in verdict(gpus, spec).advice)
    free = {name: value for name, value in spec.items() if name != "topology"}
    assert any("parallelism" in advice.field for advice in verdict(gpus, free).advice)


def test_degrees_that_do_not_spread_over_the_stated_pods_are_not_offered() -> None:
    spec = {"model": LLAMA_8B, "fineTuning": FULL, "parallelism": {"data": 3}, "topology": {"podsPerInstance": 3}}
    assert not any("parallelism" in advice.field for advice in verdict("a100-80gbx8", spec).advice)
    changed = {**spec, "topology": {"podsPerInstance": 1}}
    assert any("parallelism" in advice.field for advice in verdict("a100-80gbx8", changed).advice)
