"""What helps a job that ran out of memory: changes in numbers, and a larger GPU that there is."""

from dataclasses import replace
from typing import Any

from llmjob.api.reader import read_llmjob
from llmjob.decision.decide import decide
from llmjob.decision.policy import Policy
from llmjob.decision.relief import relief
from llmjob.decision.verdict import Advice
from llmjob.fleet.fleet import Fleet
from llmjob.fleet.gpu_argument import parse
from llmjob.fleet.gpu_class import GPUClass, Sharing
from llmjob.names import Reason
from llmjob.workloads.llmjob import requests_from_llmjob
from llmjob.workloads.request import Request

SERVE = {"model": {"parameters": "7B"}, "inference": {}}
TUNE = {
    "model": {"id": "meta-llama/Llama-3.1-8B"},
    "fineTuning": {"method": "LoRA", "microBatchSize": 8, "sequenceLength": 4096},
}


def asked(spec: dict[str, Any]) -> Request:
    content = {"apiVersion": "llmjob.dev/v1alpha1", "kind": "LLMJob", "metadata": {"name": "job"}, "spec": spec}
    [request] = requests_from_llmjob(read_llmjob(content).job)
    assert isinstance(request, Request)
    return request


def helped(spec: dict[str, Any], gpus: str, on: str) -> tuple[Advice, ...]:
    fleet = there(gpus)
    return relief(asked(spec), named(fleet, on), fleet)


def there(gpus: str) -> Fleet:
    return Fleet.of_classes(parse(gpu) for gpu in gpus.split(","))


def named(fleet: Fleet, name: str) -> GPUClass:
    return next(item for item in fleet.classes() if item.name == name)


def test_a_job_that_was_expected_to_fit_gets_advice_all_the_same() -> None:
    fleet = there("a100-80gb")
    assert decide(asked(SERVE), fleet, Policy()).reason is Reason.FITS
    assert relief(asked(SERVE), named(fleet, "nvidia-a100-80gb"), fleet)


def test_changes_come_first_a_larger_gpu_that_fits_last_three_in_all() -> None:
    found = helped(TUNE, "a100-80gb,h200", "nvidia-a100-80gb")
    assert len(found) <= 3
    assert [item.field for item in found][:1] == ["spec.fineTuning.microBatchSize"]
    assert found[-1].field == "scheduling" or "scheduling" not in {item.field for item in found}


def test_the_larger_gpu_is_the_smallest_of_the_fleet_that_is_larger_though_the_job_may_run_there_already() -> None:
    assert helped(SERVE, "l4,a100-80gb,h200", "nvidia-l4")[-1].value == "nvidia-a100-80gb"


def test_without_a_larger_one_in_the_fleet_the_product_table_names_one() -> None:
    found = helped(SERVE, "l4", "nvidia-l4")[-1]
    assert found.field == "scheduling"
    assert found.value != "nvidia-l4"


def test_of_many_changes_and_a_larger_gpu_three_are_told_the_gpu_among_them() -> None:
    spec = {
        "model": {"id": "meta-llama/Llama-3.1-8B"},
        "inference": {"engine": "vLLM", "maxModelLen": 4096, "concurrency": 64},
    }
    alone = helped(spec, "gb300", "nvidia-gb300")
    assert len(alone) == 3
    assert "scheduling" not in {item.field for item in alone}
    assert [item.field for item in helped(spec, "a100-80gbx8", "nvidia-a100-80gb")] == [
        "spec.parallelism.tensor", "spec.model.quantization", "scheduling",
    ]  # fmt: skip


def test_a_part_of_a_shared_card_is_not_offered() -> None:
    shared = replace(parse("a100-80gb"), name="nvidia-a100-80gb-shared", sharing=Sharing.TIME_SLICING)
    fleet = Fleet.of_classes([parse("l4"), shared, parse("h200")])
    assert relief(asked(SERVE), named(fleet, "nvidia-l4"), fleet)[-1].value == "nvidia-h200"
