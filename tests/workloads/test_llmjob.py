"""What an LLMJob asks for."""

from fractions import Fraction

from llmjob.api.reader import read_llmjob
from llmjob.estimator.task import (
    Adapter,
    FineTuning,
    Inference,
    LoadedAdapters,
    Parallelism,
    Quantized,
    Sharding,
    Speculative,
)
from llmjob.fleet.scheduling import ANYWHERE
from llmjob.names import DEFAULT_ROLE, Level, Reason
from llmjob.workloads.llmjob import requests_from_llmjob


def job(**spec):
    document = {
        "apiVersion": "llmjob.dev/v1alpha1",
        "kind": "LLMJob",
        "metadata": {"name": "sft", "namespace": "research"},
        "spec": {"model": {"parameters": "7B"}} | spec,
    }
    return read_llmjob(document).job


def only(**spec):
    (request,) = requests_from_llmjob(job(**spec))
    return request


def test_a_job_without_roles_is_one_role_named_main():
    request = only(inference={})
    assert (request.name, request.namespace, request.role) == ("sft", "research", DEFAULT_ROLE)


def test_an_empty_task_leaves_everything_to_the_defaults():
    assert only(inference={}).task == Inference()
    assert only(fineTuning={}).task == FineTuning()


def test_the_model_is_the_stated_one():
    model = {"id": "some/Foo-1B", "revision": "v2", "parameters": "37.5B", "activeParameters": "3B"}
    found = only(model=model | {"dtype": "bf16", "quantization": "fp8"}, inference={}).model
    assert (found.name, found.revision, found.parameters) == ("some/Foo-1B", "v2", 37_500_000_000)
    assert (found.active_parameters, found.dtype, found.quantization) == (3 * 10**9, "BF16", "FP8")


def test_every_field_of_inference_arrives():
    stated = {
        "engine": "vllm", "engineVersion": "0.19", "engineArgs": ["--enforce-eager"], "maxModelLen": 8192,
        "concurrency": 16, "maxNumSeqs": 32, "maxNumBatchedTokens": 4096, "gpuMemoryUtilization": "0.9",
        "kvCacheDtype": "fp8", "speculative": {"method": "MTP", "tokens": 2}, "adapters": {"maxLoaded": 4},
        "batchSize": 2, "inputLength": 1024, "outputLength": 256,
    }  # fmt: skip
    assert only(inference=stated, parallelism={"tensor": 2, "expert": 2}).task == Inference(
        engine="vLLM", engine_version="0.19", engine_args=("--enforce-eager",), max_model_len=8192, concurrency=16,
        max_num_seqs=32, max_num_batched_tokens=4096, gpu_memory_utilization=Fraction(9, 10), kv_cache_dtype="FP8",
        speculative=Speculative(method="MTP", tokens=2), adapters=LoadedAdapters(max_loaded=4, max_rank=16),
        batch_size=2, input_length=1024, output_length=256, parallelism=Parallelism(tensor=2, expert=2),
    )  # fmt: skip


def test_every_field_of_fine_tuning_arrives():
    stated = {
        "objective": "sft", "method": "qlora", "framework": "trl", "frameworkVersion": "1.16", "optimizer": "adamw",
        "optimizerImplementation": "fused", "precision": "bf16mixed", "gradientAccumulation": 4,
        "adapter": {"rank": 16, "targetModules": ["all-linear"], "modulesToSave": ["lm_head"], "dtype": "fp32",
                    "dropout": "0.05"},
        "quantized": {"doubleQuantization": True, "kbitPreparation": False},
        "microBatchSize": 2, "sequenceLength": 2048, "sequenceLengthIs": "Maximum", "packing": False,
        "activationCheckpointing": "full", "attention": "flash", "kernels": ["ligerfusedloss"], "compile": False,
        "sharding": {"strategy": "fsdp", "degree": 4}, "offload": ["optimizer"],
    }  # fmt: skip
    assert only(fineTuning=stated, parallelism={"data": 8}).task == FineTuning(
        objective="SFT", method="QLoRA", framework="TRL", framework_version="1.16", optimizer="AdamW",
        optimizer_implementation="Fused", precision="BF16Mixed", gradient_accumulation=4,
        adapter=Adapter(rank=16, target_modules=("all-linear",), modules_to_save=("lm_head",), dtype="FP32",
                        dropout=Fraction(1, 20)),
        quantized=Quantized(double_quantization=True, kbit_preparation=False),
        micro_batch_size=2, sequence_length=2048, sequence_length_is="Maximum", packing=False,
        activation_checkpointing="Full", attention="Flash", kernels=("LigerFusedLoss",), compile=False,
        sharding=Sharding(strategy="FSDP", degree=4), offload=("Optimizer",), parallelism=Parallelism(data=8),
    )  # fmt: skip


def test_unset_data_parallelism_is_the_sharding_degree_in_training_and_1_in_serving():
    training = only(fineTuning={"sharding": {"strategy": "FSDP", "degree": 8}})
    assert (training.task.parallelism.data, training.gpus_per_pod) == (8, 8)
    assert only(fineTuning={}).task.parallelism.data == 1
    assert only(inference={}).task.parallelism.data == 1


def test_gpus_per_pod_is_the_instance_over_its_pods():
    request = only(fineTuning={}, parallelism={"data": 16}, topology={"podsPerInstance": 2})
    assert (request.pods_per_instance, request.gpus_per_pod) == (2, 8)
    stated = only(inference={}, parallelism={"tensor": 4, "data": 2}, topology={"gpusPerPod": 8})
    assert (stated.pods_per_instance, stated.gpus_per_pod) == (1, 8)


def test_unset_scheduling_is_anywhere():
    assert only(inference={}).scheduling is ANYWHERE


def test_stated_scheduling_is_kubernetes_own_json():
    term = {"matchExpressions": [{"key": "pool", "operator": "In", "values": ["a"]}]}
    affinity = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}}
    stated = {
        "nodeSelector": {"pool": "a"},
        "affinity": affinity,
        "tolerations": [{"key": "gpu", "operator": "Exists"}],
        "runtimeClassName": "nvidia",
    }
    scheduling = only(inference={}, scheduling=stated).scheduling
    assert (scheduling.node_selector, scheduling.affinity) == ({"pool": "a"}, affinity)
    assert scheduling.tolerations == ({"key": "gpu", "operator": "Exists"},)
    assert (scheduling.runtime_class, scheduling.ignore_taints) == ("nvidia", False)


def test_enforcement_is_a_level():
    assert only(inference={}, enforcement="Strict").enforcement is Level.STRICT
    assert only(inference={}).enforcement is None


def test_an_unknown_engine_is_an_unknown_request():
    request = only(inference={"engine": "warp-drive"})
    assert (request.unknown.reason, request.unknown.field) == (Reason.MODEL_UNKNOWN, "spec.inference.engine")
