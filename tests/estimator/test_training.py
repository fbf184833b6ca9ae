"""Fine-tuning estimates: against training steps of real code run on shapes alone and against runs on GPUs.

Source of the rows: FakeTensor steps of transformers 5.23 with PEFT 0.21 (peak_allocated_bytes); runs on one T4
(peak_alloc_mib); foundation-model-stack/fms-acceleration, scripts/benchmarks/refs/a100_80gb.csv.
"""

from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmjob.estimator.architecture import Architecture, read_architecture
from llmjob.estimator.estimate import estimate
from llmjob.estimator.gpu import GPU
from llmjob.estimator.interval import Range
from llmjob.estimator.ledger import Instant, peak
from llmjob.estimator.model import Model, ModelSource
from llmjob.estimator.result import Basis, ComponentName, Estimate, Measures, Unknown
from llmjob.estimator.task import Adapter, FineTuning, Parallelism, Quantized, Sharding
from llmjob.estimator.training import estimate_training
from llmjob.estimator.training_shape import saved_elements
from llmjob.names import Reason
from llmjob.quantity import GiB, MiB

LLAMA_8B: dict[str, Any] = {
    "model_type": "llama", "hidden_size": 4096, "num_hidden_layers": 32, "num_attention_heads": 32,
    "num_key_value_heads": 8, "intermediate_size": 14336, "vocab_size": 128256, "tie_word_embeddings": False,
}  # fmt: skip
TINY: dict[str, Any] = {
    "model_type": "llama", "hidden_size": 2048, "num_hidden_layers": 22, "num_attention_heads": 32,
    "num_key_value_heads": 4, "intermediate_size": 5632, "vocab_size": 32000, "tie_word_embeddings": False,
}  # fmt: skip
SMOL: dict[str, Any] = {
    "model_type": "llama", "hidden_size": 2048, "num_hidden_layers": 24, "num_attention_heads": 32,
    "num_key_value_heads": 32, "intermediate_size": 8192, "vocab_size": 49152, "tie_word_embeddings": True,
}  # fmt: skip
MISTRAL: dict[str, Any] = {
    "model_type": "mistral", "hidden_size": 4096, "num_hidden_layers": 32, "num_attention_heads": 32,
    "num_key_value_heads": 8, "intermediate_size": 14336, "vocab_size": 32000, "sliding_window": 4096,
    "tie_word_embeddings": False,
}  # fmt: skip
ATTENTION = ("q_proj", "k_proj", "v_proj", "o_proj")
T4 = GPU(name="nvidia-t4", vendor="nvidia", usable=Range.exact(int(14.56 * GiB)), product="Tesla-T4")
A100 = GPU(name="a100", vendor="nvidia", usable=Range.exact(79 * GiB), product="NVIDIA-A100-SXM4-80GB")
EXACT: dict[str, Any] = {"sequence_length_is": "Exact", "activation_checkpointing": "Full"}


def model(config: dict[str, Any] | Architecture, **facts: Any) -> Model:
    architecture = config if isinstance(config, Architecture) else read_architecture(config)
    return Model(name="m", source=ModelSource.CONFIG, architecture=architecture, **facts)


def estimated(asked: Model, task: FineTuning, gpu: GPU | None = A100) -> Estimate:
    assert asked.architecture is not None
    return estimate_training(asked, asked.architecture, task, gpu)


def measures(estimate: Estimate) -> Measures:
    assert estimate.measures is not None
    return estimate.measures


def fine_tuning(**facts: Any) -> FineTuning:
    return FineTuning(
        **{"framework": "Transformers", "framework_version": "5.23", "optimizer": "AdamW", **EXACT, **facts}
    )


def test_a_foreach_step_in_pure_16_bit_peaks_at_ten_bytes_a_parameter() -> None:
    task = fine_tuning(
        method="Full", precision="BF16", optimizer_implementation="Foreach", micro_batch_size=1, sequence_length=128
    )
    found = estimated(model(LLAMA_8B), task)
    assert found.instant == "optimizer step"
    assert measures(found).allocated.expected == pytest.approx(10 * 8_030_261_248, rel=0.001)


def test_fp32_masters_peak_at_twenty_bytes_a_parameter_and_fused_at_sixteen() -> None:
    task = fine_tuning(method="Full", precision="FP32", micro_batch_size=1, sequence_length=1)
    foreach = estimated(model(LLAMA_8B), replace(task, optimizer_implementation="Foreach"))
    fused = estimated(model(LLAMA_8B), replace(task, optimizer_implementation="Fused"))
    assert measures(foreach).allocated.expected == pytest.approx(20 * 8_030_261_248, rel=0.001)
    assert measures(fused).allocated.expected == pytest.approx(16 * 8_030_261_248, rel=0.001)


# Rows whose every setting a job can state.
@pytest.mark.parametrize(
    ("config", "facts", "published"),
    [
        # HuggingFaceTB/SmolLM2-1.7B, full, BF16 under autocast, Trainer
        (
            SMOL,
            {"method": "Full", "precision": "BF16Mixed", "dtype": "BF16", "optimizer_implementation": "Foreach",
             "micro_batch_size": 1, "sequence_length": 512},
            17_113_773_568,
        ),
    ],
)  # fmt: skip
def test_steps_run_on_shapes_are_met_within_one_percent(
    config: dict[str, Any], facts: dict[str, Any], published: int
) -> None:
    dtype = facts.pop("dtype")
    found = estimated(model(config, dtype=dtype), fine_tuning(**facts))
    assert measures(found).allocated.expected == pytest.approx(published, rel=0.01)


@pytest.mark.parametrize(
    ("config", "quantization", "attention", "batch", "length", "mebibytes", "off"),
    [
        (TINY, None, "SDPA", 2, 2048, 4356, 0.01),
        (SMOL, None, "SDPA", 4, 1024, 6537, 0.01),
        (SMOL, None, "Eager", 4, 1024, 6536.7, 0.01),
        (SMOL, "NF4", "SDPA", 4, 1024, 5281.3, 0.01),
        (SMOL, "NF4", "Eager", 4, 1024, 5297.3, 0.01),
        (TINY, "NF4", "SDPA", 8, 1024, 6631.7, 0.02),
        (TINY, "NF4", "Eager", 2, 2048, 6651.0, 0.04),
    ],
)
def test_lora_and_qlora_on_a_t4_are_met(
    config: dict[str, Any],
    quantization: str | None,
    attention: str,
    batch: int,
    length: int,
    mebibytes: float,
    off: float,
) -> None:
    task = fine_tuning(
        method="QLoRA" if quantization else "LoRA",
        framework_version="4.48",
        precision="FP16Mixed",
        adapter=Adapter(rank=32, target_modules=ATTENTION),
        quantized=Quantized(kbit_preparation=True, double_quantization=False) if quantization else None,
        micro_batch_size=batch,
        sequence_length=length,
        attention=attention,
    )
    found = estimated(model(config, dtype="FP16", quantization=quantization), task, T4)
    truth = int(mebibytes * MiB)
    assert measures(found).allocated.expected == pytest.approx(truth, rel=off)
    assert measures(found).allocated.lower <= truth <= measures(found).allocated.upper


def test_fsdp_keeps_fp32_shards_of_a_mixed_precision_job() -> None:
    # Mistral-7B, full, four A100: 36,226,498,048 bytes allocated at the peak, 20 bytes a parameter over four.
    task = fine_tuning(
        method="Full",
        framework_version="4.45.2",
        precision="BF16Mixed",
        attention="Flash",
        kernels=("LigerFusedLoss",),
        optimizer_implementation="Foreach",
        micro_batch_size=4,
        sequence_length=4096,
        sharding=Sharding(strategy="FSDP"),
        parallelism=Parallelism(data=4),
    )
    found = estimated(model(MISTRAL, dtype="BF16"), task)
    assert measures(found).allocated.expected == pytest.approx(20 * 7_241_732_096 / 4, rel=0.01)


def test_a_sharded_block_is_whole_while_it_computes_and_the_root_unit_under_fsdp1() -> None:
    task = fine_tuning(
        method="LoRA", precision="BF16", micro_batch_size=1, sequence_length=1, kernels=("LigerFusedLoss",),
        sharding=Sharding(strategy="FSDP"), parallelism=Parallelism(data=10**6),
    )  # fmt: skip
    weights = estimated(model(LLAMA_8B, dtype="BF16"), task).component(ComponentName.WEIGHTS)
    block, root = 218_112_000, 128256 * 4096 * 2 + 4096
    assert weights.expected == pytest.approx(2 * (block + root), rel=0.001)
    assert weights.lower == pytest.approx(2 * block, rel=0.001)


@pytest.mark.parametrize(
    ("strategy", "weights", "gradients", "states"),
    [("DDP", 1, 1, 1), ("ZeRO1", 1, 1, 8), ("ZeRO2", 1, 8, 8), ("ZeRO3", 8, 8, 8), ("FSDP", 8, 8, 8)],
)
def test_a_strategy_shards_what_it_says(strategy: str, weights: int, gradients: int, states: int) -> None:
    task = fine_tuning(
        method="Full",
        precision="BF16",
        optimizer_implementation="Fused",
        micro_batch_size=1,
        sequence_length=1,
        kernels=("LigerFusedLoss",),
        sharding=Sharding(strategy=strategy),
        parallelism=Parallelism(data=8),
    )
    alone = estimated(model(LLAMA_8B), replace(task, sharding=None, parallelism=Parallelism()))
    found = estimated(model(LLAMA_8B), task)
    parameters = 8_030_261_248
    assert found.component(ComponentName.OPTIMIZER_STATES).expected == pytest.approx(4 * parameters / states, rel=0.01)
    assert measures(found).allocated.expected >= parameters * 2 * (1 / weights + 1 / gradients + 2 / states)
    buckets = 2 * parameters if strategy == "DDP" else 0
    assert measures(found).allocated.expected <= measures(alone).allocated.expected * 1.001 + buckets


def test_ddp_reduces_in_buckets_that_a_setting_may_spare() -> None:
    task = fine_tuning(
        method="Full", precision="BF16", optimizer_implementation="Fused", micro_batch_size=1, sequence_length=1
    )
    alone = measures(estimated(model(LLAMA_8B), task)).allocated
    task = replace(task, parallelism=Parallelism(data=2), sharding=Sharding(strategy="DDP"))
    ranks = measures(estimated(model(LLAMA_8B), task)).allocated
    assert ranks.expected - alone.expected == 2 * 8_030_261_248
    assert ranks.lower == alone.lower


def test_deepspeed_keeps_masters_with_the_optimizer() -> None:
    task = fine_tuning(method="Full", precision="BF16Mixed", micro_batch_size=1, sequence_length=1,
                       sharding=Sharding(strategy="ZeRO1"), parallelism=Parallelism(data=2))  # fmt: skip
    found = estimated(model(LLAMA_8B), replace(task, optimizer_implementation="Fused"))
    # Two 4-byte moments and a 4-byte master, over two ranks.
    assert found.component(ComponentName.OPTIMIZER_STATES).expected == pytest.approx(6 * 8_030_261_248, rel=0.01)


@pytest.mark.parametrize(
    ("what", "component"),
    [("Optimizer", ComponentName.OPTIMIZER_STATES), ("Parameters", ComponentName.WEIGHTS)],
)
def test_what_is_offloaded_lives_on_the_host(what: str, component: ComponentName) -> None:
    task = fine_tuning(method="Full", precision="BF16", micro_batch_size=1, sequence_length=512)
    here = estimated(model(LLAMA_8B), task).component(component).expected
    there = estimated(model(LLAMA_8B), replace(task, offload=(what,))).component(component).expected
    assert there < here / 4


def test_tensor_and_context_parallelism_divide() -> None:
    task = fine_tuning(method="Full", precision="BF16", micro_batch_size=4, sequence_length=4096)
    alone = estimated(model(LLAMA_8B), task)
    split = estimated(model(LLAMA_8B), replace(task, parallelism=Parallelism(tensor=2)))
    shorter = estimated(model(LLAMA_8B), replace(task, parallelism=Parallelism(context=2)))
    assert split.component(ComponentName.WEIGHTS).expected < alone.component(ComponentName.WEIGHTS).expected * 0.51
    assert shorter.component(ComponentName.ACTIVATIONS).expected <= alone.component(ComponentName.ACTIVATIONS).expected


def test_pipeline_parallelism_divides_the_blocks_and_multiplies_what_is_in_flight() -> None:
    task = fine_tuning(method="Full", precision="BF16", micro_batch_size=4, sequence_length=4096)
    alone = estimated(model(LLAMA_8B), task)
    split = estimated(model(LLAMA_8B), replace(task, parallelism=Parallelism(pipeline=4)))
    assert split.component(ComponentName.WEIGHTS).expected < alone.component(ComponentName.WEIGHTS).expected / 2
    assert split.per_gpu.expected < alone.per_gpu.expected


def test_a_fused_loss_builds_no_logits() -> None:
    task = fine_tuning(
        method="LoRA", precision="BF16", adapter=Adapter(rank=16, target_modules=ATTENTION), micro_batch_size=4,
        sequence_length=4096,
    )  # fmt: skip
    plain = estimated(model(LLAMA_8B, dtype="BF16"), task)
    fused = estimated(model(LLAMA_8B, dtype="BF16"), replace(task, kernels=("LigerFusedLoss",)))
    assert plain.component(ComponentName.LOGITS).expected == 12 * 4 * 4096 * 128256
    assert fused.component(ComponentName.LOGITS).upper == 0


@pytest.mark.parametrize(("version", "per_entry"), [("4.45", 12), ("4.48.1", 14), ("5.23", 12)])
def test_the_loss_of_transformers_changes_with_its_release(version: str, per_entry: int) -> None:
    task = fine_tuning(
        method="LoRA", framework_version=version, precision="BF16", adapter=Adapter(rank=16, target_modules=ATTENTION),
        micro_batch_size=8, sequence_length=4096,
    )  # fmt: skip
    found = estimated(model(LLAMA_8B, dtype="BF16"), task)
    assert found.component(ComponentName.LOGITS).expected == per_entry * 8 * 4096 * 128256


def test_unstated_settings_widen_the_interval_and_stated_ones_narrow_it() -> None:
    bare = estimated(model(LLAMA_8B), FineTuning(method="LoRA", micro_batch_size=2, sequence_length=4096))
    stated = estimated(
        model(LLAMA_8B, dtype="BF16"),
        fine_tuning(
            method="LoRA", precision="BF16", adapter=Adapter(rank=16, target_modules=ATTENTION), micro_batch_size=2,
            sequence_length=4096, packing=True, optimizer_implementation="Fused",
        ),
    )  # fmt: skip
    assert measures(stated).allocated.width < measures(bare).allocated.width
    assert measures(bare).allocated.lower <= measures(stated).allocated.expected <= measures(bare).allocated.upper


def test_a_maximum_length_may_never_occur_and_an_exact_one_does() -> None:
    task = fine_tuning(method="LoRA", precision="BF16", micro_batch_size=8, sequence_length=4096)
    exact = measures(estimated(model(LLAMA_8B, dtype="BF16"), task)).allocated
    most = measures(estimated(model(LLAMA_8B, dtype="BF16"), replace(task, sequence_length_is="Maximum"))).allocated
    packed = replace(task, sequence_length_is=None, packing=True)
    assert most.lower < exact.lower
    assert most.upper == exact.upper
    assert measures(estimated(model(LLAMA_8B, dtype="BF16"), packed)).allocated.lower == pytest.approx(
        exact.lower, rel=0.01
    )


def test_the_lower_end_is_live_tensors_with_context_and_network_and_no_cache() -> None:
    task = fine_tuning(method="LoRA", precision="BF16", micro_batch_size=1, sequence_length=512)
    alone = estimated(model(TINY, dtype="BF16"), task, T4)
    assert alone.per_gpu.lower == measures(alone).allocated.lower + 141 * MiB
    together = estimated(model(TINY, dtype="BF16"), replace(task, parallelism=Parallelism(data=2)), T4)
    assert together.per_gpu.lower >= measures(together).allocated.lower + (141 + 91) * MiB
    assert alone.component(ComponentName.COMMUNICATION).upper == 0


def test_the_context_follows_the_product_and_is_a_range_without_one() -> None:
    task = fine_tuning(method="LoRA", precision="BF16", micro_batch_size=1, sequence_length=512)
    assert estimated(model(TINY), task, T4).component(ComponentName.RUNTIME).width == 0
    assert estimated(model(TINY), task, None).component(ComponentName.RUNTIME).width > 0


def test_the_three_measures_are_in_order_and_process_is_the_answer() -> None:
    found = estimated(model(LLAMA_8B), fine_tuning(method="Full", micro_batch_size=2, sequence_length=2048))
    three = measures(found)
    assert three.allocated.expected <= three.reserved.expected <= three.process.expected
    assert found.per_gpu == three.process


def test_weights_are_exact_and_activations_modelled() -> None:
    found = estimated(model(LLAMA_8B), fine_tuning(method="Full", micro_batch_size=1, sequence_length=2048))
    basis = {part.name: part.basis for part in found.components}
    assert basis[ComponentName.WEIGHTS] is Basis.EXACT
    assert basis[ComponentName.ACTIVATIONS] is Basis.MODELLED


def test_accumulation_keeps_the_gradients_of_earlier_micro_batches() -> None:
    task = fine_tuning(method="Full", precision="BF16", micro_batch_size=8, sequence_length=4096,
                       activation_checkpointing="None", optimizer_implementation="Fused")  # fmt: skip
    once = estimated(model(TINY, dtype="BF16"), task)
    many = estimated(model(TINY, dtype="BF16"), replace(task, gradient_accumulation=4))
    assert once.instant == many.instant == "backward of the loss"
    assert many.component(ComponentName.GRADIENTS).expected == 2 * 1_100_048_384


def test_checkpointing_trades_what_blocks_keep_for_their_inputs() -> None:
    task = fine_tuning(method="Full", precision="BF16", micro_batch_size=4, sequence_length=4096)
    parts = {
        stated: estimated(
            model(LLAMA_8B, dtype="BF16"), replace(task, activation_checkpointing=stated)
        ).per_gpu.expected
        for stated in ("None", "Selective", "Full")
    }
    assert parts["None"] > parts["Selective"] > parts["Full"]


def test_dora_adds_magnitudes_and_a_rank_adds_parameters() -> None:
    task = fine_tuning(method="LoRA", precision="BF16", adapter=Adapter(rank=8, target_modules=("q_proj",)))
    lora = estimated(model(LLAMA_8B, dtype="BF16"), task).component(ComponentName.ADAPTERS).expected
    double = replace(task, adapter=Adapter(rank=16, target_modules=("q_proj",)))
    assert lora == 32 * 4 * 8 * (4096 + 4096)
    assert estimated(model(LLAMA_8B, dtype="BF16"), double).component(ComponentName.ADAPTERS).expected == 2 * lora
    dora = estimated(model(LLAMA_8B, dtype="BF16"), replace(task, method="DoRA"))
    assert dora.component(ComponentName.ADAPTERS).expected == lora + 32 * 4 * 4096


def test_families_may_name_their_linears_as_they_do() -> None:
    config = {"model_type": "gpt2", "n_embd": 768, "n_layer": 12, "n_head": 12, "vocab_size": 50257}
    task = fine_tuning(method="LoRA", precision="BF16", adapter=Adapter(rank=8, target_modules=("c_attn",)))
    adapters = estimated(model(config), task).component(ComponentName.ADAPTERS).expected
    # One A for the fused projection: 768 inputs, 3 × 768 outputs.
    assert adapters == 12 * 4 * 8 * (768 + 3 * 768)


def test_double_quantization_is_0_516_bytes_and_plain_nf4_0_5625() -> None:
    task = fine_tuning(method="QLoRA", precision="BF16Mixed", micro_batch_size=1, sequence_length=128)
    quantisable, rest = 218_103_808 * 32, 8_030_261_248 - 218_103_808 * 32
    for double, size in ((True, Fraction("0.516")), (False, Fraction("0.5625"))):
        prepared = replace(task, quantized=Quantized(double_quantization=double, kbit_preparation=True))
        found = estimated(model(LLAMA_8B), prepared).component(ComponentName.WEIGHTS)
        assert found.expected == pytest.approx(int(quantisable * size + rest * 4), rel=0.0001)
        plain = replace(task, quantized=Quantized(double_quantization=double, kbit_preparation=False))
        found = estimated(model(LLAMA_8B), plain).component(ComponentName.WEIGHTS)
        assert found.expected == pytest.approx(int(quantisable * size + rest * 2), rel=0.0001)


@pytest.mark.parametrize(
    ("optimizer", "low", "high"),
    [
        ("SGD", 0, 0),
        ("SGDMomentum", 2, 2),
        ("AdamW", 4, 4),
        ("Adam8bit", 2, 2.032),
        ("PagedAdam8bit", 0, 2.032),
        ("Lion", 2, 2),
        ("Muon", 2, 4),
        ("LOMO", 0, 0),
    ],
)
def test_an_optimizer_keeps_its_states_per_16_bit_parameter(optimizer: str, low: float, high: float) -> None:
    task = fine_tuning(method="Full", precision="BF16", micro_batch_size=1, sequence_length=1, optimizer=optimizer,
                       optimizer_implementation="Fused")  # fmt: skip
    states = estimated(model(LLAMA_8B), task).component(ComponentName.OPTIMIZER_STATES)
    assert states.lower / 8_030_261_248 == pytest.approx(low, abs=0.01)
    assert states.upper / 8_030_261_248 == pytest.approx(high, abs=0.05)


def test_the_largest_instant_is_the_peak_and_not_a_sum_of_maxima() -> None:
    one = Instant("a", {ComponentName.ACTIVATIONS: 10, ComponentName.GRADIENTS: 1})
    other = Instant("b", {ComponentName.ACTIVATIONS: 2, ComponentName.GRADIENTS: 8})
    assert peak([other, one]) is one
    assert one.total == 11


def test_litgpts_own_modelling_code_may_keep_more_than_the_ledger() -> None:
    """Row T0975: 1.1 B in full at 4 x 512 tokens, pure 16 bit, takes 13.13 GiB."""
    task = fine_tuning(method="Full", framework="Litgpt", framework_version=None, precision="BF16", micro_batch_size=4,
                       sequence_length=512, activation_checkpointing="None", optimizer="AdamW", kernels=(),
                       optimizer_implementation=None)  # fmt: skip
    found = estimated(model(TINY), task).measures
    assert found is not None
    assert found.allocated.upper > 13.13 * GiB


def test_of_freeze_only_the_weights_are_sure() -> None:
    """1.1 billion parameters in 16 bit are 2.05 GiB, of which the last layer may be all that trains."""
    long = {"micro_batch_size": 8, "sequence_length": 8192, "packing": True, "activation_checkpointing": "None"}
    found = estimated(model(TINY, dtype="BF16"), fine_tuning(method="Freeze", precision="BF16Mixed", **long))
    full = estimated(model(TINY, dtype="BF16"), fine_tuning(method="Full", precision="BF16Mixed", **long))
    assert 2.0 * GiB < found.per_gpu.lower < 3.0 * GiB < full.per_gpu.lower
    assert (found.per_gpu.expected, found.per_gpu.upper) == (full.per_gpu.expected, full.per_gpu.upper)


def test_modules_saved_beside_an_adapter_are_trained_copies() -> None:
    """An FP32 copy of the head, its gradient and AdamW's two states: 16 bytes an element; which dtype is not sure."""
    head = 32000 * 2048

    def adapted(*modules: str) -> Estimate:
        return estimated(model(TINY), fine_tuning(method="LoRA", adapter=Adapter(rank=8, modules_to_save=modules)))

    plain, saved = adapted(), adapted("lm_head")
    parts = (ComponentName.ADAPTERS, ComponentName.OPTIMIZER_STATES)
    for part, size in zip(parts, (4, 8), strict=True):
        assert saved.component(part).expected - plain.component(part).expected == size * head
    assert saved.per_gpu.expected > plain.per_gpu.expected
    assert saved.per_gpu.upper >= plain.per_gpu.upper + 12 * head
    assert saved.per_gpu.lower == plain.per_gpu.lower
    assert not any("modulesToSave" in warning for warning in saved.warnings)


@pytest.mark.parametrize(("names", "elements"), [
    (["lm_head"], 32000 * 2048), (["model.embed_tokens", "lm_head"], 2 * 32000 * 2048),
    (["v_proj"], 22 * 2048 * 256), (["score"], 0),
])  # fmt: skip
def test_saved_modules_are_found_by_the_last_part_of_their_path(names: list[str], elements: int) -> None:
    assert saved_elements(read_architecture(TINY), names) == elements
    assert saved_elements(read_architecture(TINY), names, tensor=2) == elements // 2


def test_the_gradient_of_a_saved_head_lives_from_the_loss_on() -> None:
    def in_backward(*modules: str) -> Estimate:
        adapter = Adapter(rank=8, modules_to_save=modules)
        facts = {"activation_checkpointing": "None", "sequence_length": 16384, "kernels": ("LigerFusedLoss",)}
        return estimated(model(TINY), fine_tuning(method="LoRA", adapter=adapter, **facts))

    plain, saved = in_backward(), in_backward("lm_head")
    assert plain.instant == saved.instant == "backward of the last block"
    gradients = ComponentName.GRADIENTS
    assert saved.component(gradients).expected - plain.component(gradients).expected == 4 * 32000 * 2048


def test_a_tied_head_is_saved_as_a_copy_of_the_embedding() -> None:
    assert saved_elements(read_architecture(SMOL), ["lm_head"]) == 49152 * 2048


def test_a_saved_module_that_the_model_lacks_is_warned_of() -> None:
    task = fine_tuning(method="LoRA", adapter=Adapter(modules_to_save=("score",)))
    assert any("'score'" in warning for warning in estimated(model(TINY), task).warnings)


def test_an_unknown_name_is_unknown_and_names_its_field() -> None:
    found = estimate(model(TINY), FineTuning(optimizer="AdamX"))
    assert isinstance(found, Unknown)
    assert (found.reason, found.field) == (Reason.MODEL_UNKNOWN, "spec.fineTuning.optimizer")


methods = st.sampled_from(["Full", "LoRA", "QLoRA", "DoRA", "Freeze", "IA3", "PromptTuning", "PrefixTuning", None])
settings = st.fixed_dictionaries(
    {
        "method": methods,
        "framework": st.sampled_from([None, "Transformers", "TRL", "Unsloth", "Axolotl", "Megatron", "Litgpt"]),
        "optimizer": st.sampled_from([None, "AdamW", "Adafactor", "GaLore", "BAdam", "Muon", "PagedAdam8bit"]),
        "precision": st.sampled_from([None, "FP32", "BF16", "FP16Mixed"]),
        "attention": st.sampled_from([None, "Eager", "SDPA", "Flash"]),
        "activation_checkpointing": st.sampled_from([None, "None", "Selective", "Full"]),
        "sharding": st.sampled_from([None, Sharding(strategy="FSDP"), Sharding(strategy="ZeRO2", degree=2)]),
        "offload": st.sampled_from([(), ("Optimizer",), ("Parameters", "Activations")]),
        "parallelism": st.builds(
            Parallelism,
            tensor=st.sampled_from([1, 2, 64]),
            pipeline=st.integers(1, 40),
            data=st.integers(1, 16),
            context=st.integers(1, 4),
        ),
    }
)
configs = st.sampled_from(
    [
        TINY,
        MISTRAL,
        {"model_type": "gemma3_text", "hidden_size": 640, "num_hidden_layers": 7, "num_attention_heads": 4,
         "num_key_value_heads": 1, "head_dim": 256, "intermediate_size": 2048, "vocab_size": 1000},
        {"model_type": "gpt2", "n_embd": 768, "n_layer": 12, "n_head": 12, "vocab_size": 50257},
        {"model_type": "qwen3_moe", "hidden_size": 2048, "num_hidden_layers": 24, "num_attention_heads": 32,
         "vocab_size": 151936},
    ]
)  # fmt: skip
sizes = st.integers(1, 4_000)


@given(configs, settings, sizes, sizes, sizes, sizes)
def test_any_job_has_an_estimate_that_grows_with_batch_and_length(
    config: dict[str, Any], facts: dict[str, Any], batch: int, more: int, length: int, longer: int
) -> None:
    batch, more = sorted((batch, more))
    length, longer = sorted((length, longer))
    small = estimated(model(config), FineTuning(micro_batch_size=batch, sequence_length=length, **facts))
    large = estimated(model(config), FineTuning(micro_batch_size=more, sequence_length=longer, **facts))
    for found in (small, large):
        assert sum(part.memory.expected for part in found.components) == found.per_gpu.expected
        assert found.per_gpu.lower <= found.per_gpu.expected <= found.per_gpu.upper
    assert small.per_gpu.lower <= large.per_gpu.lower
    assert small.per_gpu.expected <= large.per_gpu.expected
    assert small.per_gpu.upper <= large.per_gpu.upper


@given(settings, st.integers(1, 30), st.integers(1, 30))
def test_more_layers_never_need_less(facts: dict[str, Any], few: int, many: int) -> None:
    few, many = sorted((few, many))
    small, large = (
        estimated(model({**TINY, "num_hidden_layers": count}), FineTuning(**facts)).per_gpu for count in (few, many)
    )
    assert small.lower <= large.lower
    assert small.expected <= large.expected
    assert small.upper <= large.upper
