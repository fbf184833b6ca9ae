"""Gradients on the GPU: all of them until the step, or none that is whole where they are moved or used up."""

from dataclasses import replace
from typing import Any

import pytest

from llmjob.estimator.architecture import read_architecture
from llmjob.estimator.interval import Interval
from llmjob.estimator.model import Model, ModelSource
from llmjob.estimator.result import ComponentName, Estimate
from llmjob.estimator.task import FineTuning, Parallelism, Sharding
from llmjob.estimator.training import estimate_training
from llmjob.estimator.training_assumption import assume
from llmjob.quantity import GB, GiB

LLAMA_8B: dict[str, Any] = {
    "model_type": "llama", "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32,
    "num_attention_heads": 32, "num_key_value_heads": 8, "vocab_size": 128256, "tie_word_embeddings": False,
}  # fmt: skip
LLAMA_70B = {
    **LLAMA_8B, "hidden_size": 8192, "intermediate_size": 28672, "num_hidden_layers": 80, "num_attention_heads": 64,
}  # fmt: skip
LLAMA_13B = {
    **LLAMA_8B, "hidden_size": 5120, "intermediate_size": 13824, "num_hidden_layers": 40, "num_attention_heads": 40,
    "num_key_value_heads": 40, "vocab_size": 32000,
}  # fmt: skip
# One parameter, 5120 x 13824 in 16 bit; one block, four matrices of 5120 x 5120, three of those, and two norms.
LARGEST_13B = 2 * 5120 * 13824
BLOCK_13B = 2 * (4 * 5120 * 5120 + 3 * 5120 * 13824 + 2 * 5120)
# A run of torchtune's recipe 8B_full_single_device, which states optimizer_in_bwd, took 18.9 GiB.
RECIPE = FineTuning(
    method="Full", framework="Torchtune", optimizer="PagedAdam8bit", precision="BF16", activation_checkpointing="Full",
    micro_batch_size=2, sequence_length=2048, packing=True, compile=True,
)  # fmt: skip
# And one of its 70B_full over eight GPUs with fsdp_cpu_offload 13.9 GiB on each.
OFFLOADED = replace(
    RECIPE, optimizer="AdamW", optimizer_implementation="Fused", sharding=Sharding(strategy="FSDP"),
    offload=("Parameters", "Optimizer"), parallelism=Parallelism(data=8),
)  # fmt: skip
ZERO = FineTuning(
    method="Full", framework="DeepSpeed", optimizer="AdamW", activation_checkpointing="Full", micro_batch_size=1,
    sequence_length=512, sharding=Sharding(strategy="ZeRO2"), offload=("Optimizer",),
)  # fmt: skip


def answer(config: dict[str, Any], task: FineTuning) -> Estimate:
    architecture = read_architecture(config)
    return estimate_training(Model(name="m", source=ModelSource.CONFIG, architecture=architecture), architecture, task)


def gradients(config: dict[str, Any], task: FineTuning) -> Interval:
    return answer(config, task).component(ComponentName.GRADIENTS)


def test_zero_moves_gradients_with_the_states() -> None:
    """13B in 16 bit are 24.2 GiB: a card of 32 GB holds it where gradients leave, and never with all of them."""
    found = answer(LLAMA_13B, ZERO)
    assert found.per_gpu.lower < 32 * GB < answer(LLAMA_13B, replace(ZERO, offload=())).per_gpu.lower
    buckets = 2 * 500_000_000 * 2
    assert found.component(ComponentName.GRADIENTS) == Interval(LARGEST_13B, LARGEST_13B, LARGEST_13B + buckets)


def test_zero_holds_the_gradients_of_a_block_until_ranks_have_their_shares() -> None:
    eight = replace(ZERO, parallelism=Parallelism(data=8))
    assert gradients(LLAMA_13B, eight).expected == BLOCK_13B


def test_zero_with_everything_offloaded_needs_a_few_gib() -> None:
    task = replace(
        ZERO, sharding=Sharding(strategy="ZeRO3"), offload=("Optimizer", "Parameters"), parallelism=Parallelism(data=4)
    )
    found = answer(LLAMA_70B, task).per_gpu
    assert found.lower < 4 * GiB
    assert found.expected < 12 * GiB


def test_fsdp_moves_gradients_with_the_weights() -> None:
    found = answer(LLAMA_70B, OFFLOADED)
    assert found.per_gpu.lower < 13.9 * GiB < found.per_gpu.upper
    # At the loss no gradient is there yet; the peak elsewhere has those of one block or of the embedding.
    assert found.component(ComponentName.GRADIENTS).upper < 2.2 * GB
    kept = gradients(LLAMA_70B, replace(OFFLOADED, offload=("Optimizer",)))
    assert kept.lower < 2.2 * GB
    assert kept.expected > 70.5 * GB * 2 / 8


@pytest.mark.parametrize("offload", [(), ("Parameters",), ("Parameters", "Optimizer")])
def test_fsdp_may_hold_whole_gradients_where_they_accumulate(offload: tuple[str, ...]) -> None:
    """8.03 billion parameters in 16 bit: whole on every rank at the most, the least and the expected as without."""
    once = replace(OFFLOADED, offload=offload)
    found, before = (gradients(LLAMA_8B, replace(once, gradient_accumulation=count)) for count in (4, 1))
    assert found.upper >= 8_030_261_248 * 2 > 4 * before.upper
    assert found.lower <= 8_030_261_248 * 2 // 8
    assert found.expected <= 8_030_261_248 * 2 // 8


@pytest.mark.parametrize("strategy", [None, "DDP", "ZeRO1", "FSDP"])
def test_what_is_offloaded_may_take_gradients_along_elsewhere(strategy: str | None) -> None:
    task = replace(ZERO, framework="Megatron", sharding=Sharding(strategy=strategy))
    found = gradients(LLAMA_13B, task)
    assert found.lower == 2 * 32000 * 5120  # the embedding's, which comes last
    assert found.expected > 13 * GB * 2


@pytest.mark.parametrize("framework", ["Torchtune", None])
def test_any_optimizer_may_step_inside_the_backward(framework: str | None) -> None:
    """Weights are 16.06 GB, and one gradient is 4096 x 14336 in 16 bit."""
    found = answer(LLAMA_8B, replace(RECIPE, framework=framework))
    assert 8_030_261_248 * 2 + 2 * 4096 * 14336 < found.per_gpu.lower < 18.9 * GiB < found.per_gpu.upper
    assert found.component(ComponentName.GRADIENTS).expected == 8_030_261_248 * 2


@pytest.mark.parametrize(
    "stated",
    [
        {"framework": "Transformers"},
        {"framework": "DeepSpeed"},
        {"gradient_accumulation": 4},
        {"sharding": Sharding(strategy="ZeRO1")},
    ],
)
def test_it_does_not_where_something_says_so(stated: dict[str, Any]) -> None:
    both = 31.5 * GB  # weights and gradients, 16.06 GB each, less 1 %
    assert answer(LLAMA_8B, replace(RECIPE, **stated)).per_gpu.lower > both


def kept(task: FineTuning) -> list[bool]:
    """Of every setting that a job may run under, the expected one first, whether gradients stay until the step."""
    architecture = read_architecture(LLAMA_8B)
    model = Model(name="m", source=ModelSource.CONFIG, architecture=architecture)
    return [setting.keeps_gradients for setting in assume(model, task, None)]


def test_gradients_of_an_adapter_stay_where_nothing_says_that_they_do_not() -> None:
    assert set(kept(replace(RECIPE, method="LoRA", framework=None))) == {True}
    assert set(kept(replace(RECIPE, method="LoRA", framework=None, offload=("Optimizer",)))) == {True, False}


def test_an_optimizer_made_for_it_keeps_none() -> None:
    assert kept(replace(RECIPE, optimizer="LOMO", framework="Transformers"))[0] is False
    assert kept(replace(RECIPE, optimizer="AdamW", framework="Transformers")) == [True, True, True]
    assert kept(replace(RECIPE, optimizer=None))[:2] == [True, False]


def test_a_step_for_each_parameter_copies_no_more_than_that() -> None:
    """A stated foreach implementation copies every parameter at the step, unless it may be called for each alone."""
    architecture = read_architecture(LLAMA_8B)
    model = Model(name="m", source=ModelSource.CONFIG, architecture=architecture)
    stated = replace(RECIPE, optimizer="AdamW", optimizer_implementation="Foreach")
    alone, together = (
        {setting.optimizer.copies for setting in assume(model, replace(stated, framework=framework), None)}
        for framework in ("Torchtune", "Transformers")
    )
    assert (alone, together) == ({0, 2}, {2})
