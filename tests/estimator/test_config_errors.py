"""What a config.json can have wrong is said with its field; nothing else is ever raised."""

import json
import tomllib
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmjob.estimator.architecture import Architecture, ConfigError, read_architecture
from llmjob.estimator.families import named

DATA = Path(__file__).parents[1] / "data" / "configs"
TABLE = tomllib.loads(files("llmjob.estimator").joinpath("families.toml").read_text(encoding="utf-8"))
FAMILIES = [name for name, entry in TABLE.items() if "unsupported" not in entry]
REAL = [json.loads(line)["config"] for line in (DATA / "counted.jsonl").read_text().splitlines()]
LLAMA: dict[str, Any] = {
    "model_type": "llama",
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 256,
}


@pytest.mark.parametrize(
    ("changed", "field", "words"),
    [
        ({"model_type": None}, "model_type", "missing"),
        ({"model_type": 5}, "model_type", "string"),
        ({"model_type": "gemma3", "text_config": {"model_type": 5}}, "text_config.model_type", "string"),
        ({"model_type": "lama"}, "model_type", "llama"),
        ({"model_type": "deepseek_v4"}, "model_type", "state parameters instead"),
        ({"model_type": "phi", "partial_rotary_factor": 1.5}, "partial_rotary_factor", "from 0 to 1"),
        ({"model_type": "nemotron-nas", "num_hidden_layers": 1, "block_configs": [4]}, "block_configs[0]", "object"),
        ({"model_type": "nemotron-nas", "num_hidden_layers": 1, "block_configs": [{"attention": {"no_op": True}}]},
         "block_configs[0].ffn.ffn_mult", "missing"),
        ({"model_type": "nemotron_h"}, "hybrid_override_pattern", "missing"),
        ({"model_type": "nemotron_h", "hybrid_override_pattern": "MM"}, "hybrid_override_pattern", "num_hidden_layers"),
        ({"model_type": "nemotron_h", "hybrid_override_pattern": "MMMM", "mamba_num_heads": 9}, "n_groups", "divide"),
        ({"model_type": "nemotron_h", "hybrid_override_pattern": "MEME", "moe_latent_size": 8}, "moe_latent", "latent"),
        ({"model_type": "opt", "max_position_embeddings": None}, "max_position_embeddings", "learned"),
        ({"model_type": "gemma4", "audio_config": {}}, "audio_config", "not supported"),
        ({"hidden_size": 0}, "hidden_size", "from 1"),
        ({"hidden_size": -64}, "hidden_size", "from 1"),
        ({"hidden_size": "64"}, "hidden_size", "whole number"),
        ({"hidden_size": True}, "hidden_size", "whole number"),
        ({"hidden_size": 64.5}, "hidden_size", "whole number"),
        ({"hidden_size": float("nan")}, "hidden_size", "whole number"),
        ({"hidden_size": None}, "hidden_size", "missing"),
        ({"hidden_size": 10**30}, "hidden_size", "from 1"),
        ({"hidden_size": 2**20 + 1}, "hidden_size", "to 1048576"),
        ({"vocab_size": 2**31 - 1}, "vocab_size", "to 16777216"),
        ({"head_dim": 2**31 - 1}, "head_dim", "to 65536"),
        ({"intermediate_size": 2**31 - 1}, "intermediate_size", "to 16777216"),
        ({"num_attention_heads": 2**17}, "num_attention_heads", "to 65536"),
        ({"num_key_value_heads": 2**17}, "num_key_value_heads", "to 65536"),
        ({"model_type": "mixtral", "num_local_experts": 2**17}, "num_local_experts", "to 65536"),
        ({"model_type": "qwen3_moe", "moe_intermediate_size": 2**25}, "moe_intermediate_size", "to 16777216"),
        ({"num_hidden_layers": None}, "num_hidden_layers", "missing"),
        ({"num_attention_heads": None}, "num_attention_heads", "missing"),
        ({"vocab_size": None}, "vocab_size", "missing"),
        ({"model_type": "mpt", "hidden_size": None}, "hidden_size", "missing"),
        ({"text_config": {}}, "text_config", "hidden_size"),
        ({"text_config": {"hidden_size": 64, "num_hidden_layers": 4, "num_attention_heads": 4}}, "text_config",
         "vocab_size"),
        ({"torch_dtype": "int4"}, "torch_dtype", "bfloat16"),
        ({"dtype": "float8_e4m3fn"}, "dtype", "not known"),
        ({"quantization_config": {"quant_method": "gptq", "bits": 4, "group_size": 0}},
         "quantization_config.group_size", "above 0"),
        ({"quantization_config": {"quant_method": "awq", "q_group_size": 0}}, "quantization_config.q_group_size",
         "above 0"),
        ({"quantization_config": {"quant_method": "compressed-tensors", "config_groups": {
            "g": {"weights": {"num_bits": 4, "group_size": 0}}}}},
         "quantization_config.config_groups.g.weights.group_size", "above 0"),
        ({"hidden_size": 66}, "num_attention_heads", "divide"),
        ({"num_key_value_heads": 3}, "num_key_value_heads", "divide"),
        ({"num_hidden_layers": 10**6}, "num_hidden_layers", "at most"),
        ({"layer_types": ["full_attention"]}, "layer_types", "must agree"),
        ({"layer_types": ["odd"] * 4}, "layer_types", "not known"),
        ({"layer_types": "full_attention"}, "layer_types", "list"),
        ({"tie_word_embeddings": "no"}, "tie_word_embeddings", "true or false"),
        ({"torch_dtype": 16}, "torch_dtype", "string"),
        ({"rope_scaling": []}, "rope_scaling", "object"),
        ({"rope_scaling": {"factor": float("inf")}}, "rope_scaling.factor", "number"),
        ({"rope_scaling": {"factor": 0, "type": "linear"}}, "rope_scaling.factor", "above 0"),
        ({"quantization_config": {"quant_method": "odd"}}, "quantization_config.quant_method", "not known"),
        ({"quantization_config": 4}, "quantization_config", "object"),
        ({"model_type": "mixtral", "num_local_experts": 2, "num_experts_per_tok": 3}, "num_experts_per_tok", "exceeds"),
        ({"model_type": "gemma3", "vision_config": {"model_type": "odd"}, "text_config": []}, "text_config", "object"),
        ({"vision_config": {"model_type": "odd"}}, "vision_config.model_type", "not known"),
        ({"model_type": "nemotron-nas", "block_configs": [{}]}, "block_configs", "each"),
        ({"model_type": "nemotron_h", "hybrid_override_pattern": "MX"}, "hybrid_override", "every"),
    ],
)  # fmt: skip
def test_a_wrong_field_is_named(changed: dict[str, Any], field: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_architecture({**LLAMA, **changed})
    assert caught.value.field.startswith(field)
    assert words in caught.value.message


def test_a_field_of_the_text_model_is_named_with_its_path() -> None:
    config = {"model_type": "gemma3", "text_config": {**LLAMA, "model_type": "gemma3_text", "hidden_size": 0}}
    with pytest.raises(ConfigError) as caught:
        read_architecture(config)
    assert caught.value.field == "text_config.hidden_size"


def test_a_renamed_field_is_named_as_it_is_published() -> None:
    with pytest.raises(ConfigError) as caught:
        read_architecture({"model_type": "gpt2", "n_embd": "wide", "n_layer": 1, "n_head": 1, "vocab_size": 1})
    assert caught.value.field == "n_embd"


def _nested_keys(config: dict[str, Any]) -> set[str]:
    return set(config) | {key for value in config.values() if isinstance(value, dict) for key in _nested_keys(value)}


KEYS = sorted(
    {key for config in REAL for key in _nested_keys(config)} | {"text_config", "vision_config", "block_configs"}
)
WORDS = [1, 2, 4, 64, "full_attention", "sliding_attention", "awq", "fp8", "compressed-tensors", "re:(", "a*"]
LEAVES = st.none() | st.booleans() | st.integers(-(10**12), 10**12) | st.floats() | st.text(max_size=8)
NAMES = st.sampled_from(KEYS) | st.text(max_size=4)
JSON: st.SearchStrategy[Any] = st.recursive(
    LEAVES | st.sampled_from(WORDS),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=5),
    max_leaves=12,
)


def answers(config: dict[str, Any]) -> None:
    try:
        read = read_architecture(config)
    except ConfigError as refused:
        words = (refused.field, refused.message)
    else:
        assert isinstance(read, Architecture)
        assert read.parameters >= read.active_parameters > 0
        words = ("read", "well")
    assert all(words)


@given(st.sampled_from(FAMILIES), st.dictionaries(st.sampled_from(KEYS), JSON, max_size=12))
def test_any_json_is_read_or_refused_with_its_field(family: str, values: dict[str, Any]) -> None:
    answers({**values, "model_type": family})


@given(st.sampled_from(REAL), st.dictionaries(st.sampled_from(KEYS), JSON, min_size=1, max_size=3))
def test_a_real_config_with_something_wrong_is_read_or_refused(config: dict[str, Any], wrong: dict[str, Any]) -> None:
    answers({**config, **wrong, "model_type": config["model_type"]})


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_of_the_table_is_built_from_its_own_defaults(family: str) -> None:
    if named(family).nested or family in {"nemotron-nas", "nemotron_h"}:
        return
    defaults = {name: named(family).config({}).get(name) for name in SIZES}
    read = read_architecture({**defaults, "model_type": family, "num_experts_per_tok": 1})
    assert read.parameters > 0


SIZES = ("hidden_size", "num_hidden_layers", "num_attention_heads", "vocab_size")


@pytest.mark.parametrize("size", SIZES)
def test_the_class_defaults_of_sizes_count_in_a_nested_config_alone(size: str) -> None:
    """Transformers writes every size of a model at the top level, and only what differs in a nested config."""
    sizes: dict[str, Any] = {name: LLAMA[name] for name in SIZES if name != size}
    nested = read_architecture({"model_type": "gemma3", "text_config": {**sizes, "model_type": "gemma3_text"}})
    assert nested.parameters > 0
    with pytest.raises(ConfigError) as caught:
        read_architecture({**sizes, "model_type": "gemma3_text"})
    assert (caught.value.field, caught.value.message[:10]) == (size, "is missing")


def test_a_dtype_that_the_file_leaves_to_the_loader_is_none() -> None:
    assert read_architecture({**LLAMA, "torch_dtype": "auto"}).dtype is None
