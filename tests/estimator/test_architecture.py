"""A config.json is read as published, and its parameters are counted to the last one."""

import json
from pathlib import Path
from typing import Any

import pytest

from llmjob.estimator.architecture import ConfigError, read_architecture
from llmjob.estimator.block import Attention, LatentAttention, Mamba, Norm, Reach

DATA = Path(__file__).parents[1] / "data" / "configs"
COUNTED = [json.loads(line) for line in (DATA / "counted.jsonl").read_text().splitlines()]
LLAMA: dict[str, Any] = {
    "model_type": "llama",
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 256,
    "max_position_embeddings": 512,
    "tie_word_embeddings": False,
}
DEEPSEEK: dict[str, Any] = {
    "model_type": "deepseek_v3",
    "hidden_size": 7168,
    "intermediate_size": 18432,
    "kv_lora_rank": 512,
    "q_lora_rank": 1536,
    "qk_nope_head_dim": 128,
    "qk_rope_head_dim": 64,
    "v_head_dim": 128,
    "moe_intermediate_size": 2048,
    "n_routed_experts": 256,
    "n_shared_experts": 1,
    "num_experts_per_tok": 8,
    "first_k_dense_replace": 3,
    "num_attention_heads": 128,
    "num_hidden_layers": 61,
    "num_nextn_predict_layers": 1,
    "vocab_size": 129280,
    "max_position_embeddings": 163840,
    "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
}


@pytest.mark.parametrize("case", COUNTED, ids=lambda case: str(case["model"]))
def test_parameters_are_exact(case: dict[str, Any]) -> None:
    assert read_architecture(case["config"]).parameters == case["parameters"]


def test_deepseek_v3_loads_671_billion_and_activates_37() -> None:
    read = read_architecture(DEEPSEEK)
    assert round(read.parameters / 10**9, 2) == 671.03
    assert round((read.active_parameters - read.embedding_parameters) / 10**9) == 37
    assert isinstance(read.layers[0].block.mixer, LatentAttention)
    assert [run.count for run in read.layers] == [3, 58]


def test_stored_prediction_layers_do_not_count() -> None:
    counted = {read_architecture({**DEEPSEEK, "num_nextn_predict_layers": count}).parameters for count in (0, 1)}
    assert counted == {read_architecture(DEEPSEEK).parameters}


def test_qwen2_has_biases_that_its_config_does_not_mention() -> None:
    plain = read_architecture(LLAMA)
    qwen = read_architecture({**LLAMA, "model_type": "qwen2"})
    assert qwen.parameters - plain.parameters == 4 * (64 + 32 + 32)


def test_gemma_ties_its_embedding_without_saying_so() -> None:
    config = {key: value for key, value in LLAMA.items() if key != "tie_word_embeddings"} | {"head_dim": 16}
    assert read_architecture({**config, "model_type": "gemma"}).tied
    assert not read_architecture({**config, "model_type": "mistral"}).tied


def test_qwen3_normalises_queries_and_keys() -> None:
    read = read_architecture({**LLAMA, "model_type": "qwen3", "head_dim": 16})
    mixer = read.layers[0].block.mixer
    assert isinstance(mixer, Attention)
    assert mixer.qk_norm
    assert read.parameters - read_architecture(LLAMA).parameters == 4 * 2 * 16


def test_a_head_dim_may_differ_from_hidden_size_over_heads() -> None:
    mixer = read_architecture({**LLAMA, "head_dim": 32}).layers[0].block.mixer
    assert isinstance(mixer, Attention)
    assert (mixer.query, mixer.key) == (128, 64)


def reaches(config: dict[str, Any]) -> list[tuple[Reach, int | None]]:
    return [
        (block.mixer.reach, block.mixer.window)
        for block in read_architecture(config).blocks()
        if isinstance(block.mixer, Attention)
    ]


def test_use_sliding_window_false_means_no_window() -> None:
    windowed = {**LLAMA, "model_type": "qwen2", "sliding_window": 128, "max_window_layers": 0}
    assert reaches({**windowed, "use_sliding_window": False}) == [(Reach.FULL, None)] * 4
    assert reaches({**windowed, "use_sliding_window": True}) == [(Reach.SLIDING, 128)] * 4


def test_windows_start_after_max_window_layers() -> None:
    config = {**LLAMA, "model_type": "qwen2", "sliding_window": 128, "use_sliding_window": True, "max_window_layers": 3}
    assert reaches(config) == [(Reach.FULL, None)] * 3 + [(Reach.SLIDING, 128)]


def test_a_null_window_is_none_although_the_class_has_one() -> None:
    assert reaches({**LLAMA, "model_type": "mistral"}) == [(Reach.SLIDING, 4096)] * 4
    assert reaches({**LLAMA, "model_type": "mistral", "sliding_window": None}) == [(Reach.FULL, None)] * 4


def test_layer_types_decide_over_the_family_rule() -> None:
    config = {**LLAMA, "model_type": "gemma2", "head_dim": 16, "sliding_window": 64}
    alternating = [(Reach.SLIDING, 64), (Reach.FULL, None)] * 2
    assert reaches(config) == alternating
    types = ["full_attention", "sliding_attention", "full_attention", "full_attention"]
    assert reaches({**config, "layer_types": types}) == [
        (Reach.FULL, None), (Reach.SLIDING, 64), (Reach.FULL, None), (Reach.FULL, None),
    ]  # fmt: skip


def test_a_sliding_window_pattern_makes_every_nth_layer_global() -> None:
    config = {**LLAMA, "model_type": "gemma3_text", "head_dim": 16, "sliding_window": 64, "sliding_window_pattern": 2}
    assert reaches(config) == [(Reach.SLIDING, 64), (Reach.FULL, None)] * 2


def test_llama_4_chunks_three_layers_of_four_and_rotates_only_those() -> None:
    config = {
        "model_type": "llama4",
        "text_config": {
            **LLAMA, "model_type": "llama4_text", "intermediate_size_mlp": 256, "num_local_experts": 4, "head_dim": 16,
            "interleave_moe_layer_step": 2, "attention_chunk_size": 100,
        },
    }  # fmt: skip
    assert reaches(config) == [(Reach.CHUNKED, 100)] * 3 + [(Reach.FULL, None)]
    blocks = list(read_architecture(config).blocks())
    assert [block.experts is not None for block in blocks] == [False, True, False, True]
    assert isinstance(blocks[3].mixer, Attention)
    assert blocks[3].mixer.rotary_dim == 0


def test_a_nested_text_config_is_the_language_model() -> None:
    nested = {"model_type": "qwen3_vl", "text_config": {**LLAMA, "model_type": "qwen3_vl_text", "dtype": "bfloat16"}}
    read = read_architecture(nested)
    assert (read.num_layers, read.hidden_size, read.dtype, read.family) == (4, 64, "BF16", "qwen3_vl")


@pytest.mark.parametrize(
    ("key", "value"), [("torch_dtype", "float16"), ("dtype", "float16"), ("dtype", "torch.float16")]
)
def test_the_dtype_stands_under_its_old_and_its_new_name(key: str, value: str) -> None:
    assert read_architecture({**LLAMA, key: value}).dtype == "FP16"


def test_an_embedding_model_published_as_its_bare_class_has_no_head() -> None:
    with_head = read_architecture({**LLAMA, "architectures": ["LlamaForCausalLM"]})
    bare = read_architecture({**LLAMA, "architectures": ["LlamaModel"]})
    assert with_head.parameters - bare.parameters == 256 * 64
    assert read_architecture({**LLAMA, "architectures": ["GPT2LMHeadModel"]}).parameters == with_head.parameters


def test_a_mixture_activates_its_chosen_experts_alone() -> None:
    config = {**LLAMA, "model_type": "mixtral", "num_local_experts": 8, "num_experts_per_tok": 2}
    read = read_architecture(config)
    assert read.parameters - read.active_parameters == 4 * 6 * 3 * 64 * 128


def test_plain_families_have_two_matrices_and_layer_norms() -> None:
    block = (
        read_architecture({"model_type": "gpt2", "n_layer": 1, "n_embd": 768, "n_head": 12, "vocab_size": 50257})
        .layers[0]
        .block
    )
    assert block.norm is Norm.LAYER
    assert block.feed_forward is not None
    assert (block.feed_forward.gated, block.feed_forward.width) == (False, 4 * 768)


def test_nemotron_h_reads_its_pattern() -> None:
    config = {
        "model_type": "nemotron_h", "hidden_size": 64, "hybrid_override_pattern": "M*-E", "num_hidden_layers": 4,
        "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 16, "mamba_num_heads": 8, "mamba_head_dim": 16,
        "n_groups": 2, "ssm_state_size": 16, "intermediate_size": 96, "vocab_size": 128, "n_routed_experts": 4,
        "num_experts_per_tok": 2, "moe_intermediate_size": 32, "moe_shared_expert_intermediate_size": 48,
    }  # fmt: skip
    first, second, third, fourth = read_architecture(config).blocks()
    assert isinstance(first.mixer, Mamba)
    assert isinstance(second.mixer, Attention)
    assert third.mixer is None
    assert third.feed_forward is not None
    assert fourth.experts is not None
    assert fourth.experts.shared_width == 48


def test_a_scaled_rotary_table_is_as_long_as_its_scaling_makes_it() -> None:
    scaling = {"rope_type": "linear", "factor": 8.0}
    config = {**LLAMA, "rope_scaling": scaling}
    assert read_architecture(LLAMA).rotary_cache == 512 * 16
    assert read_architecture(config).rotary_cache == 8 * 512 * 16
    yarn = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 256}
    assert read_architecture({**LLAMA, "rope_scaling": yarn}).rotary_cache == 4 * 256 * 16


def test_half_a_head_may_be_rotated() -> None:
    mixer = read_architecture({**LLAMA, "model_type": "phi", "partial_rotary_factor": 0.25}).layers[0].block.mixer
    assert isinstance(mixer, Attention)
    assert mixer.rotary_dim == 4


NAS: dict[str, Any] = {
    "model_type": "nemotron-nas",
    "hidden_size": 8192,
    "num_attention_heads": 64,
    "num_hidden_layers": 2,
    "vocab_size": 128256,
    "block_configs": [
        {"attention": {"n_heads_in_group": 8, "no_op": False}, "ffn": {"ffn_mult": 5.25, "no_op": False}},
        {"attention": {"n_heads_in_group": None, "no_op": True}, "ffn": {"ffn_mult": 2.625, "no_op": False}},
    ],
}


def test_a_searched_architecture_has_blocks_of_their_own() -> None:
    whole, without = read_architecture(NAS).blocks()
    # 2 x 5.25 x 8192 / 3 = 28672: the width of the 70B model that this one was cut from.
    assert whole.feed_forward is not None
    assert whole.feed_forward.width == 28672
    assert isinstance(whole.mixer, Attention)
    assert whole.mixer.kv_heads == 8
    assert without.mixer is None
    assert without.feed_forward is not None
    assert without.feed_forward.width == 14336
    assert without.parameters == 3 * 8192 * 14336 + 8192


def test_an_uncut_block_is_as_large_as_one_of_llama_70b() -> None:
    llama = next(case for case in COUNTED if case["model"] == "meta-llama/Llama-3.1-70B")
    block = read_architecture(llama["config"]).layers[0].block
    assert next(read_architecture(NAS).blocks()).parameters == block.parameters


@pytest.mark.parametrize(
    ("attention", "words"),
    [
        ({"n_heads_in_group": 7}, "does not divide"),
        ({"n_heads_in_group": 8, "replace_with_linear": True}, "not supported"),
    ],
)
def test_parts_that_a_searched_block_cannot_have_are_refused(attention: dict[str, Any], words: str) -> None:
    block = {"attention": attention, "ffn": {"ffn_mult": 1.0}}
    with pytest.raises(ConfigError, match=words):
        read_architecture({**NAS, "num_hidden_layers": 1, "block_configs": [block]})


def test_falcons_newer_blocks_have_two_norms_and_grouped_heads() -> None:
    sizes = {"model_type": "falcon", "num_hidden_layers": 32, "vocab_size": 65024}
    old = read_architecture({**sizes, "hidden_size": 4544, "num_attention_heads": 71}).layers[0].block
    stated = {**sizes, "hidden_size": 8192, "num_attention_heads": 128, "num_kv_heads": 8}
    new = read_architecture({**stated, "new_decoder_architecture": True}).layers[0].block
    assert isinstance(old.mixer, Attention)
    assert isinstance(new.mixer, Attention)
    assert (old.mixer.kv_heads, old.norms, old.parallel) == (1, 1, True)
    assert (new.mixer.kv_heads, new.norms, new.parallel) == (8, 2, True)
    assert new.feed_forward is not None
    assert new.feed_forward.width == 4 * 8192


def test_latent_attention_without_a_query_rank_projects_queries_at_once() -> None:
    with_rank = read_architecture(DEEPSEEK).layers[0].block
    without = read_architecture({**DEEPSEEK, "q_lora_rank": None}).layers[0].block
    difference = with_rank.parameters - without.parameters
    assert difference == 7168 * 1536 + 1536 + 1536 * 128 * 192 - 7168 * 128 * 192


def test_gemma_4_counts_embeddings_per_layer_and_double_widths_of_sharing_layers() -> None:
    config = {
        "model_type": "gemma4_text", "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
        "head_dim": 16, "num_key_value_heads": 2, "global_head_dim": 16, "vocab_size": 256,
        "intermediate_size": 96, "vocab_size_per_layer_input": 128, "hidden_size_per_layer_input": 8,
        "layer_types": ["full_attention"] * 2, "num_kv_shared_layers": 1, "use_double_wide_mlp": True,
    }  # fmt: skip
    own, sharing = read_architecture(config).blocks()
    keys_and_values = 2 * 64 * 32 + 16
    assert sharing.parameters - own.parameters == 3 * 64 * 96 - keys_and_values
    narrow = read_architecture({**config, "hidden_size_per_layer_input": 0})
    per_layer = 2 * (2 * 64 * 8 + 64)
    assert read_architecture(config).parameters - narrow.parameters == per_layer + 2 * 8 * (128 + 64) + 8


def test_whole_numbers_may_be_printed_as_floats() -> None:
    assert read_architecture({**LLAMA, "hidden_size": 64.0}).hidden_size == 64


def test_multimodal_rotary_tables_are_four_times_as_long() -> None:
    text = {**LLAMA, "model_type": "qwen2", "use_sliding_window": False}
    nested = {"model_type": "qwen2_5_vl", "text_config": {**text, "model_type": "qwen2_5_vl_text"}}
    assert read_architecture(nested).rotary_cache == 4 * read_architecture(text).rotary_cache
    sections = {"type": "default", "mrope_section": [4, 2, 2]}
    assert read_architecture({**text, "rope_scaling": sections}).rotary_cache == 4 * 512 * 16


def test_a_text_config_without_a_model_type_is_of_the_family_that_nests_it() -> None:
    text = {key: value for key, value in LLAMA.items() if key not in {"model_type", "tie_word_embeddings"}}
    read = read_architecture({"model_type": "gemma3", "text_config": {**text, "head_dim": 16}})
    assert isinstance(read.layers[0].block.mixer, Attention)
    assert read.layers[0].block.mixer.window == 4096
    assert read.tied


def test_what_the_text_config_leaves_unsaid_of_ties_stands_outside() -> None:
    text = {key: value for key, value in LLAMA.items() if key != "tie_word_embeddings"}
    nested = {"model_type": "mistral3", "text_config": {**text, "model_type": "mistral"}}
    assert not read_architecture(nested).tied
    assert read_architecture({**nested, "tie_word_embeddings": True}).tied


def test_baichuan_turns_its_7b_and_biases_the_scores_of_its_13b() -> None:
    def rotary(hidden: int) -> int:
        config = {"model_type": "baichuan", "hidden_size": hidden, "num_attention_heads": 32, "num_hidden_layers": 1,
                  "vocab_size": 125696}  # fmt: skip
        mixer = read_architecture(config).layers[0].block.mixer
        assert isinstance(mixer, Attention)
        return mixer.rotary_dim

    assert (rotary(4096), rotary(5120)) == (128, 0)


def test_a_parallel_stablelm_has_one_norm() -> None:
    config = {**LLAMA, "model_type": "stablelm"}
    block = read_architecture({**config, "use_parallel_residual": True}).layers[0].block
    assert (block.norms, block.parallel) == (1, True)
    assert read_architecture(config).layers[0].block.norms == 2


def test_layers_named_dense_have_no_experts() -> None:
    config = {**LLAMA, "model_type": "qwen3_moe", "num_experts": 4, "num_experts_per_tok": 2, "mlp_only_layers": [0, 3]}
    blocks = read_architecture({**config, "head_dim": 16}).blocks()
    assert [block.experts is None for block in blocks] == [True, False, False, True]


def test_gemma_4_ends_with_a_global_layer() -> None:
    config = {
        "model_type": "gemma4_text", "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
        "head_dim": 16, "num_key_value_heads": 2, "global_head_dim": 32, "vocab_size": 256, "intermediate_size": 96,
        "layer_types": ["sliding_attention"] * 2, "sliding_window": 8,
    }  # fmt: skip
    assert reaches(config) == [(Reach.SLIDING, 8), (Reach.FULL, None)]


def test_a_multimodal_model_says_so() -> None:
    case = next(case for case in COUNTED if case["parameters"] == 27_432_406_640)
    read = read_architecture(case["config"])
    assert read.multimodal
    assert read.encoders[0].tokens == 256
    assert not read_architecture(LLAMA).multimodal
