"""A vLLM server: against logs of vLLM 0.19.0 on an H100 (llm-d-planner's public runs) and by hand-made sums."""

from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest

from llmjob.estimator.architecture import read_architecture
from llmjob.estimator.estimate import estimate
from llmjob.estimator.gpu import GPU
from llmjob.estimator.interval import Range
from llmjob.estimator.model import Model, ModelSource
from llmjob.estimator.result import Basis, ComponentName, Estimate
from llmjob.estimator.task import Inference, LoadedAdapters, Parallelism
from llmjob.quantity import GiB

LLAMA_8B: dict[str, Any] = {
    "model_type": "llama", "hidden_size": 4096, "num_hidden_layers": 32, "num_attention_heads": 32,
    "num_key_value_heads": 8, "intermediate_size": 14336, "vocab_size": 128256, "max_position_embeddings": 131072,
    "torch_dtype": "bfloat16",
}  # fmt: skip
GEMMA_2_9B: dict[str, Any] = {
    "model_type": "gemma2", "hidden_size": 3584, "num_hidden_layers": 42, "num_attention_heads": 16,
    "num_key_value_heads": 8, "head_dim": 256, "intermediate_size": 14336, "vocab_size": 256000,
    "max_position_embeddings": 8192, "sliding_window": 4096, "torch_dtype": "bfloat16",
}  # fmt: skip


def card(gib: str) -> GPU:
    return GPU(name="card", vendor="nvidia", usable=Range.exact(int(Fraction(gib) * GiB)))


H100, L4, T4 = card("79.19"), card("22.16"), card("14.56")
MEASURED = Inference(
    engine="vLLM", engine_version="0.19.0", max_model_len=8192, gpu_memory_utilization=Fraction(95, 100)
)


def serve(task: Inference, gpu: GPU | None = H100, config: dict[str, Any] | None = None, **stated: Any) -> Estimate:
    model = Model(name="m", source=ModelSource.CONFIG, architecture=read_architecture(config or LLAMA_8B), **stated)
    found = estimate(model, task, gpu)
    assert isinstance(found, Estimate), found
    return found


@pytest.mark.parametrize(
    ("tensor", "pool", "tokens", "concurrency"), [(1, 58.11, 476032, 58.11), (2, 63.76, 1044640, 127.52)]
)
def test_the_pool_the_tokens_and_the_concurrency_are_those_that_the_log_prints(
    tensor: int, pool: float, tokens: int, concurrency: float
) -> None:
    found = serve(replace(MEASURED, parallelism=Parallelism(tensor=tensor)))
    assert found.serving is not None
    assert found.serving.kv_pool.expected / GiB == pytest.approx(pool, abs=0.05)
    assert found.serving.kv_pool.lower <= pool * GiB <= found.serving.kv_pool.upper
    assert found.serving.concurrency == pytest.approx(concurrency, rel=0.001)
    assert found.serving.kv_tokens == pytest.approx(tokens, rel=0.001)
    assert found.serving.starts


def test_budget_and_pool_hold_vllms_identity() -> None:
    """Pool = utilisation × total − weights − peak − non-torch, all at their expected values."""
    found = serve(MEASURED)
    assert found.budget is not None
    assert found.serving is not None
    available = found.budget.available
    assert available is not None
    assert available.upper == int(H100.usable.upper * Fraction(95, 100))
    cache = found.component(ComponentName.KV_CACHE).expected
    assert found.serving.kv_pool.expected == available.upper - (found.budget.needed.expected - cache)


def test_the_graphs_are_inside_the_budget_only_since_0_21() -> None:
    old, new = (serve(replace(MEASURED, engine_version=version)) for version in ("0.19.0", "0.21.0"))
    graphs = new.component(ComponentName.CUDA_GRAPHS).expected
    assert graphs > GiB // 2
    assert old.budget is not None
    assert new.budget is not None
    assert new.budget.needed.expected - old.budget.needed.expected == graphs
    assert new.per_gpu.expected == old.per_gpu.expected


@pytest.mark.parametrize(("version", "percent"), [("0.19", 90), ("0.21", 90), ("0.22", 92)])
def test_the_default_utilisation_follows_the_version(version: str, percent: int) -> None:
    found = serve(Inference(engine="vLLM", engine_version=version, max_model_len=2048), L4)
    assert found.budget is not None
    assert found.budget.available == Range.exact(L4.usable.lower * percent // 100)


def test_the_cache_is_what_length_and_concurrency_ask_for_not_the_pool() -> None:
    """One 8,192-token sequence of Llama-3.1-8B is 1 GiB in vLLM's log."""
    found = serve(replace(MEASURED, concurrency=16))
    assert found.component(ComponentName.KV_CACHE).expected == 16 * 1_073_741_824
    assert found.kv_bytes_per_token == 131072
    assert found.serving is not None
    assert found.serving.kv_pool.expected == serve(MEASURED).serving.kv_pool.expected  # type: ignore[union-attr]


def test_an_eight_bit_cache_halves_it_and_windows_make_it_non_linear() -> None:
    halved = serve(replace(MEASURED, kv_cache_dtype="fp8"))
    assert halved.component(ComponentName.KV_CACHE).expected == 1_073_741_824 // 2
    gemma = serve(replace(MEASURED, max_num_batched_tokens=8192), config=GEMMA_2_9B)
    assert gemma.component(ComponentName.KV_CACHE).expected == 2_821_324_800
    assert gemma.kv_bytes_per_token is None


def test_the_length_is_the_models_own_where_none_is_stated() -> None:
    whole = serve(replace(MEASURED, max_model_len=None))
    assert whole.component(ComponentName.KV_CACHE).expected == 16 * 1_073_741_824
    parts = serve(replace(MEASURED, max_model_len=None, input_length=6144, output_length=2048))
    assert parts.component(ComponentName.KV_CACHE).expected == 1_073_741_824


def test_a_length_beyond_the_models_own_and_an_unknown_one_are_said() -> None:
    beyond = serve(replace(MEASURED, max_model_len=200_000))
    assert any("131072" in warning for warning in beyond.warnings)
    unknown = serve(Inference(), config={**LLAMA_8B, "model_type": "bloom", "n_layer": 2, "n_head": 32})
    assert any("maxModelLen" in warning for warning in unknown.warnings)


def test_the_longest_length_is_the_last_that_fits_the_pool() -> None:
    found = serve(MEASURED, L4)
    assert found.serving is not None
    longest = found.serving.longest_length
    assert longest is not None
    assert -(-longest // 16) * 16 * 131072 <= found.serving.kv_pool.expected < (longest // 16 + 1) * 16 * 131072
    assert longest < 131072
    assert serve(MEASURED).serving.longest_length == 131072  # type: ignore[union-attr]


def test_a_card_that_cannot_hold_one_sequence_does_not_start() -> None:
    """Llama-3.1-8B in 16 bit has 14.99 GiB of weights; a T4 has 14.56 GiB."""
    found = serve(Inference(max_model_len=2048), T4)
    assert found.serving is not None
    assert not found.serving.starts
    assert found.serving.kv_pool.expected == 0
    assert found.serving.longest_length is None
    assert found.per_gpu.lower > T4.usable.upper


def test_a_utilisation_that_leaves_no_room_for_memory_in_use_does_not_start() -> None:
    assert serve(replace(MEASURED, gpu_memory_utilization=Fraction(99, 100))).serving.starts  # type: ignore[union-attr]
    assert not serve(replace(MEASURED, gpu_memory_utilization=Fraction(1))).serving.starts  # type: ignore[union-attr]


def test_without_a_gpu_what_depends_on_it_is_a_range_and_nothing_is_offered() -> None:
    found, small, large = (serve(replace(MEASURED, gpu_memory_utilization=None), gpu) for gpu in (None, L4, H100))
    assert found.serving is None
    assert found.budget is not None
    assert found.budget.available is None
    assert found.per_gpu.lower <= small.per_gpu.lower
    assert found.per_gpu.upper >= large.per_gpu.upper


def test_a_stated_step_replaces_the_default_of_the_cards_size() -> None:
    default, fewer = serve(MEASURED), serve(replace(MEASURED, max_num_seqs=16))
    assert default.component(ComponentName.LOGITS).expected == 1024 * 128256 * 29 // 2
    assert fewer.component(ComponentName.LOGITS).expected == 0
    assert serve(MEASURED, L4).component(ComponentName.LOGITS).expected == 256 * 128256 * 29 // 2
    longer = serve(replace(MEASURED, max_num_seqs=16, max_num_batched_tokens=16384))
    assert longer.component(ComponentName.ACTIVATIONS).expected > fewer.component(ComponentName.ACTIVATIONS).expected


def test_an_unstated_version_widens_the_bounds_and_says_so() -> None:
    newest, any_version = serve(Inference(max_model_len=8192)), serve(Inference(engine="vLLM", max_model_len=8192))
    assert any_version.profile == newest.profile
    assert any_version.per_gpu.expected == newest.per_gpu.expected
    assert any_version.per_gpu.upper > newest.per_gpu.upper
    assert any_version.per_gpu.lower < newest.per_gpu.lower
    assert any("engineVersion" in warning for warning in any_version.warnings)
    assert not newest.warnings


@pytest.mark.parametrize(("version", "profile"), [("x", "vllm-0.22"), ("99.1", "vllm-0.22"), ("0.5.0", "vllm-0.6")])
def test_a_version_that_no_profile_covers_widens_the_bounds_and_is_warned_of(version: str, profile: str) -> None:
    found = serve(replace(MEASURED, engine_version=version))
    open_ = serve(replace(MEASURED, engine_version=None))
    assert found.profile == profile
    assert found.per_gpu.lower <= open_.per_gpu.lower
    assert found.per_gpu.upper >= open_.per_gpu.upper
    (warning,) = found.warnings
    assert repr(version) in warning
    assert profile in warning
    assert not serve(MEASURED).warnings


def test_a_profile_with_few_rows_calls_its_constants_rules_of_thumb() -> None:
    bases = {
        version: {part.name: part.basis for part in serve(replace(MEASURED, engine_version=version)).components}
        for version in ("0.19", "0.22")
    }
    assert bases["0.19"][ComponentName.RUNTIME] is Basis.MEASURED
    assert bases["0.19"][ComponentName.LOGITS] is Basis.MODELLED
    assert bases["0.22"][ComponentName.RUNTIME] is Basis.RULE_OF_THUMB
    assert bases["0.22"][ComponentName.KV_CACHE] is Basis.EXACT


def test_process_memory_is_above_what_is_allocated() -> None:
    found = serve(MEASURED)
    assert found.measures is not None
    assert found.measures.process == found.per_gpu
    assert found.measures.allocated.expected < found.measures.process.expected


def test_several_ranks_hold_communication_buffers() -> None:
    assert serve(MEASURED).component(ComponentName.COMMUNICATION).upper == 0
    split = serve(replace(MEASURED, parallelism=Parallelism(tensor=2)))
    assert split.component(ComponentName.COMMUNICATION).expected > 2 * GiB


def test_a_gguf_type_is_priced_by_its_bits() -> None:
    """Q4_K_M is 4.85 bits on average."""
    weights = serve(MEASURED, quantization="Q4_K_M").component(ComponentName.WEIGHTS)
    assert weights.lower <= 8_030_261_248 * 4.85 / 8 <= weights.upper
    assert weights.expected / (8_030_261_248 * 4.85 / 8) == pytest.approx(1, rel=0.05)


def test_loaded_adapters_take_a_and_b_of_every_matrix_and_no_lower_bound() -> None:
    """Llama-3.1-8B's seven matrices a layer have 4096·6 + 14336 inputs and 4096·2 + 1024·2 + 14336·2 + 4096 outputs."""
    asked = replace(MEASURED, adapters=LoadedAdapters(max_loaded=4, max_rank=64))
    found = serve(asked)
    inputs, outputs = 4096 * 6 + 14336, 4096 * 2 + 1024 * 2 + 14336 * 2 + 4096
    slots = found.component(ComponentName.ADAPTERS)
    assert slots.expected == 32 * (inputs + outputs) * 64 * 4 * 2
    assert slots.lower == 0
    without = serve(MEASURED)
    assert found.per_gpu.lower == without.per_gpu.lower
    assert found.per_gpu.expected - without.per_gpu.expected == slots.expected
    halved = serve(replace(asked, parallelism=Parallelism(tensor=2))).component(ComponentName.ADAPTERS)
    assert halved.expected == 32 * (inputs + outputs // 2) * 64 * 4 * 2
