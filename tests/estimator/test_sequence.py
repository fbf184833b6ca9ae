"""The dtype of the KV cache: as stated, else as the checkpoint has scales for, where the engine follows it."""

from typing import Any

import pytest

from llmjob.estimator.architecture import read_architecture
from llmjob.estimator.estimate import estimate
from llmjob.estimator.interval import Interval
from llmjob.estimator.kv_cache import Pages, kv_cache_bytes
from llmjob.estimator.model import Model, ModelSource
from llmjob.estimator.result import ComponentName, Estimate
from llmjob.estimator.task import Inference

LLAMA_8B: dict[str, Any] = {
    "model_type": "llama", "hidden_size": 4096, "num_hidden_layers": 32, "num_attention_heads": 32,
    "num_key_value_heads": 8, "intermediate_size": 14336, "vocab_size": 128256, "max_position_embeddings": 131072,
    "torch_dtype": "bfloat16",
}  # fmt: skip
WEIGHTS = {"config_groups": {"a": {"weights": {"num_bits": 8, "type": "float"}}}}
FP8 = {"num_bits": 8, "type": "float"}
# As published: llm-compressor in config.json, ModelOpt in config.json, ModelOpt's hf_quant_config.json.
STATED = (
    {"quant_method": "compressed-tensors", **WEIGHTS, "kv_cache_scheme": FP8},
    {"quant_method": "modelopt", "quant_algo": "FP8", "kv_cache_scheme": {**FP8, "dynamic": False}},
    {"quantization": {"quant_algo": "FP8", "kv_cache_quant_algo": "FP8"}, "producer": {"name": "modelopt"}},
)
ONE = 1_073_741_824
"""Bytes of 8,192 tokens in 16 bit, as vLLM logs them."""


def cache(scheme: dict[str, Any] | None, task: Inference, **stated: Any) -> Interval:
    found = answer(scheme, task, **stated)
    return found.component(ComponentName.KV_CACHE)


def answer(scheme: dict[str, Any] | None, task: Inference, **stated: Any) -> Estimate:
    config = {**LLAMA_8B, **({"quantization_config": scheme} if scheme else {})}
    found = estimate(Model(name="m", source=ModelSource.CONFIG, architecture=read_architecture(config), **stated), task)
    assert isinstance(found, Estimate)
    return found


@pytest.mark.parametrize("scheme", STATED, ids=["llm-compressor", "modelopt", "modelopt-nested"])
@pytest.mark.parametrize(
    ("version", "ends"),
    [
        ("0.6.5", (ONE, ONE, ONE)),
        ("0.8", (ONE, ONE, ONE)),
        ("0.11", (ONE // 2, ONE, ONE)),
        ("0.19", (ONE // 2, ONE // 2, ONE // 2)),
        ("0.22", (ONE // 2, ONE // 2, ONE // 2)),
        (None, (ONE // 2, ONE // 2, ONE)),
    ],
)
def test_a_checkpoints_own_eight_bit_cache_counts_from_the_versions_that_follow_it(
    scheme: dict[str, Any], version: str | None, ends: tuple[int, int, int]
) -> None:
    for dtype in (None, "auto"):
        task = Inference(engine="vLLM", engine_version=version, max_model_len=8192, kv_cache_dtype=dtype)
        assert cache(scheme, task) == Interval(*ends)
        assert cache(None, task) == Interval(ONE, ONE, ONE)


def test_without_an_engine_the_newest_version_follows_the_checkpoint() -> None:
    assert cache(STATED[0], Inference(max_model_len=8192)) == Interval(ONE // 2, ONE // 2, ONE // 2)


def test_a_stated_dtype_wins_over_the_checkpoints() -> None:
    task = Inference(max_model_len=8192, kv_cache_dtype="BF16")
    assert cache(STATED[0], task) == Interval(ONE, ONE, ONE)


def test_another_quantization_than_the_checkpoints_is_another_checkpoint() -> None:
    assert cache(STATED[0], Inference(max_model_len=8192), quantization="AWQ").expected == ONE
    assert cache(STATED[0], Inference(max_model_len=8192), quantization="FP8").expected == ONE // 2


@pytest.mark.parametrize(
    ("version", "dtype", "low", "high"),
    [("0.11", None, 656, 1152), ("0.19", None, 1152, 1152), ("0.11", "BF16", 1152, 1152), ("0.11", "FP8", 656, 656)],
)
def test_sparse_attention_was_eight_bit_by_default_in_versions_between(
    version: str, dtype: str | None, low: int, high: int
) -> None:
    """Of a token DeepSeek-V3.2 keeps 576 elements or 656 bytes a layer, and 132 bytes of the indexer."""
    config = {
        "model_type": "deepseek_v32", "hidden_size": 7168, "num_hidden_layers": 61, "num_attention_heads": 128,
        "vocab_size": 129280, "torch_dtype": "bfloat16",
    }  # fmt: skip
    model = Model(name="m", source=ModelSource.CONFIG, architecture=read_architecture(config))
    task = Inference(engine="vLLM", engine_version=version, max_model_len=8192, kv_cache_dtype=dtype)
    found = estimate(model, task)
    assert isinstance(found, Estimate)
    kept = found.component(ComponentName.KV_CACHE)
    assert (kept.lower, kept.upper) == (8192 * 61 * (low + 132), 8192 * 61 * (high + 132))


@pytest.mark.parametrize("engine", ["SGLang", "TGI", "TensorRTLLM"])
def test_other_paged_engines_may_follow_the_checkpoint(engine: str) -> None:
    assert cache(STATED[1], Inference(engine=engine, max_model_len=8192)) == Interval(ONE // 2, ONE, ONE)


@pytest.mark.parametrize(
    "scheme",
    [
        {"quant_method": "modelopt", "quant_algo": "NVFP4", "kv_cache_quant_algo": "NVFP4"},
        {"quant_method": "modelopt", "quant_algo": "FP8", "kv_cache_scheme": {**FP8, "dynamic": True}},
        {"quant_method": "compressed-tensors", **WEIGHTS, "kv_cache_scheme": {"num_bits": 4, "type": "float"}},
        {"quant_method": "compressed-tensors", **WEIGHTS, "kv_cache_scheme": {"num_bits": 8, "type": "int"}},
        {"quant_method": "modelopt", "quant_algo": "FP8", "kv_cache_quant_algo": ["FP8"]},
    ],
)
def test_a_scheme_that_is_not_known_counts_in_sixteen_bit_and_denies_nobody(scheme: dict[str, Any]) -> None:
    found = answer(scheme, Inference(max_model_len=8192))
    assert found.component(ComponentName.KV_CACHE).expected == ONE
    assert found.per_gpu.lower == 0
    assert [warning for warning in found.warnings if "KV cache scheme" in warning and "kvCacheDtype" in warning]
    assert answer(scheme, Inference(max_model_len=8192, kv_cache_dtype="FP8")).per_gpu.lower > 0


@pytest.mark.parametrize("nothing", [None, "None", "auto", {}])
def test_no_scheme_is_none(nothing: object) -> None:
    scheme = {"quant_method": "modelopt", "quant_algo": "FP8", "kv_cache_quant_algo": nothing}
    found = answer(scheme, Inference(max_model_len=8192))
    assert found.component(ComponentName.KV_CACHE) == Interval(ONE, ONE, ONE)
    assert found.per_gpu.lower > 0


GEMMA_27B: dict[str, Any] = {
    "model_type": "gemma3_text", "hidden_size": 5376, "num_hidden_layers": 62, "num_attention_heads": 32,
    "num_key_value_heads": 16, "head_dim": 128, "intermediate_size": 21504, "vocab_size": 262208,
    "sliding_window": 1024, "sliding_window_pattern": 6, "max_position_embeddings": 131072, "torch_dtype": "bfloat16",
}  # fmt: skip
PAGE = 1_310_720
"""Bytes of 16 tokens in ten layers: 10 x 16 x 2 x 16 heads x 128 x 2 bytes. Ten layers are global, 52 are local."""


@pytest.mark.parametrize(
    ("number", "length", "lower", "expected"),
    [
        # Alone: 512 global pages; six groups of local ones, no window of which exceeds the 8,192 tokens.
        (1, 8192, 512 + 6 * 513, 512 + 6 * 513),
        # Four share the 512 pages of one step: beyond 64 + 1 pages of its window each has its part of them.
        (4, 8192, 4 * 512 + 6 * (4 * 65 + 512), 4 * (512 + 6 * 513)),
        # Sixteen short ones never need more than they are long.
        (16, 1040, 16 * (65 + 6 * 66), 16 * (65 + 6 * 66)),
    ],
)
def test_sequences_share_the_tokens_of_one_step_beyond_their_windows(
    number: int, length: int, lower: int, expected: int
) -> None:
    """The lower bound shares them; vLLM's log of the concurrency, and what is expected, counts a step for each."""
    architecture = read_architecture(GEMMA_27B)
    model = Model(name="m", source=ModelSource.CONFIG, architecture=architecture)
    task = Inference(
        engine="vLLM", engine_version="0.19", max_model_len=length, concurrency=number, max_num_batched_tokens=8192
    )
    found = estimate(model, task)
    assert isinstance(found, Estimate)
    assert found.component(ComponentName.KV_CACHE) == Interval(lower * PAGE, expected * PAGE, expected * PAGE)


def test_chunks_share_the_tokens_of_one_step_too() -> None:
    """Chunks of 1,024 tokens are 64 pages, a step of 4,096 is 256, all 8,192 are 512, as every fourth layer keeps."""
    config = {**LLAMA_8B, "model_type": "llama4_text", "intermediate_size_mlp": 14336, "num_local_experts": 1}
    architecture = read_architecture(config | {"attention_chunk_size": 1024, "head_dim": 128})
    page = 16 * 2 * 8 * 128 * 2
    one, three = (kv_cache_bytes(architecture, 8192, Pages(step=4096), number) for number in (1, 3))
    assert one == (24 * (64 + 256) + 8 * 512) * page
    assert three == (24 * (3 * 64 + 256) + 8 * 3 * 512) * page
