"""Checkpoints that store modules in several ways: what each form means for the bytes of the weights."""

from fractions import Fraction
from typing import Any

import pytest

from llmjob.estimator.architecture import read_architecture
from llmjob.estimator.config import ConfigError, UnsupportedError
from llmjob.estimator.interval import Interval
from llmjob.estimator.weights import weights

LAYERS = 12
# 16 heads of 64 and as many KV heads: four matrices of 1024 x 1024; three of 1024 x 4096.
ATTENTION = 4 * 1024 * 1024
DOWN = 1024 * 4096
MLP = 3 * DOWN
CONFIG: dict[str, Any] = {
    "model_type": "llama", "hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": LAYERS,
    "num_attention_heads": 16, "vocab_size": 1024, "max_position_embeddings": 128, "torch_dtype": "bfloat16",
    "tie_word_embeddings": False,
}  # fmt: skip
INT4 = {"num_bits": 4, "type": "int", "group_size": 128}
INT8 = {"num_bits": 8, "type": "int"}
GPTQ = {"quant_method": "gptq", "bits": 4, "group_size": 128}
OF_GPTQ = Fraction(1, 2) + (2 + Fraction(1, 2)) / 128  # bytes: 4 bits, and of each 128 a 16-bit scale and 4 bits
OF_INT4 = Fraction(1, 2) + Fraction(2, 128)


def held(**quantization: Any) -> Interval:
    config = {**CONFIG, "quantization_config": quantization} if quantization else CONFIG
    return weights(read_architecture(config)).memory


def saved(**quantization: Any) -> int:
    """Bytes that a quantisation takes off the same model's 16-bit weights."""
    return held().expected - held(**quantization).expected


def groups(*stated: tuple[list[str], Any], **more: Any) -> dict[str, Any]:
    found = {f"group_{index}": {"targets": targets, "weights": way} for index, (targets, way) in enumerate(stated)}
    return {"quant_method": "compressed-tensors", "config_groups": found, **more}


@pytest.mark.parametrize(
    ("rules", "sixteen", "eight"),
    [
        ({}, 0, 0),
        ({r"-:.*\.down_proj.*": {}}, LAYERS * DOWN, 0),
        ({r"-:model\.layers\.(?:3|4)\..*": {}}, 2 * (ATTENTION + MLP), 0),
        ({r"+:.*self_attn.*": {"bits": 8, "group_size": 32}}, 0, LAYERS * ATTENTION),
        ({r".*self_attn.*": {"bits": 8, "group_size": 32}}, 0, LAYERS * ATTENTION),
        ({r"-:.*attn.*": {}, r"+:.*": {"bits": 8, "group_size": 32}}, LAYERS * ATTENTION, LAYERS * MLP),
        ({r"+:.*": {"bits": 8, "group_size": 32}, r"-:.*attn.*": {}}, 0, LAYERS * (ATTENTION + MLP)),
        ({r"+:layers": {"bits": 8}}, 0, 0),  # an expression holds from the start of the path
    ],
)
def test_a_rule_of_gptq_skips_modules_or_gives_them_bits_of_their_own(
    rules: dict[str, Any], sixteen: int, eight: int
) -> None:
    four = LAYERS * (ATTENTION + MLP) - sixteen - eight
    of_eight = 1 + Fraction(3, 32)
    assert saved(**GPTQ, dynamic=rules) == pytest.approx(int(four * (2 - OF_GPTQ) + eight * (2 - of_eight)), abs=2)


def test_a_rule_that_cannot_be_read_may_mean_any_module() -> None:
    """At the least everything has the rule's 2 bits, the head of 1024 x 1024 too; at the most nothing is quantised."""
    found = held(**GPTQ, dynamic={r"+:(a+)+\1$": {"bits": 2, "group_size": -1}})
    elements = LAYERS * (ATTENTION + MLP) + 1024 * 1024
    outside = held().expected - 2 * elements
    assert found.lower == pytest.approx(outside + elements / 4, rel=0.002)
    assert found.upper >= held().expected


@pytest.mark.parametrize(
    ("extra", "sixteen"),
    [
        ({"model.layers.0.mlp.down_proj": {"bits": 16, "data_type": "float"}}, DOWN),
        ({r".*\.down_proj": {"bits": 16}}, LAYERS * DOWN),
    ],
)
def test_layers_of_auto_round_may_have_bits_of_their_own(extra: dict[str, Any], sixteen: int) -> None:
    four = LAYERS * (ATTENTION + MLP) - sixteen
    found = saved(quant_method="auto-round", bits=4, group_size=128, extra_config=extra)
    assert found == pytest.approx(int(four * (2 - OF_GPTQ)), abs=2)


@pytest.mark.parametrize(
    ("config", "four", "eight"),
    [
        (groups((["Linear"], INT4)), ATTENTION + MLP, 0),
        (groups((["re:.*mlp.*"], INT4)), MLP, 0),
        (groups((["re:.*down_proj$"], INT4)), DOWN, 0),
        (groups((["re:.*mlp.*"], INT4), (["re:.*attn.*"], INT8)), MLP, ATTENTION),
        (groups((["Linear"], INT4), (["re:.*attn.*"], INT8)), MLP, ATTENTION),  # a class comes after expressions
        (groups((["Linear"], INT4), (["re:.*attn.*"], INT8), ignore=["re:.*mlp.*"]), 0, ATTENTION),
        (groups((["re:.*attn.*"], None), (["Linear"], INT8)), 0, ATTENTION + MLP),
        (groups((["Linear"], INT4), (["Linear"], INT8)), 0, ATTENTION + MLP),
    ],
)
def test_only_what_a_group_targets_is_quantised_and_as_that_group_says(
    config: dict[str, Any], four: int, eight: int
) -> None:
    assert saved(**config) == pytest.approx(int(LAYERS * (four * (2 - OF_INT4) + eight)), abs=2)


def test_a_class_whose_modules_are_not_known_may_be_any() -> None:
    found = held(**groups((["LlamaMLP"], INT4)))
    elements = LAYERS * (ATTENTION + MLP) + 1024 * 1024
    assert found.lower == pytest.approx(held().expected - elements * (2 - OF_INT4), rel=0.002)
    assert found.upper >= held().expected


def test_layers_of_a_mixed_modelopt_checkpoint_have_each_their_own_algorithm() -> None:
    layers = {
        "model.layers.0.mlp.down_proj": {"quant_algo": "FP8"},
        "model.layers.1.mlp.down_proj": {"quant_algo": "W4A8_AWQ", "awq_block_size": 128},
    }
    found = saved(quant_method="modelopt", quant_algo="MIXED_PRECISION", quantized_layers=layers)
    assert found == pytest.approx(int(DOWN + DOWN * (2 - OF_GPTQ)), abs=2)


def test_an_algorithm_of_null_is_none() -> None:
    config = {"quant_method": "modelopt", "quant_algo": None, "exclude_modules": []}
    assert read_architecture({**CONFIG, "quantization_config": config}).quantization is None


@pytest.mark.parametrize(
    "config",
    [
        {"quant_method": "compressed-tensors", "kv_cache_scheme": {"num_bits": 8, "type": "float"}},
        groups(kv_cache_scheme={"num_bits": 8, "type": "float"}),
        {"quant_method": "modelopt", "quant_algo": None, "kv_cache_quant_algo": "FP8"},
    ],
)
def test_where_k_and_v_alone_are_quantised_the_weights_are_not(config: dict[str, Any]) -> None:
    architecture = read_architecture({**CONFIG, "quantization_config": config})
    assert (architecture.quantization, architecture.cache_scheme) == (None, "FP8")


@pytest.mark.parametrize(
    ("method", "bits"),
    [({"quant_method": "bitnet"}, 2), ({"quant_method": "torchao", "quant_type": "int4_weight_only"}, 4)],
)
def test_where_little_but_the_bits_is_known_the_bounds_are_the_bits_and_16_bit(
    method: dict[str, Any], bits: int
) -> None:
    """At the least head and linears have so many bits, and the embedding of 1024 x 1024 has 16."""
    found = held(**method)
    quantized = LAYERS * (ATTENTION + MLP) + 1024 * 1024
    norms = (2 * LAYERS + 1) * 1024 * 2
    assert found.lower == pytest.approx(quantized * bits / 8 + 2 * 1024 * 1024 + norms, rel=0.002)
    assert found.upper >= held().expected


@pytest.mark.parametrize(
    ("config", "field"),
    [
        ({"quant_method": "gptq", "bits": 1}, "bits"),
        ({"quant_method": "gptq", "bits": 9}, "bits"),
        ({"quant_method": "awq", "bits": 0}, "bits"),
        ({"quant_method": "awq", "w_bit": 10**9}, "w_bit"),
        ({"quant_method": "auto-round", "bits": 64}, "bits"),
        ({"quant_method": "gptq", "bits": 4, "group_size": 2**16 + 1}, "group_size"),
        ({"quant_method": "awq", "w_bit": 4, "q_group_size": -2}, "q_group_size"),
        ({"quant_method": "gptq", "dynamic": {"a": {"bits": 64}}}, "dynamic['a'].bits"),
        ({"quant_method": "gptq", "dynamic": {"a": 4}}, "dynamic['a']"),
        ({"quant_method": "auto-round", "extra_config": {"a": {"group_size": 0}}}, "extra_config['a'].group_size"),
        (groups((["Linear"], {"num_bits": 99})), "config_groups.group_0.weights.num_bits"),
    ],
)
def test_bits_and_groups_that_no_checkpoint_has_are_bad_input(config: dict[str, Any], field: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_architecture({**CONFIG, "quantization_config": config})
    assert caught.value.field == f"quantization_config.{field}"
    assert not isinstance(caught.value, UnsupportedError)
