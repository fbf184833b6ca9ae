"""What a job leaves open denies nobody."""

from dataclasses import replace
from typing import Any

import pytest

from llmjob.estimator.architecture import read_architecture
from llmjob.estimator.estimate import estimate
from llmjob.estimator.model import Model, ModelSource
from llmjob.estimator.result import ComponentName, Estimate
from llmjob.estimator.task import Adapter, FineTuning, Inference, Parallelism, Quantized, Sharding, Task

LLAMA_8B: dict[str, Any] = {
    "model_type": "llama", "hidden_size": 4096, "num_hidden_layers": 32, "num_attention_heads": 32,
    "num_key_value_heads": 8, "intermediate_size": 14336, "vocab_size": 128256, "max_position_embeddings": 131072,
    "torch_dtype": "bfloat16",
}  # fmt: skip
MODEL = Model(name="m", source=ModelSource.CONFIG, architecture=read_architecture(LLAMA_8B))
COUNTED = Model(name="8B", source=ModelSource.PARAMETERS, parameters=8 * 10**9)
MIXTURE = Model(name="671B", source=ModelSource.PARAMETERS, parameters=671 * 10**9, active_parameters=37 * 10**9)


def answer(model: Model, task: Task) -> Estimate:
    found = estimate(model, task)
    assert isinstance(found, Estimate)
    return found


@pytest.mark.parametrize("model", [MODEL, COUNTED])
def test_without_a_method_nothing_is_sure_and_that_is_said(model: Model) -> None:
    found = answer(model, FineTuning())
    assert found.per_gpu.lower == 0
    assert [warning for warning in found.warnings if "method is not stated: Full counts" in warning]
    assert answer(model, FineTuning(method="Full")).per_gpu.lower > 0


@pytest.mark.parametrize("model", [MODEL, COUNTED])
@pytest.mark.parametrize(
    ("hints", "method"), [({"adapter": Adapter(rank=16)}, "LoRA"), ({"quantized": Quantized()}, "QLoRA")]
)
def test_fields_of_a_method_speak_for_it(model: Model, hints: dict[str, Any], method: str) -> None:
    found, stated = answer(model, FineTuning(**hints)), answer(model, FineTuning(method=method, **hints))
    assert (found.per_gpu.expected, found.per_gpu.upper) == (stated.per_gpu.expected, stated.per_gpu.upper)
    assert found.per_gpu.lower == 0


@pytest.mark.parametrize("model", [MODEL, COUNTED])
def test_which_layers_freeze_trains_is_warned_of(model: Model) -> None:
    found = answer(model, FineTuning(method="Freeze"))
    assert [warning for warning in found.warnings if "layers Freeze trains" in warning]
    assert found.per_gpu.lower > 0
    assert not answer(model, FineTuning(method="Full")).warnings


@pytest.mark.parametrize("model", [MODEL, COUNTED])
@pytest.mark.parametrize(
    ("degrees", "ranks"), [(Parallelism(data=8), 8), (Parallelism(context=2), 2), (Parallelism(data=4, context=2), 8)]
)
def test_a_strategy_that_is_not_stated_is_named(model: Model, degrees: Parallelism, ranks: int) -> None:
    task = FineTuning(method="Full", framework="Torchtitan", parallelism=degrees)
    words = f"fineTuning.sharding.strategy is not stated: the bounds span DDP and FSDP over {ranks} ranks"
    assert [warning for warning in answer(model, task).warnings if words in warning]
    for sharding in (Sharding(strategy="DDP"), Sharding(strategy="FSDP")):
        assert not [w for w in answer(model, replace(task, sharding=sharding)).warnings if "strategy" in w]
    alone = answer(model, replace(task, parallelism=Parallelism(tensor=2)))
    assert not [warning for warning in alone.warnings if "strategy" in warning]


@pytest.mark.parametrize("objective", ["DPO", "GRPO", "RewardModel"])
def test_an_objective_that_needs_more_than_the_model_is_named(objective: str) -> None:
    found = answer(MODEL, FineTuning(method="Full", objective=objective))
    assert [warning for warning in found.warnings if warning.startswith(f"{objective} counts as SFT")]
    for known in (None, "SFT", "Pretrain"):
        assert not answer(MODEL, FineTuning(method="Full", objective=known)).warnings


def test_a_checkpoint_that_is_trained_in_sixteen_bit_does_not_speak_for_qlora() -> None:
    config = {**LLAMA_8B, "quantization_config": {"quant_method": "mxfp4"}}
    found = answer(Model(name="m", source=ModelSource.CONFIG, architecture=read_architecture(config)), FineTuning())
    assert [warning for warning in found.warnings if "method is not stated: Full counts" in warning]


@pytest.mark.parametrize("engine", ["Transformers", "SGLang", "TGI", "TensorRTLLM"])
def test_an_engine_that_grows_with_its_sequences_needs_no_more_than_weights_where_no_length_is_stated(
    engine: str,
) -> None:
    found = answer(MODEL, Inference(engine=engine))
    assert found.component(ComponentName.KV_CACHE).lower == 0
    # 8.03 billion parameters in 16 bit are 14.96 GiB; an L4's 22.16 GiB can hold them.
    assert 14.9 * 2**30 < found.per_gpu.lower < 16.5 * 2**30
    assert answer(MODEL, Inference(engine=engine, max_model_len=131072)).component(ComponentName.KV_CACHE).lower > 0


def test_experts_that_may_be_spread_over_data_parallel_ranks_are_not_sure_on_each() -> None:
    assert answer(MIXTURE, Inference(parallelism=Parallelism(data=8))).per_gpu.lower == 0
    assert answer(MIXTURE, Inference(parallelism=Parallelism(data=8, expert=8))).per_gpu.lower > 0
    assert answer(COUNTED, Inference(parallelism=Parallelism(data=8))).per_gpu.lower > 0


def test_a_quantised_checkpoint_speaks_for_qlora() -> None:
    config = {**LLAMA_8B, "quantization_config": {"quant_method": "gptq", "bits": 4, "group_size": 128}}
    quantised = Model(name="m", source=ModelSource.CONFIG, architecture=read_architecture(config))
    found = answer(quantised, FineTuning())
    assert [warning for warning in found.warnings if "method is not stated: QLoRA counts" in warning]
    assert found.per_gpu.expected == answer(quantised, FineTuning(method="QLoRA")).per_gpu.expected
