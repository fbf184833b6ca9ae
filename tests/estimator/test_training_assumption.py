"""What a fine-tuning job may run under: stated settings leave no choice, unstated ones a kindest and a harshest."""

from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest

from llmjob.estimator import training_profile
from llmjob.estimator.architecture import read_architecture
from llmjob.estimator.gpu import GPU
from llmjob.estimator.interval import Range
from llmjob.estimator.model import Model, ModelSource
from llmjob.estimator.quantization import QuantizationConfig
from llmjob.estimator.task import Adapter, FineTuning, Parallelism, Quantized, Sharding
from llmjob.estimator.training_assumption import assume
from llmjob.estimator.training_block import Kernel
from llmjob.estimator.training_setting import Setting, Shards
from llmjob.estimator.vocabulary import Kind, names
from llmjob.quantity import MiB

TINY = {
    "model_type": "llama", "hidden_size": 2048, "num_hidden_layers": 22, "num_attention_heads": 32,
    "num_key_value_heads": 4, "intermediate_size": 5632, "vocab_size": 32000,
}  # fmt: skip
MODEL = Model(name="m", source=ModelSource.CONFIG, architecture=read_architecture(TINY))


def settings(task: FineTuning, gpu: GPU | None = None, **facts: Any) -> tuple[Setting, ...]:
    return assume(replace(MODEL, **facts), task, gpu)


def expected(task: FineTuning, gpu: GPU | None = None, **facts: Any) -> Setting:
    return settings(task, gpu, **facts)[0]


def values(found: tuple[Setting, ...], name: str) -> set[Any]:
    return {getattr(setting, name) for setting in found}


def test_a_job_that_says_everything_leaves_nothing_open() -> None:
    task = FineTuning(
        method="LoRA", framework="Transformers", framework_version="5.23", optimizer="AdamW", precision="BF16",
        optimizer_implementation="Fused", adapter=Adapter(rank=8, target_modules=("q_proj",)), micro_batch_size=2,
        sequence_length=512, packing=True, activation_checkpointing="Full", attention="Flash",
        kernels=("LigerFusedLoss",),
    )  # fmt: skip
    assert len(set(settings(task, dtype="BF16"))) == 1


@pytest.mark.parametrize(
    ("name", "kindest", "harshest"),
    [
        ("kept_share", Fraction(0), Fraction(1)),
        ("length", 1, 2048),
        ("adapter_rank", 8, 64),
        ("attention", Kernel.FLASH, Kernel.EAGER),
    ],
)
def test_what_is_not_stated_has_two_ends(name: str, kindest: Any, harshest: Any) -> None:
    assert values(settings(FineTuning(method="LoRA")), name) >= {kindest, harshest}


@pytest.mark.parametrize(
    ("precision", "dtype", "stream", "weights", "autocast"),
    [
        ("FP32", None, 4, 4, False),
        ("BF16", None, 2, 2, False),
        ("FP16", None, 2, 2, False),
        ("BF16Mixed", None, 4, 4, True),
        ("BF16Mixed", "BF16", 2, 2, True),
        ("FP16Mixed", "FP32", 4, 4, True),
        (None, None, 4, 4, True),
        (None, "BF16", 2, 2, True),
    ],
)
def test_full_fine_tuning_holds_numbers_as_its_precision_and_dtype_say(
    *, precision: str | None, dtype: str | None, stream: int, weights: int, autocast: bool
) -> None:
    elements = expected(FineTuning(method="Full", precision=precision), dtype=dtype).elements
    assert (elements.stream, elements.matrices, elements.autocast) == (stream, weights, autocast)


def test_a_precision_that_is_not_stated_may_be_pure_16_bit() -> None:
    found = settings(FineTuning(method="Full"))
    assert {(setting.elements.matrices, setting.elements.autocast) for setting in found} >= {
        (Fraction(2), False),
        (Fraction(2), True),
        (Fraction(4), True),
    }


@pytest.mark.parametrize(
    ("precision", "dtype", "stream", "compute"),
    [("BF16", None, 2, 2), ("BF16Mixed", "FP32", 4, 2), ("FP32", None, 4, 4), ("FP32", "FP32", 4, 4)],
)
def test_a_frozen_base_keeps_the_dtype_it_was_loaded_in(
    precision: str, dtype: str | None, stream: int, compute: int
) -> None:
    elements = expected(FineTuning(method="LoRA", precision=precision), dtype=dtype).elements
    assert (elements.stream, elements.compute) == (stream, compute)


def test_kbit_preparation_makes_the_rest_fp32_unless_shards_or_the_job_forbid_it() -> None:
    task = FineTuning(method="QLoRA", framework="Transformers")
    assert expected(task).elements.others == 4
    assert expected(replace(task, framework="Unsloth")).elements.others == 2
    assert expected(replace(task, quantized=Quantized(kbit_preparation=False))).elements.others == 2
    sharded = replace(task, sharding=Sharding(strategy="FSDP"), parallelism=Parallelism(data=2))
    assert {setting.elements.others for setting in settings(sharded)} == {2}
    assert {setting.elements.others for setting in settings(task)} == {2, 4}


@pytest.mark.parametrize("strategy", [None, "FSDP"])
def test_weights_whose_dtype_is_not_stated_may_be_loaded_in_16_bit(strategy: str | None) -> None:
    """Transformers 4 loads FP32 where nothing else is asked for, 5 as stored."""
    task = FineTuning(method="Full", precision="BF16Mixed", sharding=Sharding(strategy=strategy))
    assert {setting.elements.matrices for setting in settings(task)} == {2, 4}
    assert expected(task).elements.matrices == 4
    assert {setting.elements.matrices for setting in settings(task, dtype="FP32")} == {4}


def test_a_length_that_is_not_stated_is_no_length_that_sequences_have() -> None:
    assert min(values(settings(FineTuning(method="Full", packing=True)), "length")) == 1
    assert min(values(settings(FineTuning(method="Full", packing=True, sequence_length=512)), "length")) == 512


@pytest.mark.parametrize(
    ("framework", "dtype", "sizes"),
    [
        (None, None, {2, 4}),
        ("Torchtune", None, {2, 4}),
        ("Unsloth", None, {2, 4}),
        ("Transformers", None, {4}),
        ("TRL", None, {4}),
        ("Torchtune", "FP32", {4}),
        ("Transformers", "BF16", {2}),
    ],
)
def test_an_adapter_whose_dtype_is_not_stated_may_be_16_bit_but_with_peft(
    framework: str | None, dtype: str | None, sizes: set[int]
) -> None:
    adapter = Adapter(rank=8, dtype=dtype)
    found = settings(FineTuning(method="LoRA", framework=framework, optimizer="AdamW", adapter=adapter))
    assert values(found, "adapter_bytes") == {setting.optimizer.gradient for setting in found} == sizes
    assert found[0].adapter_bytes == max(sizes)


@pytest.mark.parametrize(("framework", "perhaps"), [("Unsloth", True), (None, True), ("Transformers", False)])
def test_unsloth_may_keep_the_inputs_of_layers_in_host_memory(framework: str | None, perhaps: bool) -> None:  # noqa: FBT001
    found = settings(FineTuning(method="LoRA", framework=framework))
    assert any("Activations" in setting.offload for setting in found) == perhaps
    assert found[0].offload == frozenset()


def test_a_checkpoints_own_quantization_counts_and_a_stated_one_counts_more() -> None:
    assert MODEL.architecture is not None
    stored = replace(MODEL.architecture, quantization=QuantizationConfig(method="GPTQ", bits=4, group=128))
    task = FineTuning(method="LoRA")
    assert expected(task, architecture=stored).elements.matrices == Fraction(133, 256)
    assert expected(task, architecture=stored, quantization="INT8").elements.matrices == 1


def test_mxfp4_is_trained_in_16_bit() -> None:
    assert MODEL.architecture is not None
    stored = replace(MODEL.architecture, quantization=QuantizationConfig(method="MXFP4", bits=4, group=32))
    found = expected(FineTuning(method="LoRA"), architecture=stored)
    assert (found.elements.matrices, found.quantized) == (2, False)


@pytest.mark.parametrize(
    ("attention", "product", "kernel"),
    [
        ("Eager", None, Kernel.EAGER),
        ("Flash", "Tesla-T4", Kernel.FLASH),
        ("SDPA", "Tesla-T4", Kernel.EFFICIENT),
        ("SDPA", "Tesla-V100-SXM2-32GB", Kernel.EFFICIENT),
        ("SDPA", "NVIDIA-A100-SXM4-80GB", Kernel.FLASH),
        (None, None, Kernel.FLASH),
    ],
)
def test_sdpa_chooses_its_kernel_by_the_gpu(attention: str | None, product: str | None, kernel: Kernel) -> None:
    gpu = GPU(name="g", vendor="nvidia", usable=Range.exact(1), product=product)
    assert expected(FineTuning(attention=attention), gpu).attention is kernel


def test_windows_need_a_mask_under_sdpa_and_none_under_flash_attention() -> None:
    assert expected(FineTuning(attention="SDPA")).masks_windows
    assert not expected(FineTuning(attention="Flash")).masks_windows


def test_16_bit_adapters_have_16_bit_gradients_and_states() -> None:
    task = FineTuning(method="LoRA", adapter=Adapter(rank=8, dtype="BF16"))
    found = expected(task).optimizer
    assert (found.gradient, found.states) == (2, 4)


def test_a_prepared_head_and_a_cap_on_the_logits_keep_two_bytes_more() -> None:
    assert MODEL.architecture is not None
    task = FineTuning(method="LoRA", framework="Transformers", framework_version="5.23", precision="BF16Mixed")
    assert expected(task, dtype="BF16").logits.backward == 12
    assert expected(replace(task, method="QLoRA")).logits.backward == 14
    capped = replace(MODEL.architecture, final_softcapped=True)
    assert expected(task, architecture=capped, dtype="BF16").logits.backward == 14


def test_a_copying_shift_peaks_in_the_forward_already() -> None:
    task = FineTuning(method="LoRA", framework="Transformers", precision="BF16")
    old = expected(replace(task, framework_version="4.48")).logits
    new = expected(replace(task, framework_version="5.23")).logits
    assert (old.forward, old.backward) == (14, 14)
    assert (new.forward, new.backward) == (10, 12)


def test_megatron_shares_out_tokens_among_tensor_ranks_and_others_may() -> None:
    task = FineTuning(method="Full", parallelism=Parallelism(tensor=2))
    assert expected(replace(task, framework="Megatron")).sequence_parallel
    assert values(settings(task), "sequence_parallel") == {False, True}
    assert values(settings(FineTuning(method="Full")), "sequence_parallel") == {False}


def test_fsdp_may_shard_over_context_ranks_and_torchtitan_does() -> None:
    task = FineTuning(method="Full", sharding=Sharding(strategy="FSDP"), parallelism=Parallelism(data=2, context=4))
    assert {setting.shards.weights for setting in settings(task)} == {2, 8}
    assert expected(task).shards.weights == 2
    assert expected(replace(task, framework="Torchtitan")).shards.weights == 8


@pytest.mark.parametrize(("framework", "weights"), [(None, 1), ("TRL", 1), ("Torchtitan", 8)])
def test_an_unstated_strategy_is_the_frameworks_own_and_may_be_either(framework: str | None, weights: int) -> None:
    task = FineTuning(method="Full", framework=framework, parallelism=Parallelism(data=8))
    assert expected(task).shards.weights == weights
    assert values(settings(task), "shards") == {Shards(), Shards(weights=8, gradients=8, states=8)}
    either = {*settings(replace(task, sharding=Sharding(strategy="DDP"))),
              *settings(replace(task, sharding=Sharding(strategy="FSDP")))}  # fmt: skip
    assert set(settings(task)) == either
    assert values(settings(FineTuning(method="Full", framework=framework)), "shards") == {Shards()}


def test_ranks_of_a_context_may_share_the_weights_too() -> None:
    task = FineTuning(method="Full", parallelism=Parallelism(data=2, context=4))
    assert {setting.shards.weights for setting in settings(task)} == {1, 2, 8}


@pytest.mark.parametrize(
    ("product", "kernel"),
    [("Tesla-T4", Kernel.EAGER), ("Tesla-V100-SXM2-32GB", Kernel.EAGER), ("NVIDIA-A100-SXM4-80GB", Kernel.PADDED)],
)
def test_eager_attention_counts_at_the_most_where_flash_does_not_run(product: str, kernel: Kernel) -> None:
    gpu = GPU(name="g", vendor="nvidia", usable=Range.exact(1), product=product)
    assert kernel in values(settings(FineTuning(), gpu), "attention")
    assert values(settings(FineTuning(attention="SDPA"), gpu), "attention").isdisjoint({Kernel.EAGER})
    assert (Kernel.EAGER in values(settings(FineTuning(), gpu), "attention")) == (kernel is Kernel.EAGER)


@pytest.mark.parametrize("family", ["gpt_oss", "gemma2"])
def test_eager_attention_counts_at_the_most_where_a_family_has_it_by_default(family: str) -> None:
    config = {**TINY, "model_type": family, "sliding_window": 128, "num_local_experts": 4, "num_experts_per_tok": 2}
    gpu = GPU(name="g", vendor="nvidia", usable=Range.exact(1), product="NVIDIA-H100-80GB-HBM3")
    found = settings(FineTuning(method="Full"), gpu, architecture=read_architecture(config))
    assert Kernel.EAGER in values(found, "attention")
    stated = settings(FineTuning(method="Full", attention="Flash"), gpu, architecture=read_architecture(config))
    assert values(stated, "attention") == {Kernel.FLASH}


def test_an_unstated_framework_spans_every_stated_one() -> None:

    def ends(framework: str | None) -> tuple[Fraction, ...]:
        """Logits and the optimizer's share at the least, logits and what blocks keep at the most."""
        found = settings(FineTuning(method="Full", framework=framework))
        optimizers = [setting.optimizer for setting in found]
        return (
            -min(setting.logits.backward for setting in found),
            -min(optimizer.states + optimizer.gradient for optimizer in optimizers),
            max(setting.logits.backward for setting in found),
            max(setting.kept_share for setting in found),
        )

    for framework in names(Kind.FRAMEWORK):
        assert all(mine >= other for mine, other in zip(ends(None), ends(framework), strict=True)), framework


def test_context_ranks_share_out_a_sequence() -> None:
    task = FineTuning(sequence_length=4097, packing=True, parallelism=Parallelism(context=4))
    assert expected(task).length == 1025


def test_constants_are_found_by_name_product_and_release() -> None:
    assert training_profile.context("Tesla-T4").expected == 141 * MiB
    assert training_profile.context("NVIDIA-L4").expected == 694 * MiB
    assert training_profile.context("NVIDIA-L40S").low == 141 * MiB
    assert training_profile.logits_of_release("Transformers", "nightly") is None
    assert training_profile.logits_of_release("TRL", "1.0") is None
    assert training_profile.framework("DeepSpeed").logits == training_profile.framework(None).logits
    assert training_profile.quantized_bytes("Q4_K_M") is None
    assert training_profile.residual(experts=True, compiled=False) == (Fraction(1, 4), Fraction(3, 25))
    assert training_profile.residual(experts=False, compiled=True)[0] == Fraction(1, 2)
    assert training_profile.slack(varying=True).high > training_profile.slack(varying=False).high
