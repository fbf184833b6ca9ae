"""The KV cache of one sequence, to the byte that vLLM's pages make it."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmjob.estimator.architecture import Architecture, read_architecture
from llmjob.estimator.block import Attention, Reach
from llmjob.estimator.kv_cache import Pages, kv_bytes_per_token, kv_cache_bytes

DATA = Path(__file__).parents[1] / "data"
CONFIGS = {
    line["model"]: line["config"] for line in map(json.loads, (DATA / "configs/h100.jsonl").read_text().splitlines())
}
COUNTED = {
    line["model"]: line["config"] for line in map(json.loads, (DATA / "configs/counted.jsonl").read_text().splitlines())
}
ROWS = [
    row
    for row in csv.DictReader(line for line in (DATA / "vllm_h100.csv").read_text().splitlines() if line[0] != "#")
    if row["kv_low"]
]
LLAMA: dict[str, Any] = {
    "model_type": "llama",
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 4,
    "num_attention_heads": 8,
    "num_key_value_heads": 4,
    "head_dim": 8,
    "vocab_size": 256,
}
DEEPSEEK = {
    "model_type": "deepseek_v3", "max_position_embeddings": 163840, "hidden_size": 7168, "num_hidden_layers": 61,
    "num_attention_heads": 128, "vocab_size": 129280,
}  # fmt: skip


def cache(config: dict[str, Any], tokens: int, **pages: Any) -> int:
    return kv_cache_bytes(read_architecture(config), tokens, Pages(**{"step": 8192, **pages}))


# Published: one 8,192-token sequence, vLLM 0.19, 8,192 tokens a step, one GPU.
@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("meta-llama/Llama-3.1-8B", 1_073_741_824),
        ("Qwen/Qwen3-30B-A3B", 805_306_368),
        ("google/gemma-2-9b", 2_821_324_800),
        ("google/gemma-3-27b-it", 4_705_484_800),
    ],
)
def test_one_sequence_takes_the_published_bytes(model: str, expected: int) -> None:
    assert cache(COUNTED[model], 8192) == expected


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row['model']}-tp{row['tensor']}-{row['variant']}")
def test_every_logged_run_lies_inside_what_its_log_leaves_open(row: dict[str, str]) -> None:
    found = cache(CONFIGS[row["model"]], int(row["max_model_len"]), tensor=int(row["tensor"]), kv_dtype=row["kv_dtype"])
    assert int(row["kv_low"]) <= found <= int(row["kv_high"])


def test_kv_heads_are_never_split_below_one() -> None:
    assert cache(LLAMA, 160, tensor=4) * 4 == cache(LLAMA, 160)
    assert cache(LLAMA, 160, tensor=8) == cache(LLAMA, 160, tensor=4)


def test_a_latent_is_whole_on_every_rank() -> None:
    per_token = 576 * 2 * 61
    assert cache(DEEPSEEK, 16) == 16 * per_token
    assert cache(DEEPSEEK, 16, tensor=8) == 16 * per_token
    assert kv_bytes_per_token(read_architecture(DEEPSEEK), Pages(step=1)) == per_token


def test_fp8_halves_the_cache_and_sparse_latents_have_a_format_of_their_own() -> None:
    assert 2 * cache(LLAMA, 160, kv_dtype="FP8") == cache(LLAMA, 160)
    assert cache(DEEPSEEK, 16, kv_dtype="fp8_ds_mla") == 16 * 656 * 61


def test_an_indexer_keeps_a_key_and_a_scale_per_token() -> None:
    sparse = {**DEEPSEEK, "model_type": "deepseek_v32"}
    assert cache(sparse, 16, kv_dtype="fp8_ds_mla") == 16 * (656 + 132) * 61


def test_decode_context_parallel_divides_the_tokens_of_a_rank() -> None:
    assert cache(LLAMA, 160, decode_context=2) * 2 == cache(LLAMA, 160)


def test_a_begun_page_is_a_whole_page() -> None:
    assert cache(LLAMA, 1) == cache(LLAMA, 16) == cache(LLAMA, 17) // 2
    assert cache(LLAMA, 1, block_size=32) == 2 * cache(LLAMA, 1)


def test_a_pipeline_stage_keeps_its_own_layers() -> None:
    assert cache({**LLAMA, "num_hidden_layers": 5}, 16, pipeline=2) * 4 == cache(LLAMA, 16) * 3


def test_layers_that_share_another_ones_cache_keep_none() -> None:
    config = {
        "model_type": "gemma4_text", "hidden_size": 64, "num_hidden_layers": 6, "num_attention_heads": 4,
        "head_dim": 16,
        "num_key_value_heads": 2, "global_head_dim": 16, "vocab_size": 256, "vocab_size_per_layer_input": 256,
        "intermediate_size": 64, "layer_types": ["full_attention"] * 6,
    }  # fmt: skip
    assert cache({**config, "num_kv_shared_layers": 3}, 16) * 2 == cache(config, 16)


def test_wider_global_layers_take_fewer_tokens_a_page_not_more_bytes() -> None:
    config = {
        "model_type": "gemma4_text", "hidden_size": 64, "num_hidden_layers": 4, "num_attention_heads": 4,
        "head_dim": 16,
        "num_key_value_heads": 2, "global_head_dim": 32, "vocab_size": 256, "vocab_size_per_layer_input": 256,
        "intermediate_size": 64, "sliding_window": 32,
        "layer_types": ["sliding_attention", "full_attention"] * 2,
    }  # fmt: skip
    page = 16 * 2 * 2 * 32 * 2
    # Global layers: 1024 tokens in pages of 16. Local ones are half as wide, so 32 tokens a page: ceil(95 / 32) + 1.
    assert cache(config, 1024, step=64) == 2 * page * (64 + 4)


def test_recurrent_states_do_not_grow_with_the_sequence() -> None:
    config = {
        "model_type": "nemotron_h", "hidden_size": 64, "hybrid_override_pattern": "MM", "num_hidden_layers": 2,
        "mamba_num_heads": 8, "mamba_head_dim": 16, "n_groups": 2, "ssm_state_size": 16, "vocab_size": 128,
        "num_attention_heads": 4,
    }  # fmt: skip
    state = 8 * 16 * 16 * 4 + (8 * 16 + 2 * 2 * 16) * 3 * 2
    assert cache(config, 16) == cache(config, 16000) == 2 * state
    assert cache(config, 16, states=2) == 4 * state
    assert kv_bytes_per_token(read_architecture(config), Pages(step=1)) is None


def test_ignored_windows_keep_the_whole_sequence() -> None:
    config = COUNTED["google/gemma-2-9b"]
    assert cache(config, 8192, hybrid=False) == 2 * 21 * 512 * 16 * 2 * 8 * 256 * 2


def test_close_counts_are_padded_to_the_larger_one() -> None:
    def counted(full: int, sliding: int, **pages: Any) -> int:
        kinds = ["full_attention"] * full + ["sliding_attention"] * sliding
        config = {**LLAMA, "model_type": "gpt_oss", "num_hidden_layers": full + sliding, "layer_types": kinds}
        return cache(
            {**config, "sliding_window": 1, "num_local_experts": 1, "num_experts_per_tok": 1}, 16, step=1, **pages
        )

    page = 16 * 2 * 4 * 8 * 2
    assert counted(12, 13) == page * (13 + 13 * 2)
    assert counted(2, 3) == page * (2 + 4 * 2)
    assert counted(10, 13) == page * (13 + 13 * 2)
    assert counted(10, 13, group_ratio=1) == page * (10 + 20 * 2)


def held(attention: Attention, tokens: int, step: int, block: int) -> int:
    """Pages that a layer holds at most, found by walking the sequence one step at a time from every first step."""
    most = 0
    for first in range(1, min(step, tokens) + 1):
        done = 0
        while done < tokens:
            now = min(done + (first if done == 0 else step), tokens)
            start = done
            if attention.reach is Reach.SLIDING and attention.window is not None:
                start = max(0, done + 1 - attention.window)
            elif attention.reach is Reach.CHUNKED and attention.window is not None:
                start = done // attention.window * attention.window
            elif attention.reach is Reach.FULL:
                start = 0
            most = max(most, (now - 1) // block - start // block + 1)
            done = now
    return most


@st.composite
def layered(draw: st.DrawFn) -> Architecture:
    full, sliding = draw(st.integers(0, 5)), draw(st.integers(0, 7))
    if full + sliding == 0:
        full = 1
    order = draw(st.permutations(["full_attention"] * full + ["sliding_attention"] * sliding))
    config = {**LLAMA, "model_type": "gpt_oss", "num_hidden_layers": len(order), "layer_types": order}
    config |= {"sliding_window": draw(st.integers(1, 60)), "num_local_experts": 1, "num_experts_per_tok": 1}
    return read_architecture(config)


@given(layered(), st.integers(1, 200), st.integers(1, 40), st.sampled_from([1, 4, 16]))
def test_no_walk_through_a_sequence_needs_more_pages(model: Architecture, tokens: int, step: int, block: int) -> None:
    """A second allocator: layers dealt into groups by hand, pages counted by walking; the formula is never below it."""
    kinds: dict[Reach, list[Attention]] = {}
    for layer in model.blocks():
        assert isinstance(layer.mixer, Attention)
        kinds.setdefault(layer.mixer.reach, []).append(layer.mixer)
    counts = sorted(len(layers) for layers in kinds.values())
    size = counts[-1] if 2 * counts[-1] < 3 * counts[0] or len(counts) == 1 else counts[0]
    page = block * 2 * 4 * 8 * 2
    walked = spare = 0
    for layers in kinds.values():
        groups = [layers[start : start + size] for start in range(0, len(layers), size)]
        walked += sum(size * page * held(group[0], tokens, step, block) for group in groups)
        spare += sum(size * page for group in groups if group[0].reach is not Reach.FULL)
    found = kv_cache_bytes(model, tokens, Pages(step=step, block_size=block))
    assert walked <= found <= walked + 2 * spare


@given(layered(), st.integers(1, 5000), st.integers(1, 5000))
def test_a_longer_sequence_never_needs_less(model: Architecture, one: int, other: int) -> None:
    shorter, longer = sorted((one, other))
    pages = Pages(step=2048)
    assert kv_cache_bytes(model, shorter, pages) <= kv_cache_bytes(model, longer, pages)


def test_pages_of_a_hybrid_grow_until_a_state_fits() -> None:
    config = {
        "model_type": "nemotron_h", "hidden_size": 64, "hybrid_override_pattern": "MM*", "num_hidden_layers": 3,
        "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 16, "mamba_num_heads": 8, "mamba_head_dim": 16,
        "n_groups": 2, "ssm_state_size": 16, "vocab_size": 128,
    }  # fmt: skip
    token = 2 * 2 * 16 * 2
    state = 8 * 16 * 16 * 4 + (8 * 16 + 2 * 2 * 16) * 3 * 2
    block = next(tokens for tokens in range(16, 4096, 16) if tokens * token >= state)
    assert cache(config, 1000) == block * token * (-(-1000 // block) + 2)


def test_a_stage_without_attention_keeps_nothing() -> None:
    config = {
        "model_type": "nemotron_h", "hidden_size": 64, "hybrid_override_pattern": "-*", "num_hidden_layers": 2,
        "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 16, "intermediate_size": 96, "vocab_size": 128,
    }  # fmt: skip
    assert cache(config, 16) == cache(config, 16, pipeline=2) == 16 * 2 * 2 * 16 * 2


def test_chunked_layers_keep_a_chunk_and_a_step() -> None:
    config = {
        "model_type": "llama4_text", "hidden_size": 64, "num_hidden_layers": 4, "num_attention_heads": 4,
        "num_key_value_heads": 2, "head_dim": 16, "vocab_size": 128, "intermediate_size": 64,
        "intermediate_size_mlp": 64, "num_local_experts": 2, "attention_chunk_size": 64,
    }  # fmt: skip
    page = 16 * 2 * 2 * 16 * 2
    assert cache(config, 1600, step=32) == page * (3 * (64 + 32) // 16 + 100)
    assert cache(config, 48, step=32) == page * 4 * 3
