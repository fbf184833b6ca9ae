"""estimate(): what holds for every model, task and GPU, and which method answers."""

from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmjob.estimator.architecture import read_architecture
from llmjob.estimator.estimate import estimate
from llmjob.estimator.gpu import GPU
from llmjob.estimator.interval import Range
from llmjob.estimator.model import Model, ModelSource
from llmjob.estimator.result import ComponentName, Estimate, Unknown
from llmjob.estimator.simple import estimate_simple
from llmjob.estimator.task import FineTuning, Inference, Parallelism, Speculative, Task
from llmjob.names import Reason
from llmjob.quantity import GiB

LLAMA_8B = {
    "model_type": "llama", "hidden_size": 4096, "num_hidden_layers": 32, "num_attention_heads": 32,
    "num_key_value_heads": 8, "intermediate_size": 14336, "vocab_size": 128256, "max_position_embeddings": 131072,
    "torch_dtype": "bfloat16",
}  # fmt: skip
L4 = GPU(name="nvidia-l4", vendor="nvidia", usable=Range.exact(23_794_000_000))
H100 = GPU(name="nvidia-h100-80gb", vendor="nvidia", usable=Range(int(79.11 * GiB), int(79.19 * GiB)))

ENGINES = ["vLLM", "SGLang", "TGI", "TensorRTLLM", "LlamaCpp", "Ollama", "Transformers"]


def model(config: dict[str, Any], **stated: Any) -> Model:
    return Model(name="m", source=ModelSource.CONFIG, architecture=read_architecture(config), **stated)


def answer(asked: Model, task: Inference | FineTuning, gpu: GPU | None = None) -> Estimate:
    found = estimate(asked, task, gpu)
    assert isinstance(found, Estimate), found
    return found


@st.composite
def configs(draw: st.DrawFn) -> dict[str, Any]:
    family = draw(st.sampled_from(["llama", "qwen2", "qwen3", "gemma2", "mixtral", "mistral", "opt", "gpt_oss"]))
    heads = draw(st.sampled_from([4, 8, 16, 32]))
    config: dict[str, Any] = {
        "model_type": family,
        "hidden_size": heads * draw(st.sampled_from([64, 128])),
        "num_hidden_layers": draw(st.integers(1, 40)),
        "num_attention_heads": heads,
        "num_key_value_heads": draw(st.sampled_from([1, 2, 4])),
        "intermediate_size": 256 * draw(st.integers(1, 60)),
        "vocab_size": draw(st.integers(1000, 260_000)),
        "max_position_embeddings": draw(st.integers(512, 131_072)),
        "torch_dtype": draw(st.sampled_from(["bfloat16", "float16", "float32"])),
    }
    if family == "opt":
        config |= {"ffn_dim": config["intermediate_size"], "word_embed_proj_dim": config["hidden_size"]}
    if family in {"mixtral", "gpt_oss"}:
        config |= {"num_local_experts": draw(st.sampled_from([4, 8])), "num_experts_per_tok": draw(st.integers(1, 4))}
    if family in {"gemma2", "gpt_oss", "mistral"}:
        config |= {"sliding_window": draw(st.integers(16, 8192))}
    return config


tasks = st.builds(
    Inference,
    engine=st.sampled_from([None, *ENGINES]),
    engine_version=st.sampled_from([None, "0.6.5", "0.11", "0.19.0", "0.21", "1.0"]),
    max_model_len=st.none() | st.integers(1, 200_000),
    concurrency=st.none() | st.integers(1, 300),
    batch_size=st.none() | st.integers(1, 16),
    max_num_seqs=st.none() | st.integers(1, 2048),
    max_num_batched_tokens=st.none() | st.integers(1, 65_536),
    gpu_memory_utilization=st.none() | st.fractions(Fraction(1, 10), 1),
    kv_cache_dtype=st.sampled_from([None, "auto", "BF16"]),
    parallelism=st.builds(Parallelism, tensor=st.sampled_from([1, 2, 4]), pipeline=st.just(1)),
)
gpus = st.none() | st.integers(8, 192).map(
    lambda gib: GPU(name="card", vendor="nvidia", usable=Range(gib * GiB, gib * GiB + GiB // 2))
)
quantizations = st.sampled_from([None, "FP8", "INT8", "AWQ", "NF4", "MXFP4", "NVFP4"])


@settings(deadline=None, max_examples=60)
@given(configs(), tasks, gpus, quantizations)
def test_an_estimate_never_fails_on_a_valid_architecture_and_its_parts_sum_exactly(
    config: dict[str, Any], task: Inference, gpu: GPU | None, quantization: str | None
) -> None:
    found = answer(model(config, quantization=quantization), task, gpu)
    assert sum(part.memory.expected for part in found.components) == found.per_gpu.expected
    assert found.per_gpu.lower <= found.per_gpu.expected <= found.per_gpu.upper
    assert found.component(ComponentName.WEIGHTS).lower <= found.per_gpu.upper
    assert (found.serving is not None) == (gpu is not None and task.engine in {None, "vLLM", "SGLang"})


@settings(deadline=None, max_examples=60)
@given(
    configs(),
    tasks,
    gpus,
    st.sampled_from(
        ["concurrency", "batch_size", "max_model_len", "num_hidden_layers", "vocab_size", "intermediate_size"]
    ),
    st.integers(1, 7),
)
def test_an_estimate_is_monotone(
    config: dict[str, Any], task: Inference, gpu: GPU | None, what: str, factor: int
) -> None:
    """More sequences, longer ones, or more parameters never need less, by any of the three figures."""
    larger_config, larger = dict(config), task
    if what in config:
        larger_config[what] = config[what] * factor
        if what == "intermediate_size" and "ffn_dim" in config:
            larger_config["ffn_dim"] = larger_config[what]
    else:
        larger = replace(task, **{what: (getattr(task, what) or 1) * factor})
        task = replace(task, **{what: getattr(task, what) or 1})
    small, large = answer(model(config), task, gpu).per_gpu, answer(model(larger_config), larger, gpu).per_gpu
    assert small.expected <= large.expected
    assert small.upper <= large.upper
    assert small.lower <= large.lower


def test_without_an_architecture_the_simple_method_answers() -> None:
    counted = Model(name="7B", source=ModelSource.PARAMETERS, parameters=7 * 10**9)
    assert estimate(counted, Inference()) == estimate_simple(counted, Inference())


def test_fine_tuning_with_an_architecture_is_the_ledgers() -> None:
    found = answer(model(LLAMA_8B), FineTuning(method="LoRA", sequence_length=2048))
    assert found.instant is not None
    assert found.component(ComponentName.ADAPTERS).expected > 0


def test_no_engine_is_vllms_newest_profile_and_is_named() -> None:
    assert answer(model(LLAMA_8B), Inference()).profile == "vllm-0.22"
    assert answer(model(LLAMA_8B), Inference(engine="vllm", engine_version="0.19.0")).profile == "vllm-0.19"


@pytest.mark.parametrize(
    ("task", "field"),
    [
        (Inference(engine="vLLMM"), "spec.inference.engine"),
        (Inference(kv_cache_dtype="FP7"), "spec.inference.kvCacheDtype"),
        (FineTuning(optimizer="Adamm2"), "spec.fineTuning.optimizer"),
    ],
)
def test_an_unknown_name_is_unknown_and_names_its_field(task: Inference | FineTuning, field: str) -> None:
    found = estimate(model(LLAMA_8B), task)
    assert isinstance(found, Unknown)
    assert (found.reason, found.field) == (Reason.MODEL_UNKNOWN, field)


@pytest.mark.parametrize(
    ("degrees", "field", "fix"),
    [
        (Parallelism(tensor=64), "spec.parallelism.tensor", "1, 2, 4, 8, 16, 32"),
        (Parallelism(tensor=5), "spec.parallelism.tensor", "32 attention heads"),
        (Parallelism(pipeline=33), "spec.parallelism.pipeline", "32 layers"),
    ],
)
def test_degrees_that_a_model_cannot_have_are_bad_input(degrees: Parallelism, field: str, fix: str) -> None:
    for task in (Inference(parallelism=degrees), FineTuning(parallelism=degrees)):
        found = estimate(model(LLAMA_8B), task)
        assert isinstance(found, Unknown)
        assert (found.reason, found.field) == (Reason.BAD_INPUT, field)
        assert fix in found.message


MIXTRAL = {**LLAMA_8B, "model_type": "mixtral", "num_local_experts": 8, "num_experts_per_tok": 2}
COUNTED = Model(name="m", source=ModelSource.PARAMETERS, parameters=8 * 10**9)


LATENT = {
    "model_type": "deepseek_v3", "hidden_size": 7168, "num_hidden_layers": 61, "num_attention_heads": 128,
    "vocab_size": 129280, "torch_dtype": "bfloat16",
}  # fmt: skip


@pytest.mark.parametrize("asked", [model(LATENT), COUNTED], ids=["config", "parameters"])
@pytest.mark.parametrize(("tensor", "context"), [(1, 2), (4, 3), (4, 8)])
def test_the_context_of_decoding_is_shared_by_the_tensor_parallel_gpus(asked: Model, tensor: int, context: int) -> None:
    found = estimate(asked, Inference(parallelism=Parallelism(tensor=tensor, decode_context=context)))
    assert isinstance(found, Unknown)
    assert (found.reason, found.field) == (Reason.BAD_INPUT, "spec.parallelism.decodeContext")
    assert f"tensor parallel {tensor}" in found.message
    answer(asked, Inference(parallelism=Parallelism(tensor=tensor, decode_context=tensor)))


# Of vLLM's documentation ("Context Parallel Deployment"): "the dcp size should lie in the range of [1, tp_size/H]";
# 4 KV heads on 8 GPUs are held twice, and -dcp 2 removes that.
@pytest.mark.parametrize(
    ("kv_heads", "tensor", "context", "fix"),
    [
        (8, 2, 2, "state 1, or tensor parallel 16"),
        (8, 8, 2, "state 1, or tensor parallel 16"),
        (4, 8, 4, "state 2 at most, or tensor parallel 16"),
        (4, 8, 2, None),
        (1, 8, 8, None),
        (2, 16, 8, None),
    ],
)
def test_the_context_of_decoding_splits_only_spare_copies_of_kv_heads(
    kv_heads: int, tensor: int, context: int, fix: str | None
) -> None:
    asked = model({**LLAMA_8B, "num_key_value_heads": kv_heads})
    for engine in (None, "vLLM"):
        found = estimate(
            asked, Inference(engine=engine, parallelism=Parallelism(tensor=tensor, decode_context=context))
        )
        if fix is None:
            assert isinstance(found, Estimate)
        else:
            assert isinstance(found, Unknown)
            assert (found.reason, found.field) == (Reason.BAD_INPUT, "spec.parallelism.decodeContext")
            assert fix in found.message


def test_the_context_of_decoding_divides_the_query_heads_of_a_kv_head() -> None:
    asked = model({**LLAMA_8B, "num_attention_heads": 24, "hidden_size": 3072, "num_key_value_heads": 4})
    found = estimate(asked, Inference(parallelism=Parallelism(tensor=24, decode_context=4)))
    assert isinstance(found, Unknown)
    assert (found.reason, found.field) == (Reason.BAD_INPUT, "spec.parallelism.decodeContext")
    assert "1, 2, 3, 6 would" in found.message
    answer(asked, Inference(parallelism=Parallelism(tensor=24, decode_context=6)))


def test_the_context_of_decoding_divides_the_cache_of_vllm_alone() -> None:
    asked, degrees = model({**LLAMA_8B, "num_key_value_heads": 4}), Parallelism(tensor=8, decode_context=2)
    counted = answer(asked, Inference(parallelism=degrees))
    plain = answer(asked, Inference(parallelism=Parallelism(tensor=8)))
    kv = ComponentName.KV_CACHE
    assert counted.component(kv).expected * 2 == plain.component(kv).expected
    for engine in ("SGLang", "TGI", "TensorRTLLM", "Transformers"):
        found = answer(asked, Inference(engine=engine, parallelism=degrees))
        assert found.component(kv).expected >= plain.component(kv).expected
        assert found.per_gpu.lower == 0
        assert any("parallelism.decodeContext = 2 does not count" in warning for warning in found.warnings)


def test_more_expert_parallel_ranks_than_experts_are_bad_input() -> None:
    found = estimate(model(MIXTRAL), Inference(parallelism=Parallelism(expert=16)))
    assert isinstance(found, Unknown)
    assert (found.reason, found.field) == (Reason.BAD_INPUT, "spec.parallelism.expert")
    assert "8 experts" in found.message
    answer(model(MIXTRAL), Inference(parallelism=Parallelism(expert=8, data=8)))


@pytest.mark.parametrize(
    ("asked", "task"),
    [
        (model(MIXTRAL), Inference(parallelism=Parallelism(expert=8, tensor=2, data=2))),
        (model(LLAMA_8B), FineTuning(method="Full", parallelism=Parallelism(expert=8, data=4))),
        (COUNTED, Inference(parallelism=Parallelism(expert=64, tensor=8))),
    ],
)
def test_experts_spread_over_more_ranks_than_there_are_are_bad_input(asked: Model, task: Task) -> None:
    found = estimate(asked, task)
    assert isinstance(found, Unknown)
    assert (found.reason, found.field) == (Reason.BAD_INPUT, "spec.parallelism.expert")
    ranks = task.parallelism.tensor * task.parallelism.data
    assert f"state expert {ranks} at most" in found.message
    assert f"or spec.parallelism.data {task.parallelism.expert // task.parallelism.tensor}" in found.message
    answer(asked, replace(task, parallelism=replace(task.parallelism, expert=ranks)))


def test_vllm_spreads_experts_over_all_ranks_whatever_degree_is_stated() -> None:
    """Of 32 layers' 8 experts of 3 x 4096 x 14336 in 16 bit, a rank has one at the least and two as stated."""
    stated, all_ranks = (
        answer(model(MIXTRAL), Inference(parallelism=Parallelism(tensor=2, data=4, expert=expert))) for expert in (4, 8)
    )
    one = 32 * 3 * 4096 * 14336 * 2
    weights = ComponentName.WEIGHTS
    assert stated.component(weights).lower == all_ranks.component(weights).lower
    assert stated.component(weights).expected - all_ranks.component(weights).expected == one
    assert any("tensor x data = 8" in warning for warning in stated.warnings)
    assert not any("tensor x data" in warning for warning in all_ranks.warnings)


def test_of_a_count_too_it_is_told_where_experts_are_spread_wider() -> None:
    mixture = replace(COUNTED, active_parameters=10**9)
    spread, told = (answer(mixture, Inference(parallelism=Parallelism(data=8, expert=expert))) for expert in (8, 2))
    assert spread.component(ComponentName.WEIGHTS) == told.component(ComponentName.WEIGHTS)
    assert any("tensor x data = 8" in warning for warning in told.warnings)
    assert not any("tensor x data" in warning for warning in spread.warnings)


@pytest.mark.parametrize("task", [Inference(), FineTuning(method="Full")])
def test_a_count_alone_does_not_say_whether_experts_spread_its_weights(task: Task) -> None:
    spread = replace(task, parallelism=Parallelism(data=8, expert=8))
    dense, mixture = answer(COUNTED, spread), answer(replace(COUNTED, active_parameters=10**9), spread)
    weights = ComponentName.WEIGHTS
    assert dense.component(weights).lower >= mixture.component(weights).lower * 8 - 8
    assert dense.per_gpu.lower == 0 < mixture.per_gpu.lower
    assert any("parallelism.expert = 8 does not count" in warning for warning in dense.warnings)


@pytest.mark.parametrize(
    ("config", "task", "words"),
    [
        (LLAMA_8B, Inference(parallelism=Parallelism(context=2)), "parallelism.context = 2"),
        (MIXTRAL, FineTuning(method="Full", parallelism=Parallelism(expert=2, data=2)), "parallelism.expert = 2"),
    ],
)
def test_a_degree_that_is_not_counted_but_may_help_is_warned_of_and_leaves_no_lower_bound(
    config: dict[str, Any], task: Inference | FineTuning, words: str
) -> None:
    found = answer(model(config), task)
    assert found.per_gpu.lower == 0
    assert any(words in warning for warning in found.warnings)
    assert answer(model(config), replace(task, parallelism=Parallelism())).per_gpu.lower > 0


@pytest.mark.parametrize(
    ("task", "words"),
    [
        (FineTuning(parallelism=Parallelism(decode_context=2)), "parallelism.decodeContext"),
        (Inference(parallelism=Parallelism(expert=2, data=2)), "parallelism.expert"),
    ],
)
def test_a_degree_that_means_nothing_is_warned_of(task: Inference | FineTuning, words: str) -> None:
    found, plain = answer(model(LLAMA_8B), task), answer(model(LLAMA_8B), replace(task, parallelism=Parallelism()))
    assert found.per_gpu == plain.per_gpu
    assert any(words in warning for warning in found.warnings)
    assert not any(words in warning for warning in plain.warnings)


ABSURD = Inference(batch_size=10**6, max_model_len=10**8, concurrency=10**6)


@pytest.mark.parametrize(
    ("asked", "task", "field"),
    [
        (replace(COUNTED, parameters=9999 * 10**12), ABSURD, "spec.inference"),
        (replace(COUNTED, parameters=10**16 + 1), Inference(), "spec.model.parameters"),
        (replace(COUNTED, active_parameters=10**16 + 1), Inference(), "spec.model.activeParameters"),
        (COUNTED, FineTuning(micro_batch_size=10**9, sequence_length=10**9), "spec.fineTuning"),
        (model(LLAMA_8B), ABSURD, "spec.inference"),
        (model(LLAMA_8B), FineTuning(micro_batch_size=10**9, sequence_length=10**9), "spec.fineTuning"),
        (
            model({**MIXTRAL, "num_local_experts": 2**16, "intermediate_size": 2**24}),
            Inference(),
            "spec.model.config",
        ),
    ],
)
def test_figures_beyond_every_model_and_every_gpu_are_bad_input(
    asked: Model, task: Inference | FineTuning, field: str
) -> None:
    found = estimate(asked, task)
    assert isinstance(found, Unknown)
    assert (found.reason, found.field) == (Reason.BAD_INPUT, field)
    assert "correct" in found.message


def test_the_largest_that_is_still_answered_fits_the_apis_fields() -> None:
    found = answer(replace(COUNTED, parameters=10**16), Inference(), H100)
    assert found.per_gpu.upper < 2**60


@pytest.mark.parametrize("engine", ENGINES)
def test_engine_args_are_named_and_leave_no_lower_bound(engine: str) -> None:
    asked = Inference(engine=engine, engine_args=("--enforce-eager",))
    found = answer(model(LLAMA_8B), asked, H100)
    assert found.per_gpu.lower == 0
    assert found.budget is None or found.budget.needed.lower == 0
    assert any("--enforce-eager" in warning for warning in found.warnings)
    sure = 0 if engine in {"LlamaCpp", "Ollama"} else 16 * 10**9
    assert answer(model(LLAMA_8B), replace(asked, engine_args=()), H100).per_gpu.lower >= sure


def test_a_model_known_by_name_only_leaves_no_lower_bound() -> None:
    named = replace(model(LLAMA_8B), source=ModelSource.NAME)
    assert answer(named, Inference(), H100).per_gpu.lower == 0


def test_speculation_is_not_counted_silently() -> None:
    found = answer(model(LLAMA_8B), Inference(speculative=Speculative(method="MTP", tokens=2)))
    assert any("speculative" in warning for warning in found.warnings)


def test_a_models_own_warnings_are_kept() -> None:
    found = answer(replace(model(LLAMA_8B), warnings=("two sources disagree",)), Inference())
    assert "two sources disagree" in found.warnings


@pytest.mark.parametrize("engine", [name for name in ENGINES if name != "vLLM"])
def test_an_engine_without_a_profile_is_weights_and_cache_with_rules_of_thumb(engine: str) -> None:
    found = answer(model(LLAMA_8B), Inference(engine=engine, max_model_len=8192, concurrency=2), L4)
    weights, cache = found.component(ComponentName.WEIGHTS), found.component(ComponentName.KV_CACHE)
    assert weights.expected >= 2 * 8_030_261_248
    assert cache.expected == 2 * 1_073_741_824
    assert found.per_gpu.lower >= weights.lower
    assert {part.basis.value for part in found.components if part.name in {"Activations", "Runtime"}} == {"RuleOfThumb"}
    assert any("rule of thumb" in warning for warning in found.warnings)
