"""Engines without a measured profile: sums by hand, and logged buffers of llama.cpp, SGLang and transformers."""

from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest

from llmjob.estimator.architecture import read_architecture
from llmjob.estimator.engines import estimate_engine
from llmjob.estimator.estimate import estimate
from llmjob.estimator.gpu import GPU
from llmjob.estimator.interval import Interval, Range
from llmjob.estimator.model import Model, ModelSource
from llmjob.estimator.result import ComponentName, Estimate, Unknown
from llmjob.estimator.task import Inference, Parallelism
from llmjob.quantity import GiB, MiB

LLAMA_8B: dict[str, Any] = {
    "model_type": "llama", "hidden_size": 4096, "num_hidden_layers": 32, "num_attention_heads": 32,
    "num_key_value_heads": 8, "intermediate_size": 14336, "vocab_size": 128256, "max_position_embeddings": 131072,
    "torch_dtype": "bfloat16",
}  # fmt: skip
QWEN_3B: dict[str, Any] = {
    "model_type": "qwen2", "hidden_size": 2048, "num_hidden_layers": 36, "num_attention_heads": 16,
    "num_key_value_heads": 2, "intermediate_size": 11008, "vocab_size": 151936, "max_position_embeddings": 32768,
    "tie_word_embeddings": True, "torch_dtype": "bfloat16",
}  # fmt: skip
DEEPSEEK: dict[str, Any] = {
    "model_type": "deepseek_v3", "hidden_size": 7168, "num_hidden_layers": 61, "num_attention_heads": 128,
    "num_key_value_heads": 128, "intermediate_size": 18432, "moe_intermediate_size": 2048, "vocab_size": 129280,
    "n_routed_experts": 256, "n_shared_experts": 1, "num_experts_per_tok": 8, "first_k_dense_replace": 3,
    "kv_lora_rank": 512, "q_lora_rank": 1536, "qk_nope_head_dim": 128, "qk_rope_head_dim": 64, "v_head_dim": 128,
    "max_position_embeddings": 163840, "torch_dtype": "bfloat16",
}  # fmt: skip
H200 = GPU(name="nvidia-h200", vendor="nvidia", usable=Range.exact(int(139.2 * GiB)))


def serve(task: Inference, gpu: GPU | None = None, config: dict[str, Any] | None = None, **stated: Any) -> Estimate:
    model = Model(name="m", source=ModelSource.CONFIG, architecture=read_architecture(config or LLAMA_8B), **stated)
    found = estimate(model, task, gpu)
    assert isinstance(found, Estimate), found
    return found


def cache(task: Inference, config: dict[str, Any] | None = None) -> Interval:
    return serve(task, config=config).component(ComponentName.KV_CACHE)


def test_llama_cpps_cache_is_linear_in_the_total_context() -> None:
    """L·k·d·(2 + 2)·n_ctx: 32 layers, 8 heads of 128, 32,768 tokens; n_ctx is the total over the slots."""
    assert cache(Inference(engine="llama.cpp", max_model_len=32768)).expected == 4096 * MiB
    assert cache(Inference(engine="llama.cpp", max_model_len=8192, concurrency=4)).expected == 4096 * MiB
    assert serve(Inference(engine="llama.cpp", max_model_len=8192)).kv_bytes_per_token == 131072


@pytest.mark.parametrize(
    ("name", "block"),
    [("q8_0", 34), ("q4_0", 18), ("q4_1", 20), ("q5_0", 22), ("q5_1", 24), ("IQ4_NL", 18), ("f16", 64), ("f32", 128)],
)
def test_a_cache_in_blocks_takes_their_bytes_for_32_elements(name: str, block: int) -> None:
    """4,096 MiB in 16 bit, which are 64 bytes a block; the sizes are those of ggml's block structures."""
    for engine in ("llama.cpp", "Ollama"):
        found = serve(Inference(engine=engine, max_model_len=32768, kv_cache_dtype=name))
        assert found.component(ComponentName.KV_CACHE).expected == 4096 * MiB * block // 64
        assert found.kv_bytes_per_token == 131072 * block // 64


def test_other_engines_do_not_know_llama_cpps_cache_types() -> None:
    model = Model(name="m", source=ModelSource.CONFIG, architecture=read_architecture(LLAMA_8B))
    for engine in (None, "vLLM", "SGLang", "Transformers"):
        found = estimate(model, Inference(engine=engine, kv_cache_dtype="q8_0"))
        assert isinstance(found, Unknown)
        assert found.field == "spec.inference.kvCacheDtype"


def test_a_long_context_does_not_make_a_prompt_long() -> None:
    """Transformers takes a prompt whole, but no prompt of 131,072 tokens is sure to come."""
    whole = serve(Inference(engine="Transformers", max_model_len=131072))
    stated = serve(Inference(engine="Transformers", max_model_len=131072, input_length=131072))
    name = ComponentName.ACTIVATIONS
    assert whole.component(name).lower == 0 < stated.component(name).lower
    assert whole.component(name).upper == stated.component(name).upper
    held = whole.component(ComponentName.WEIGHTS).lower + whole.component(ComponentName.KV_CACHE).lower
    assert held <= whole.per_gpu.lower < stated.per_gpu.lower


def test_llama_cpp_keeps_the_latent_of_mla_and_transformers_expand_it() -> None:
    """32,768 tokens of DeepSeek-V3 log 2.144 GiB as latents; expanded they are 192 + 128 elements a head."""
    latent = cache(Inference(engine="LlamaCpp", max_model_len=32768), DEEPSEEK)
    assert latent.expected / GiB == pytest.approx(2.144, rel=0.001)
    # Row I0046 logs 4.05 GiB, its values a second time: 512 of a latent's 576 elements.
    assert latent.upper / GiB == pytest.approx(4.05, rel=0.001)
    assert cache(Inference(engine="LlamaCpp", max_model_len=32768)).upper == 4096 * MiB
    expanded = cache(Inference(engine="Transformers", input_length=1024, output_length=0), DEEPSEEK)
    assert expanded.expected == 1024 * 61 * 128 * (192 + 128) * 2


@pytest.mark.parametrize("engine", ["LlamaCpp", "Ollama"])
def test_layers_may_stay_in_host_memory_so_no_weights_and_no_cache_are_sure(engine: str) -> None:
    """Row I0069: 42 of the 81 layers of a 70B on a 24 GB card, 20.08 GiB of weights and 1.32 GiB of cache there."""
    llama_70b = {**LLAMA_8B, "hidden_size": 8192, "num_hidden_layers": 80, "num_attention_heads": 64,
                 "intermediate_size": 28672}  # fmt: skip
    found = serve(Inference(engine=engine, max_model_len=8224), config=llama_70b, quantization="Q4_K_M")
    placed = found.component(ComponentName.WEIGHTS), found.component(ComponentName.KV_CACHE)
    assert [part.lower for part in placed] == [0, 0]
    assert placed[0].expected > 39 * GiB
    assert placed[1].expected == placed[1].upper == 2570 * MiB
    assert found.per_gpu.lower < GiB
    assert any("layers" in warning for warning in found.warnings)


def test_row_i0002_fits_where_a_third_of_the_layers_and_of_the_cache_lie() -> None:
    """10 of 33 layers on an 8 GB card: 1.23 GiB of weights and 5 of the 16 GiB of cache."""
    found = serve(Inference(engine="LlamaCpp", max_model_len=131072), quantization="Q4_K_M")
    assert found.per_gpu.lower < 1.23 * GiB < 16 * GiB < found.per_gpu.expected


def test_a_window_lowers_only_the_lower_bound() -> None:
    windowed = {**LLAMA_8B, "model_type": "mistral", "sliding_window": 4096}
    found = cache(Inference(engine="Transformers", max_model_len=32768), windowed)
    assert (found.lower, found.expected) == (512 * MiB, 4096 * MiB)


def test_recurrent_states_do_not_grow_with_the_length() -> None:
    nemotron = {
        "model_type": "nemotron_h", "hidden_size": 4096, "num_hidden_layers": 2, "hybrid_override_pattern": "MM",
        "num_attention_heads": 32, "num_key_value_heads": 8, "intermediate_size": 1024, "vocab_size": 1000,
        "mamba_num_heads": 64, "mamba_head_dim": 64, "ssm_state_size": 128, "n_groups": 8, "conv_kernel": 4,
        "max_position_embeddings": 8192, "torch_dtype": "bfloat16",
    }  # fmt: skip
    short, long = (cache(Inference(engine="LlamaCpp", max_model_len=length), nemotron) for length in (128, 8192))
    assert short == long
    assert short.expected == 2 * (64 * 64 * 128 * 4 + (64 * 64 + 2 * 8 * 128) * 3 * 2)


def test_ollama_holds_at_least_what_it_reserves() -> None:
    found = serve(Inference(engine="Ollama", max_model_len=2048)).component(ComponentName.RUNTIME)
    assert found.lower == int(0.45 * GiB) + 1


def test_transformers_prefill_follows_input_length_width_and_feed_forward() -> None:
    """input_len·(5.65h + 6.2·ffn) bytes, the fit of 76 runs of transformers 4.46."""
    task = Inference(engine="Transformers", batch_size=1, input_length=6144, output_length=2048)
    found = serve(task, config=QWEN_3B).component(ComponentName.ACTIVATIONS)
    assert found.expected == -(-6144 * (565 * 2048 + 620 * 11008) // 100)
    twice = serve(replace(task, batch_size=2), config=QWEN_3B).component(ComponentName.ACTIVATIONS)
    assert twice.expected == pytest.approx(2 * found.expected, abs=1)


def test_a_quantised_head_may_be_stored_apart_from_the_embedding() -> None:
    """Row I0470: Qwen2.5-3B AWQ holds 2.50 GiB, 0.58 more than with a tied head."""
    found = serve(Inference(engine="Transformers", input_length=1, output_length=1), config=QWEN_3B, quantization="AWQ")
    assert found.component(ComponentName.WEIGHTS).upper >= 2.4 * GiB
    vllm = serve(Inference(), config=QWEN_3B, quantization="AWQ").component(ComponentName.WEIGHTS)
    assert vllm.upper < 2.2 * GiB


def test_sglangs_pool_is_the_static_share_less_the_weights() -> None:
    """Row I0080: Llama-3-8B on an H200, fraction 0.8718, logged a pool of 106.36 GiB."""
    task = Inference(engine="SGLang", max_model_len=8192, gpu_memory_utilization=Fraction("0.8717961202189594"))
    found = serve(task, H200).serving
    assert found is not None
    assert found.kv_pool.expected / GiB == pytest.approx(106.36, rel=0.001)
    assert found.kv_pool.lower < 106.36 * GiB < found.kv_pool.upper
    assert found.starts
    assert found.longest_length == 131072


def available(gib: int, **stated: Any) -> Range:
    gpu = GPU(name="card", vendor="nvidia", usable=Range.exact(gib * GiB))
    asked = serve(Inference(engine="SGLang", max_model_len=8192, **stated), gpu)
    assert asked.budget is not None
    assert asked.budget.available is not None
    return asked.budget.available


def test_sglangs_unstated_fraction_spans_the_defaults_of_its_versions() -> None:
    """Recent versions leave 512 + 1.5·chunk + 128 + 2·batch MiB, older ones 12 %."""
    assert available(24) == Range(24 * GiB - (512 + 3072 + 128 + 48) * MiB, int(24 * GiB * Fraction(88, 100)))
    assert available(79) == Range(79 * GiB - (512 + 12288 + 128 + 512) * MiB, int(79 * GiB * Fraction(88, 100)))
    assert available(139) == Range(139 * GiB - 18432 * MiB, int(139 * GiB * Fraction(88, 100)))


def test_large_gpus_keep_at_least_ten_gib_free_under_sglang() -> None:
    assert available(79, max_num_batched_tokens=1024).lower == 69 * GiB


def test_a_pool_that_cannot_hold_one_sequence_does_not_start() -> None:
    small = GPU(name="l4", vendor="nvidia", usable=Range.exact(22 * GiB))
    tight = serve(Inference(engine="SGLang", max_model_len=131072), small).serving
    assert tight is not None
    assert not tight.starts


def test_tensor_parallelism_divides_weights_and_cache() -> None:
    whole, half = (
        serve(Inference(engine="TGI", max_model_len=8192, parallelism=Parallelism(tensor=degree))) for degree in (1, 2)
    )
    for name in (ComponentName.WEIGHTS, ComponentName.KV_CACHE):
        assert half.component(name).expected / whole.component(name).expected == pytest.approx(0.5, abs=0.01)


def test_an_engine_without_a_rule_is_an_error() -> None:
    architecture = read_architecture(LLAMA_8B)
    model = Model(name="m", source=ModelSource.CONFIG, architecture=architecture)
    with pytest.raises(KeyError):
        estimate_engine(model, architecture, Inference(engine="Nothing"))
