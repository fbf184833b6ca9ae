"""A checkpoint's quantization_config, in each form in which it is published."""

from fractions import Fraction
from typing import Any

import pytest

from llmjob.estimator.architecture import read_architecture
from llmjob.estimator.config import Config, ConfigError
from llmjob.estimator.module_rules import ModuleRules, module_rules
from llmjob.estimator.published_quantization import read_quantization
from llmjob.estimator.quantization import (
    QuantizationConfig,
    bytes_per_element,
    harshest,
    kindest,
    typical,
)
from llmjob.estimator.weights import weights


def read(**config: Any) -> QuantizationConfig | None:
    return read_quantization(Config({"quantization_config": config}))


def kept(*entries: str) -> ModuleRules:
    return module_rules((entry, None) for entry in entries)


def keeps(rules: ModuleRules, module: str) -> bool:
    return rules.place(module) is not None


def compressed(**weights: Any) -> dict[str, Any]:
    return {
        "quant_method": "compressed-tensors",
        "config_groups": {"group_0": {"targets": ["Linear"], "weights": weights}},
    }


@pytest.mark.parametrize(
    ("config", "method", "bits", "group"),
    [
        ({"quant_method": "fp8"}, "FP8", 8, None),
        ({"quant_method": "fbgemm_fp8"}, "FP8", 8, None),
        ({"quant_method": "awq", "bits": 4, "group_size": 64}, "AWQ", 4, 64),
        ({"quant_method": "awq", "w_bit": 4, "q_group_size": 32}, "AWQ", 4, 32),
        ({"quant_method": "gptq", "bits": 8, "group_size": -1}, "GPTQ", 8, None),
        ({"quant_method": "bitsandbytes", "load_in_4bit": True}, "NF4", 4, 64),
        ({"load_in_8bit": True}, "INT8", 8, None),
        ({"quant_method": "mxfp4"}, "MXFP4", 4, 32),
        (compressed(num_bits=8, type="int", group_size=None), "INT8", 8, None),
        (compressed(num_bits=4, type="int", group_size=128), "INT4", 4, 128),
        (compressed(num_bits=8, type="float"), "FP8", 8, None),
        (compressed(num_bits=4, type="float"), "NVFP4", 4, 16),
        ({"quant_method": "modelopt", "quant_algo": "NVFP4"}, "NVFP4", 4, 16),
        ({"quant_method": "modelopt", "quant_algo": "FP8"}, "FP8", 8, None),
        ({"quant_method": "modelopt", "quant_algo": "W4A8_AWQ"}, "AWQ", 4, 128),
        ({"quant_method": "modelopt", "quant_algo": "W4A16_AWQ", "awq_block_size": 64}, "AWQ", 4, 64),
        ({"quant_method": "gptq_marlin", "bits": 8, "group_size": 32}, "GPTQ", 8, 32),
        ({"quant_method": "awq_marlin", "bits": 4}, "AWQ", 4, 128),
        ({"quant_method": "intel/auto-round", "bits": 3, "group_size": 64}, "GPTQ", 3, 64),
        ({"quant_method": "hqq", "quant_config": {"weight_quant_params": {"nbits": 3}}}, "HQQ", 3, 64),
        ({"quant_method": "aqlm", "num_codebooks": 2, "nbits_per_codebook": 12}, "AQLM", 3, None),
        ({"quant_method": "bitnet"}, "BitNet", 2, None),
        ({"quant_method": "torchao", "quant_type": "int8_dynamic_activation_int4_weight"}, "TorchAO", 4, None),
        (
            {"quant_method": "torchao", "quant_type": {"default": {"_type": "Float8WeightOnlyConfig"}}},
            "TorchAO",
            8,
            None,
        ),
        ({"quant_method": "quark", "global_quant_config": {"weight": {"dtype": "fp8_e4m3"}}}, "Quark", 8, None),
        ({"quant_method": "quark", "global_quant_config": {"weight": {"dtype": "int16"}}}, "Quark", 16, None),
        ({"quant_method": "quark", "global_quant_config": {"weight": {"dtype": "uint4"}}}, "Quark", 4, None),
    ],
)
def test_each_published_form_is_read(config: dict[str, Any], method: str, bits: int, group: int | None) -> None:
    found = read(**config)
    assert found is not None
    assert (found.method, found.bits, found.group) == (method, bits, group)


@pytest.mark.parametrize(
    ("config", "field"),
    [
        ({"quant_method": "exl3"}, "quant_method"),
        ({"quant_method": "hqq"}, "quant_config.weight_quant_params"),
        ({"quant_method": "quark", "quant_mode": "eager_mode"}, "global_quant_config.weight"),
        (
            {"quant_method": "quark", "global_quant_config": {"weight": {"dtype": "int64"}}},
            "global_quant_config.weight",
        ),
        ({"quant_method": "modelopt"}, "quant_algo"),
        ({"quant_method": "torchao", "quant_type": {"default": {}}}, "quant_type"),
        ({"quant_method": "modelopt", "quant_algo": "MIXED_PRECISION"}, "quantized_layers"),
        ({"quant_method": "auto-round", "data_type": "mx_fp", "bits": 4}, "data_type"),
        ({"quant_method": "fp8", "weight_block_size": [128]}, "weight_block_size"),
        ({"quant_method": "fp8", "weight_block_size": [0, 128]}, "weight_block_size"),
        ({"quant_method": "awq", "bits": "4"}, "bits"),
        ({"quant_method": "awq", "modules_to_not_convert": "lm_head"}, "modules_to_not_convert"),
        ({"quant_method": "bitsandbytes"}, "load_in_4bit"),
        ({"quant_method": "bitsandbytes", "load_in_4bit": 1}, "load_in_4bit"),
        ({"quant_method": "modelopt", "quant_algo": "W4A8"}, "quant_algo"),
        ({"quant_method": "compressed-tensors", "sparsity_config": {"format": "sparse-24"}}, "sparsity_config.format"),
        ({"quant_method": "compressed-tensors", "config_groups": {"a": 4}}, "config_groups.a"),
        (compressed(num_bits=3, type="int"), "config_groups"),
        (compressed(num_bits="8", type="int"), "config_groups.group_0.weights.num_bits"),
    ],
)
def test_a_form_that_is_not_known_is_refused_with_its_field(config: dict[str, Any], field: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(**config)
    assert caught.value.field == f"quantization_config.{field}"


def test_a_config_without_one_is_not_quantised() -> None:
    assert read_quantization(Config({})) is None
    assert read_quantization(Config({"compression_config": compressed(num_bits=8, type="int")})) is not None


def test_what_is_left_unconverted_is_kept_whatever_its_key() -> None:
    for method, key in (
        ("fp8", "ignored_layers"),
        ("awq", "modules_to_not_convert"),
        ("mxfp4", "modules_to_not_convert"),
    ):
        found = read(quant_method=method, **{key: ["model.norm"]})
        assert found is not None
        assert keeps(found.rules, "model.norm")
        assert not keeps(found.rules, "model.layers.0.mlp")
    skipped = read(load_in_8bit=True, llm_int8_skip_modules=["lm_head"])
    assert skipped is not None
    assert keeps(skipped.rules, "lm_head")
    excluded = read(quant_method="modelopt", quant_algo="FP8", exclude_modules=["lm_head"])
    assert excluded is not None
    assert keeps(excluded.rules, "lm_head")


@pytest.mark.parametrize(
    ("entry", "module", "holds"),
    [
        ("lm_head", "lm_head", True),
        ("gate", "model.layers.4.mlp.gate", True),
        ("gate", "model.layers.4.mlp.gate_proj", False),
        ("mlp.gate", "model.layers.4.mlp.gate", True),
        ("model.layers.4", "model.layers.4.mlp.up_proj", True),
        ("model.layers.4", "model.layers.40.mlp.up_proj", False),
        ("model.layers.*.self_attn", "model.layers.7.self_attn.q_proj", True),
        ("model.layers.*.self_attn", "model.layers.7.mlp.up_proj", False),
        ("re:.*self_attn.*", "model.layers.7.self_attn.q_proj", True),
        ("re:.*self_attn.*", "model.layers.7.mlp.up_proj", False),
        ("re:.*mlp.gate$", "model.layers.7.mlp.gate", True),
        ("re:.*mlp.gate$", "model.layers.7.mlp.gate_proj", False),
        (r"re:.*mlp\.(gate|up|gate_up|down)_proj.*", "model.layers.7.mlp.down_proj", True),
        (r"re:.*mlp\.(gate|up|gate_up|down)_proj.*", "model.layers.7.mlp.experts.down_proj", False),
        (r"re:^model\.layers\.1\..*", "model.layers.1.mlp.up_proj", True),
        (r"re:^model\.layers\.1\..*", "model.layers.11.mlp.up_proj", False),
        ("re:model.layers.1", "model.layers.11.mlp.up_proj", True),
        ("re:layers.1", "model.layers.1.mlp.up_proj", False),
        ("re:.*language_model.layers.1[.].*", "model.layers.1.mlp.up_proj", False),
        ("model.language_model.layers.3.mlp", "model.layers.3.mlp.up_proj", True),
        ("model.layers.1*", "model.layers.1.mlp.up_proj", True),
        ("model.layers.1*", "layers.1.mlp.up_proj", False),
    ],
)
def test_a_name_a_glob_or_a_pattern_keeps_its_modules(entry: str, module: str, holds: bool) -> None:  # noqa: FBT001
    assert keeps(kept(entry), module) is holds


@pytest.mark.parametrize(
    "hostile",
    [r"re:(\w+\.?)+X", "re:(a|a|a)*b", "re:[unclosed", r"re:(?=.*a).*", "re:" + "(a|b)" * 6, "x" * 201, "*" * 201],
)
def test_an_expression_that_may_cost_too_much_is_not_read_and_keeps_nothing(hostile: str) -> None:
    found = kept(hostile, "lm_head")
    assert found.unread == 1
    assert keeps(found, "lm_head")
    assert not keeps(found, "a.b.a.b.a.b.a.b.a.b.a.b")


def test_more_patterns_than_any_checkpoint_has_are_not_read() -> None:
    assert kept(*(f"*.odd{index}.*" for index in range(33))).unread == 1
    assert not kept(*(f"*.odd{index}.*" for index in range(32))).unread
    assert not kept(*("*.odd.*",) * 40).unread
    # One budget for all entries, however they differ in what they store.
    assert module_rules((f"*.odd{index}.*", Fraction(1, 1 + index % 2)) for index in range(40)).unread == 8
    assert not kept(*(f"model.layers.{index}.mlp*" for index in range(2000))).unread


def test_bytes_of_an_element_are_those_of_its_format() -> None:
    """Facts: NF4 0.5625, double 0.516, AWQ and GPTQ in groups of 128 about 0.52, MXFP4 0.53125, NVFP4 0.5625."""
    sizes = {
        method: bytes_per_element(config)
        for method in ("NF4", "AWQ", "GPTQ", "INT4", "MXFP4", "NVFP4", "FP8", "INT8")
        if (config := typical(method))
    }
    assert sizes["NF4"] == Fraction("0.5625")
    assert sizes["NVFP4"] == Fraction("0.5625")
    assert sizes["MXFP4"] == Fraction("0.53125")
    assert sizes["AWQ"] == sizes["GPTQ"] == Fraction(4 * 128 + 16 + 4, 8 * 128)
    assert sizes["INT4"] == Fraction(4 * 128 + 16, 8 * 128)
    assert sizes["FP8"] == sizes["INT8"] == 1
    double = bytes_per_element(QuantizationConfig(method="NF4", bits=4, group=64, double=True))
    assert round(double, 3) == Fraction("0.516")
    block = bytes_per_element(QuantizationConfig(method="FP8", bits=8, block=(128, 128)))
    assert round(block, 4) == Fraction("1.0002")


@pytest.mark.parametrize("method", ["NF4", "AWQ", "GPTQ", "INT4", "MXFP4", "NVFP4", "FP8", "INT8"])
def test_what_is_not_stated_of_a_method_lies_between_its_kindest_and_harshest_form(method: str) -> None:
    config = typical(method)
    assert config is not None
    least, usual, most = map(bytes_per_element, (kindest(config), config, harshest(config)))
    assert least <= usual <= most
    assert (least < usual) is (config.group is not None)


def test_a_method_without_a_known_size_is_none() -> None:
    assert typical("ODD") is None


@pytest.mark.parametrize(
    ("entry", "kept_layers"),
    [
        ("model.layers.3.mlp", 1),
        ("model.layers.?.mlp", 10),
        ("model.layers.1?.mlp", 2),
        ("model.layers.[0-4].mlp", 5),
        ("model.layers.*.mlp", 12),
    ],
)
def test_of_equal_layers_just_those_that_an_entry_names_are_kept(entry: str, kept_layers: int) -> None:
    """Twelve equal layers at 8 bit: each one kept adds a byte for each of its three matrices' elements."""
    sizes = {"hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 12, "vocab_size": 1000}
    heads = {"num_attention_heads": 16, "max_position_embeddings": 128, "torch_dtype": "bfloat16"}
    config = {"model_type": "llama", **sizes, **heads}
    fp8 = {"quant_method": "fp8", "ignored_layers": []}
    none = read_architecture({**config, "quantization_config": fp8})
    some = read_architecture({**config, "quantization_config": {**fp8, "ignored_layers": [entry]}})
    more = weights(some).memory.expected - weights(none).memory.expected
    assert more == pytest.approx(kept_layers * 3 * 1024 * 4096, rel=0.01)
