"""Advice: one change at a time, each of which really makes the job fit."""

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest

from llmjob.estimator.advise import Change, advise, lessen
from llmjob.estimator.architecture import read_architecture
from llmjob.estimator.estimate import estimate
from llmjob.estimator.gpu import GPU
from llmjob.estimator.interval import Range
from llmjob.estimator.model import Model, ModelSource
from llmjob.estimator.result import Estimate
from llmjob.estimator.task import FineTuning, Inference, Parallelism, Sharding, Task
from llmjob.quantity import GiB

LLAMA_8B: dict[str, Any] = {
    "model_type": "llama", "hidden_size": 4096, "num_hidden_layers": 32, "num_attention_heads": 32,
    "num_key_value_heads": 8, "intermediate_size": 14336, "vocab_size": 128256, "max_position_embeddings": 131072,
    "torch_dtype": "bfloat16",
}  # fmt: skip
MODEL = Model(name="m", source=ModelSource.CONFIG, architecture=read_architecture(LLAMA_8B))
COUNTED = Model(name="7B", source=ModelSource.PARAMETERS, parameters=7 * 10**9)
L4 = GPU(name="nvidia-l4", vendor="nvidia", usable=Range.exact(int(22.16 * GiB)))
T4 = GPU(name="nvidia-t4", vendor="nvidia", usable=Range(int(14.56 * GiB), int(14.75 * GiB)))
A100 = GPU(name="nvidia-a100-80gb", vendor="nvidia", usable=Range.exact(int(79.14 * GiB)))


def nodes_of(gpus: int) -> Callable[[Task], bool]:
    """Every degree that one node of so many GPUs holds."""

    def possible(task: Task) -> bool:
        degrees = task.parallelism
        shared = degrees.tensor * degrees.pipeline * degrees.context
        return shared * (degrees.data if isinstance(task, FineTuning) else 1) <= gpus

    return possible


def fits(model: Model, task: Task, gpu: GPU) -> bool:
    found = estimate(model, task, gpu)
    assert isinstance(found, Estimate)
    within = found.per_gpu.upper <= gpu.usable.lower
    budget = found.budget
    return within and (budget is None or budget.available is None or budget.needed.upper <= budget.available.lower)


def by_field(changes: tuple[Change, ...]) -> dict[str, str]:
    return {change.field: change.value for change in changes}


def test_a_job_that_fits_needs_no_advice() -> None:
    assert advise(MODEL, Inference(max_model_len=2048), A100, nodes_of(8)) == ()


def test_every_change_makes_it_fit_and_the_next_milder_one_does_not() -> None:
    task = Inference(max_model_len=8192, concurrency=16)
    found = by_field(advise(MODEL, task, L4, nodes_of(8)))
    tensor = int(found["spec.parallelism.tensor"])
    assert fits(MODEL, replace(task, parallelism=Parallelism(tensor=tensor)), L4)
    assert not fits(MODEL, replace(task, parallelism=Parallelism(tensor=tensor // 2)), L4)
    if "spec.model.quantization" in found:
        assert fits(replace(MODEL, quantization=found["spec.model.quantization"]), task, L4)
    assert len(found) >= 2


def test_concurrency_and_length_are_halved_until_they_fit() -> None:
    task = Inference(max_model_len=8192, concurrency=64)
    found = by_field(advise(MODEL, task, L4, nodes_of(1)))
    concurrency = int(found["spec.inference.concurrency"])
    assert fits(MODEL, replace(task, concurrency=concurrency), L4)
    assert not fits(MODEL, replace(task, concurrency=2 * concurrency), L4)
    alone = Inference(max_model_len=131072)
    length = int(by_field(advise(MODEL, alone, L4, nodes_of(1)))["spec.inference.maxModelLen"])
    assert fits(MODEL, replace(alone, max_model_len=length), L4)
    assert not fits(MODEL, replace(alone, max_model_len=2 * length), L4)


def test_a_node_bounds_parallelism() -> None:
    task = Inference(max_model_len=8192, concurrency=16)
    assert "spec.parallelism.tensor" not in by_field(advise(MODEL, task, L4, nodes_of(1)))
    assert "spec.parallelism.tensor" in by_field(advise(MODEL, task, L4, nodes_of(10**6)))


def test_weights_are_not_quantised_twice() -> None:
    task = Inference(max_model_len=8192)
    assert by_field(advise(MODEL, task, T4, nodes_of(1))).get("spec.model.quantization") in {"FP8", "AWQ"}
    assert "spec.model.quantization" not in by_field(advise(replace(MODEL, quantization="FP8"), task, T4, nodes_of(1)))


def test_full_fine_tuning_is_advised_to_shard_or_to_train_adapters() -> None:
    task = FineTuning(method="Full", micro_batch_size=1, sequence_length=1024, activation_checkpointing="Full")
    found = by_field(advise(MODEL, task, A100, nodes_of(8)))
    assert fits(MODEL, replace(task, method=found["spec.fineTuning.method"]), A100)
    strategy, degree = found["spec.fineTuning.sharding.strategy,spec.parallelism.data"].split(",")
    sharded = replace(task, sharding=Sharding(strategy=strategy), parallelism=Parallelism(data=int(degree)))
    assert fits(MODEL, sharded, A100)


@pytest.mark.parametrize(
    ("sharding", "fields"),
    [
        (None, ["sharding.strategy", "parallelism.data"]),
        (Sharding(strategy="DDP"), ["sharding.strategy", "parallelism.data"]),
        (Sharding(strategy="DDP", degree=2), ["sharding.strategy", "sharding.degree", "parallelism.data"]),
        (Sharding(strategy="ZeRO3"), ["parallelism.data"]),
        (Sharding(strategy="FSDP", degree=2), ["sharding.degree", "parallelism.data"]),
    ],
)
def test_sharding_advice_names_every_field_that_changes(sharding: Sharding | None, fields: list[str]) -> None:
    task = FineTuning(
        method="Full", micro_batch_size=1, sequence_length=512, sharding=sharding, parallelism=Parallelism(data=2)
    )
    names = [change.field for change in advise(MODEL, task, A100, nodes_of(8))]
    assert any(
        [part.split(".", 1)[1].removeprefix("fineTuning.") for part in name.split(",")] == fields for name in names
    )


def test_a_micro_batch_is_halved_until_it_fits() -> None:
    task = FineTuning(method="QLoRA", micro_batch_size=64, sequence_length=2048, activation_checkpointing="Full")
    found = by_field(advise(MODEL, task, A100, nodes_of(1)))
    batch = int(found["spec.fineTuning.microBatchSize"])
    assert fits(MODEL, replace(task, micro_batch_size=batch), A100)
    assert not fits(MODEL, replace(task, micro_batch_size=2 * batch), A100)


@pytest.mark.parametrize("task", [Inference(max_model_len=131072, concurrency=64), FineTuning(method="Full")])
def test_at_most_three_ways_are_named_and_each_says_what_it_sets(task: Task) -> None:
    found = advise(MODEL, task, T4, nodes_of(8))
    assert len(found) <= 3
    said = [(value, change.message) for change in found for value in change.value.split(",")]
    assert all(value in message or value in {"AWQ", "FP8"} for value, message in said)


def test_a_model_known_by_its_count_is_advised_too() -> None:
    found = by_field(advise(COUNTED, Inference(), T4, nodes_of(4)))
    assert found["spec.parallelism.tensor"] in {"2", "4"}


def test_where_one_change_is_not_enough_two_together_are_named() -> None:
    # 405B by the simple method: 810 GB of 16-bit weights, so 81 GB of activations at 2,048 tokens are above the card
    # whatever else changes; NF4 weights over 8 GPUs are 25.3 GB, and 512 tokens make 20.25 GB of activations.
    counted = Model(name="405B", source=ModelSource.PARAMETERS, parameters=405 * 10**9)
    task = FineTuning(
        method="Full", micro_batch_size=1, sequence_length=2048, sharding=Sharding(strategy="FSDP", degree=8),
        parallelism=Parallelism(data=8),
    )  # fmt: skip
    found = by_field(advise(counted, task, A100, nodes_of(8)))
    assert found["spec.fineTuning.method,spec.fineTuning.sequenceLength"] == "QLoRA,512"
    smaller = replace(task, method="QLoRA", sequence_length=512)
    assert fits(counted, smaller, A100)
    assert not fits(counted, replace(smaller, sequence_length=1024), A100)


def test_only_degrees_that_divide_the_heads_are_advised() -> None:
    """Qwen2.5-7B has 28 heads: 2 and 4 divide them, 8 does not."""
    config = {
        "model_type": "qwen2", "hidden_size": 3584, "num_hidden_layers": 28, "num_attention_heads": 28,
        "num_key_value_heads": 4, "intermediate_size": 18944, "vocab_size": 152064, "max_position_embeddings": 32768,
        "torch_dtype": "bfloat16",
    }  # fmt: skip
    model = Model(name="m", source=ModelSource.CONFIG, architecture=read_architecture(config))
    found = by_field(advise(model, Inference(max_model_len=4096, concurrency=4), T4, nodes_of(8)))
    assert found["spec.parallelism.tensor"] in {"2", "4"}


def expected(model: Model, task: Task, gpu: GPU) -> int:
    """What an engine must place where it fills the card, else what the job needs."""
    found = estimate(model, task, gpu)
    assert isinstance(found, Estimate)
    budget = found.budget
    return found.per_gpu.expected if budget is None or budget.available is None else budget.needed.expected


def test_a_job_that_was_expected_to_fit_is_told_what_takes_a_tenth_off_what_was_expected() -> None:
    task = FineTuning(method="LoRA", micro_batch_size=8, sequence_length=1024)
    before = expected(MODEL, task, A100)
    found = by_field(lessen(MODEL, task, A100, nodes_of(1)))
    batch, length = int(found["spec.fineTuning.microBatchSize"]), int(found["spec.fineTuning.sequenceLength"])
    assert expected(MODEL, replace(task, micro_batch_size=batch), A100) <= 0.9 * before
    assert expected(MODEL, replace(task, micro_batch_size=2 * batch), A100) > 0.9 * min(before, A100.usable.lower)
    assert expected(MODEL, replace(task, sequence_length=length), A100) <= 0.9 * before


def test_what_was_expected_to_exceed_the_card_must_come_below_nine_tenths_of_it() -> None:
    task = FineTuning(method="QLoRA", micro_batch_size=8, sequence_length=2048)
    assert expected(MODEL, task, L4) > L4.usable.lower
    for change in lessen(MODEL, task, L4, nodes_of(1)):
        fields = dict(zip(change.field.split(","), change.value.split(","), strict=True))
        asked = replace(
            task,
            micro_batch_size=int(fields.get("spec.fineTuning.microBatchSize", 8)),
            sequence_length=int(fields.get("spec.fineTuning.sequenceLength", 2048)),
        )
        assert set(fields) <= {"spec.fineTuning.microBatchSize", "spec.fineTuning.sequenceLength"}
        assert expected(MODEL, asked, L4) <= 0.9 * L4.usable.lower
        break
    else:
        pytest.fail("no change")


def test_of_an_engine_that_fills_the_card_what_it_must_place_becomes_less() -> None:
    task = Inference(engine="vLLM", max_model_len=8192, concurrency=4)
    before = expected(MODEL, task, A100)
    found = by_field(lessen(MODEL, task, A100, nodes_of(2)))
    degree = int(found["spec.parallelism.tensor"])
    assert expected(MODEL, replace(task, parallelism=Parallelism(tensor=degree)), A100) <= 0.9 * before


def test_of_an_engine_that_may_take_a_part_of_the_card_it_is_that_part_that_counts() -> None:
    task = Inference(engine="vLLM", max_model_len=131072, concurrency=1, gpu_memory_utilization=Fraction(7, 20))
    before = estimate(MODEL, task, A100)
    assert isinstance(before, Estimate)
    assert before.budget is not None
    assert before.budget.available is not None
    assert before.budget.available.lower < before.budget.needed.expected < A100.usable.lower
    found = by_field(lessen(MODEL, task, A100, nodes_of(1)))
    changed = replace(task, max_model_len=int(found["spec.inference.maxModelLen"]))
    assert expected(MODEL, changed, A100) <= 0.9 * before.budget.available.lower


def test_nothing_is_lessened_of_a_job_that_cannot_be_estimated() -> None:
    assert lessen(MODEL, Inference(engine="unheard-of"), A100, nodes_of(1)) == ()
