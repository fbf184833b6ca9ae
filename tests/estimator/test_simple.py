"""The simple method against the seed document's own figures (Alibaba Cloud PAI, "Simple GPU memory estimator")."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmjob.estimator.estimate import estimate
from llmjob.estimator.interval import Interval
from llmjob.estimator.model import Model, ModelSource
from llmjob.estimator.result import Basis, ComponentName, Estimate, Unknown
from llmjob.estimator.simple import estimate_simple, optimizer_states, scenarios
from llmjob.estimator.task import Adapter, FineTuning, Inference, Parallelism, Sharding, Task
from llmjob.names import Reason

B7 = 7 * 10**9
W, G, S, A, KV, R = (
    ComponentName.WEIGHTS,
    ComponentName.GRADIENTS,
    ComponentName.OPTIMIZER_STATES,
    ComponentName.ACTIVATIONS,
    ComponentName.KV_CACHE,
    ComponentName.RUNTIME,
)


def gb(text: str) -> int:
    """Decimal gigabytes to bytes, exactly."""
    value = Fraction(text) * 10**9
    assert value.denominator == 1
    return int(value)


def model(parameters: int | None = B7, **facts: object) -> Model:
    facts.setdefault("source", ModelSource.PARAMETERS)
    return Model(name="7B", parameters=parameters, **facts)  # type: ignore[arg-type]


def estimated(task: Task, parameters: int = B7, **facts: object) -> Estimate:
    found = estimate(model(parameters, **facts), task)
    assert isinstance(found, Estimate), found
    return found


def parts(estimate: Estimate) -> dict[ComponentName, int]:
    return {part.name: part.memory.expected for part in estimate.components}


@pytest.mark.parametrize(
    ("scenario", "total", "split"),
    [
        ("inference-16bit", "18.8", {W: "14", A: "1.4", KV: "1.4", R: "2"}),
        ("inference-8bit", "11.8", {W: "7", A: "1.4", KV: "1.4", R: "2"}),
        ("inference-4bit", "8.3", {W: "3.5", A: "1.4", KV: "1.4", R: "2"}),
        ("full", "87.4", {W: "14", G: "14", S: "56", A: "1.4", R: "2"}),
        ("lora", "18.1", {W: "14", G: "0.14", S: "0.56", A: "1.4", R: "2"}),
        ("qlora-8bit", "11.1", {W: "7", G: "0.14", S: "0.56", A: "1.4", R: "2"}),
        ("qlora-4bit", "7.6", {W: "3.5", G: "0.14", S: "0.56", A: "1.4", R: "2"}),
    ],
)
def test_the_seven_scenarios_of_a_7b_model_match_the_seed(
    scenario: str, total: str, split: dict[ComponentName, str]
) -> None:
    found = scenarios(B7)[scenario]
    assert found.per_gpu.expected == gb(total)
    assert parts(found) == {name: gb(amount) for name, amount in split.items()}


def test_there_are_seven_scenarios_in_the_seeds_order() -> None:
    assert list(scenarios(B7)) == [
        *("inference-16bit", "inference-8bit", "inference-4bit"),
        *("full", "lora", "qlora-8bit", "qlora-4bit"),
    ]


def test_the_optimizer_table_of_a_7b_model_matches_the_seed() -> None:
    assert optimizer_states(B7) == {
        "SGD": (0, 0),
        "SGDMomentum": (gb("28"), gb("0.28")),
        "RMSProp": (gb("28"), gb("0.28")),
        "Adam": (gb("56"), gb("0.56")),
    }


@pytest.mark.parametrize(
    ("optimizer", "full"),
    [
        ("SGD", "0"),
        ("SGDMomentum", "28"),
        ("RMSProp", "28"),
        ("Adam", "56"),
        ("AdamW", "56"),
        ("Adam8bit", "14"),
        ("PagedAdam8bit", "14"),
        ("Lion", "28"),
        ("Muon", "28"),
        (None, "56"),
    ],
)
def test_every_optimizer_keeps_its_bytes_per_trainable_parameter(optimizer: str | None, full: str) -> None:
    whole = estimated(FineTuning(method="Full", optimizer=optimizer))
    adapter = estimated(FineTuning(method="LoRA", optimizer=optimizer))
    assert whole.component(S).expected == gb(full)
    assert adapter.component(S).expected == gb(full) / 100
    assert whole.per_gpu.lower == gb("14")


@pytest.mark.parametrize("optimizer", ["Adafactor", "GaLore", "APOLLO", "LOMO", "BAdam"])
def test_an_optimizer_without_a_rule_counts_as_adamw_denies_nobody_and_says_so(optimizer: str) -> None:
    found = estimated(FineTuning(method="Full", optimizer=optimizer))
    assert found.component(S).expected == gb("56")
    assert found.per_gpu.lower == 0
    assert any(optimizer in warning for warning in found.warnings)


def test_a_mixture_of_experts_loads_everything_but_activates_the_activated() -> None:
    # DeepSeek-R1: 671B loaded, 37B activated.
    found = estimated(Inference(), 671 * 10**9, active_parameters=37 * 10**9)
    assert parts(found) == {W: gb("1342"), A: gb("7.4"), KV: gb("7.4"), R: gb("2")}
    assert (found.parameters, found.active_parameters) == (671 * 10**9, 37 * 10**9)
    assert scenarios(671 * 10**9, 37 * 10**9)["full"].component(A).expected == gb("7.4")


@pytest.mark.parametrize(
    ("dtype", "quantization", "weights"),
    [
        (None, None, "14"),
        ("FP32", None, "28"),
        ("FP16", None, "14"),
        ("BF16", None, "14"),
        ("FP8", None, "7"),
        (None, "INT8", "7"),
        (None, "FP8", "7"),
        (None, "INT4", "3.5"),
        (None, "NF4", "3.5"),
        (None, "AWQ", "3.5"),
        (None, "GPTQ", "3.5"),
        ("BF16", "NF4", "3.5"),
        (None, "MXFP4", "3.71875"),
        (None, "NVFP4", "3.9375"),
    ],
)
def test_activations_and_kv_follow_the_16_bit_weights_whatever_the_precision(
    dtype: str | None, quantization: str | None, weights: str
) -> None:
    found = estimated(Inference(), dtype=dtype, quantization=quantization)
    assert found.component(W) == Interval.exact(gb(weights))
    assert found.component(A).expected == found.component(KV).expected == gb("1.4")


def test_a_gguf_type_is_at_least_the_bits_of_its_name() -> None:
    weights = estimated(Inference(), quantization="q4_k_m").component(W)
    # A Q4_K block is 144 bytes for 256 parameters (gguf-py, GGML_QUANT_SIZES).
    assert weights.lower <= B7 * 144 // 256 <= weights.expected


@pytest.mark.parametrize(
    ("name", "bits"),
    [
        ("IQ1_S", 2.0042),
        ("Q2_K", 3.1593),
        ("IQ3_XXS", 3.2548),
        ("Q3_K_L", 4.2979),
        ("Q4_K_M", 4.8944),
        ("Q8_0", 8.5008),
    ],
)
def test_published_bits_of_gguf_types_lie_within(name: str, bits: float) -> None:
    """Bits per weight of Llama-3.1-8B: ggml-org/llama.cpp tools/quantize/README.md."""
    weights = estimated(Inference(), quantization=name).component(W)
    assert weights.lower <= B7 * bits / 8 <= weights.expected


def test_modules_to_save_are_not_counted_from_a_count_and_said_so() -> None:
    task = FineTuning(method="LoRA", adapter=Adapter(modules_to_save=("lm_head",)))
    assert any("modulesToSave" in warning for warning in estimated(task).warnings)


def test_the_interval_is_the_weights_up_to_activations_and_kv_twice_and_one_gigabyte() -> None:
    found = estimated(Inference())
    assert found.per_gpu == Interval(gb("14"), gb("18.8"), gb("22.6"))
    assert estimated(FineTuning(method="Full")).per_gpu == Interval(gb("14"), gb("87.4"), gb("89.8"))


def test_activations_grow_with_batch_and_length_and_kv_with_concurrency_too() -> None:
    found = estimated(Inference(batch_size=2, max_model_len=8192, concurrency=16))
    assert found.component(A).expected == gb("11.2")
    assert found.component(KV).expected == gb("179.2")


def test_input_and_output_length_count_where_no_model_length_is_stated() -> None:
    assert estimated(Inference(input_length=1024, output_length=3072)).component(KV).expected == gb("2.8")
    assert estimated(Inference(input_length=512)).component(KV).expected == gb("0.35")
    stated = Inference(max_model_len=2048, input_length=9000, output_length=9000)
    assert estimated(stated).component(KV).expected == gb("1.4")


def test_fine_tuning_activations_grow_with_micro_batch_and_sequence() -> None:
    found = estimated(FineTuning(method="LoRA", micro_batch_size=4, sequence_length=4096))
    assert found.component(A).expected == gb("11.2")
    assert found.component(KV) == Interval(0, 0, 0)


def test_tensor_and_pipeline_divide_weights_gradients_and_states_only() -> None:
    degrees = Parallelism(tensor=2, pipeline=4)
    served = estimated(Inference(parallelism=degrees))
    tuned = estimated(FineTuning(method="Full", parallelism=degrees))
    assert parts(served) == {W: gb("1.75"), A: gb("1.4"), KV: gb("1.4"), R: gb("2")}
    assert parts(tuned) == {W: gb("1.75"), G: gb("1.75"), S: gb("7"), A: gb("1.4"), R: gb("2")}


def test_each_part_rounds_up_to_a_byte_after_division_and_then_they_are_summed() -> None:
    found = estimated(FineTuning(method="Full", parallelism=Parallelism(tensor=3)), 10**9)
    assert parts(found) == {W: 666_666_667, G: 666_666_667, S: 2_666_666_667, A: 200_000_000, R: 2 * 10**9}
    assert found.per_gpu.expected == 666_666_667 * 2 + 2_666_666_667 + 200_000_000 + 2 * 10**9


@pytest.mark.parametrize(
    ("strategy", "weights", "gradients", "states"),
    [
        ("DDP", 1, 1, 1),
        ("ZeRO1", 1, 1, 8),
        ("ZeRO2", 1, 8, 8),
        ("ZeRO3", 8, 8, 8),
        ("FSDP", 8, 8, 8),
        ("HSDP", 8, 8, 8),
    ],
)
def test_a_sharding_strategy_divides_what_it_shards(strategy: str, weights: int, gradients: int, states: int) -> None:
    task = FineTuning(method="Full", sharding=Sharding(strategy=strategy), parallelism=Parallelism(data=8))
    found = estimated(task)
    assert found.component(W).expected == gb("14") // weights
    assert found.component(G).expected == gb("14") // gradients
    assert found.component(S).expected == gb("56") // states
    assert found.per_gpu.lower == gb("14") // weights


@pytest.mark.parametrize(("degree", "lower"), [(None, "0.875"), (4, "1.75")])
def test_an_unstated_strategy_counts_as_none_but_denies_only_what_sharding_cannot_help(
    degree: int | None, lower: str
) -> None:
    task = FineTuning(method="Full", sharding=Sharding(degree=degree), parallelism=Parallelism(data=8, context=2))
    assert estimated(task).component(W) == Interval(gb(lower), gb("14"), gb("14"))
    alone = FineTuning(method="Full", parallelism=Parallelism(tensor=2))
    assert estimated(alone).component(W).lower == gb("7")


@pytest.mark.parametrize("engine", ["llama.cpp", "Ollama"])
def test_engines_that_may_leave_layers_in_host_memory_deny_nobody(engine: str) -> None:
    found = estimated(Inference(engine=engine))
    assert found.per_gpu.lower == 0
    assert found.component(W).expected == gb("14")
    assert any("layers" in warning for warning in found.warnings)


def test_a_stated_degree_shards_less_than_the_whole_data_group() -> None:
    task = FineTuning(method="Full", sharding=Sharding(strategy="FSDP", degree=2), parallelism=Parallelism(data=8))
    assert estimated(task).component(W).expected == gb("7")


@pytest.mark.parametrize(("what", "name"), [("Parameters", W), ("Optimizer", S), ("Activations", A)])
def test_what_is_offloaded_counts_nothing(what: str, name: ComponentName) -> None:
    found = estimated(FineTuning(method="Full", offload=(what,)))
    assert found.component(name) == Interval(0, 0, 0)
    assert found.per_gpu.lower == (0 if what == "Parameters" else gb("14"))


def test_expert_parallelism_lowers_only_the_lower_bound_of_the_weights() -> None:
    found = estimated(Inference(parallelism=Parallelism(expert=4, data=4)), active_parameters=10**9)
    assert found.component(W) == Interval(gb("3.5"), gb("14"), gb("14"))


@pytest.mark.parametrize(("expert", "lower"), [(1, "7"), (2, "0.875"), (8, "0.875"), (16, "0.875")])
def test_serving_deals_experts_to_all_ranks_whatever_degree_is_stated(expert: int, lower: str) -> None:
    """14 GB over tensor 2, and over all 16 ranks where experts are spread at all."""
    degrees = Parallelism(tensor=2, data=8, expert=expert)
    found = estimated(Inference(parallelism=degrees), active_parameters=10**9)
    assert found.component(W) == Interval(gb(lower), gb("7"), gb("7"))


@pytest.mark.parametrize(
    ("method", "percent"),
    [
        ("Full", 100),
        ("Freeze", 100),
        ("LoRA", 1),
        ("QLoRA", 1),
        ("DoRA", 1),
        ("IA3", 1),
        ("PromptTuning", 1),
        ("PrefixTuning", 1),
    ],
)
def test_a_method_trains_its_share(method: str, percent: int) -> None:
    assert estimated(FineTuning(method=method)).component(G).expected == gb("14") * percent // 100


def test_qlora_without_a_quantization_is_nf4() -> None:
    assert estimated(FineTuning(method="QLoRA")).component(W).expected == gb("3.5")
    assert estimated(FineTuning(method="QLoRA"), quantization="INT8").component(W).expected == gb("7")


def test_a_method_that_is_not_stated_is_full_or_follows_the_quantization_and_is_named() -> None:
    assert estimated(FineTuning()).component(G).expected == gb("14")
    assert estimated(FineTuning(), quantization="NF4").component(G).expected == gb("0.14")
    assert any("method" in warning for warning in estimated(FineTuning()).warnings)


def test_full_precision_training_holds_32_bit_weights_unless_the_model_says_otherwise() -> None:
    assert estimated(FineTuning(method="Full", precision="FP32")).component(W).expected == gb("28")
    assert estimated(FineTuning(method="Full", precision="FP32"), dtype="BF16").component(W).expected == gb("14")


def test_a_count_read_from_the_name_denies_nobody() -> None:
    assert estimated(Inference(), source=ModelSource.NAME).per_gpu == Interval(0, gb("18.8"), gb("22.6"))
    assert estimated(FineTuning(method="LoRA"), source=ModelSource.NAME).per_gpu.lower == 0


def test_engine_arguments_are_named_and_take_the_lower_bound_away() -> None:
    found = estimated(Inference(engine="vLLM", engine_args=("--enforce-eager",)))
    assert found.per_gpu.lower == 0
    assert any("--enforce-eager" in warning for warning in found.warnings)


def test_names_are_read_in_any_spelling() -> None:
    found = estimated(FineTuning(method="q-lora", optimizer="paged adam 8bit"), quantization="int8")
    assert found.component(W).expected == gb("7")
    assert found.component(S).expected == gb("0.14")


@pytest.mark.parametrize(
    ("task", "facts", "field"),
    [
        (Inference(engine="vLLLM"), {}, "spec.inference.engine"),
        (Inference(), {"quantization": "INT3"}, "spec.model.quantization"),
        (Inference(), {"dtype": "FP12"}, "spec.model.dtype"),
        (FineTuning(optimizer="AdamX"), {}, "spec.fineTuning.optimizer"),
    ],
)
def test_an_unknown_name_is_unknown_and_names_its_field(task: Task, facts: dict[str, str], field: str) -> None:
    found = estimate(model(**facts), task)
    assert isinstance(found, Unknown)
    assert (found.reason, found.field) == (Reason.MODEL_UNKNOWN, field)


def test_a_model_without_a_count_is_unknown() -> None:
    found = estimate(model(None), Inference())
    assert isinstance(found, Unknown)
    assert found.field == "spec.model"


def test_the_models_own_warnings_stay() -> None:
    assert "odd" in estimated(Inference(), warnings=("odd",)).warnings


def test_rules_of_thumb_are_called_so() -> None:
    basis = {part.name: part.basis for part in estimated(FineTuning(method="Full")).components}
    assert basis[A] is basis[R] is Basis.RULE_OF_THUMB
    assert basis[W] is basis[G] is basis[S] is Basis.MODELLED


counts = st.integers(1, 10**30)
small = st.integers(1, 10**9)


@given(counts, small, small, small)
def test_absurd_figures_still_add_up(parameters: int, batch: int, length: int, concurrency: int) -> None:
    for task in (
        Inference(batch_size=batch, max_model_len=length, concurrency=concurrency),
        FineTuning(method="Full", micro_batch_size=batch, sequence_length=length),
    ):
        found = estimate_simple(model(parameters), task)
        assert isinstance(found, Estimate)
        assert sum(part.memory.expected for part in found.components) == found.per_gpu.expected
        assert found.per_gpu.lower <= found.per_gpu.expected <= found.per_gpu.upper


@given(counts, counts, small, small)
def test_more_parameters_or_more_tokens_never_need_less(one: int, other: int, short: int, long: int) -> None:
    one, other = sorted((one, other))
    short, long = sorted((short, long))
    less = estimate_simple(model(one), Inference(max_model_len=short))
    more = estimate_simple(model(other), Inference(max_model_len=long))
    assert isinstance(less, Estimate)
    assert isinstance(more, Estimate)
    assert less.per_gpu.lower <= more.per_gpu.lower
    assert less.per_gpu.expected <= more.per_gpu.expected
    assert less.per_gpu.upper <= more.per_gpu.upper
