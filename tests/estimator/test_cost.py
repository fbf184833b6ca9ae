"""What an estimate costs is bounded whatever a config.json says: counted in calls, so that no clock decides."""

import sys
from types import FrameType
from typing import Any

import pytest

from llmjob.estimator.architecture import ConfigError, read_architecture
from llmjob.estimator.attention import MOST_LAYERS
from llmjob.estimator.estimate import estimate
from llmjob.estimator.model import Model, ModelSource
from llmjob.estimator.result import Estimate
from llmjob.estimator.task import FineTuning, Inference, Parallelism, Task
from llmjob.estimator.training_assumption import assume
from llmjob.estimator.training_program import Program

# About 0.15 s of one core: six million calls a second.
MOST_CALLS = 950_000
LONGEST = 2**31 - 1
BASE: dict[str, Any] = {
    "model_type": "llama", "hidden_size": 4096, "num_hidden_layers": MOST_LAYERS, "num_attention_heads": 32,
    "num_key_value_heads": 8, "intermediate_size": 14336, "vocab_size": 128256, "max_position_embeddings": LONGEST,
}  # fmt: skip
ALTERNATING = {
    **BASE, "model_type": "gpt_oss", "sliding_window": 128, "num_local_experts": 32, "num_experts_per_tok": 4,
    "head_dim": 64, "layer_types": ["full_attention", "sliding_attention"] * (MOST_LAYERS // 2),
}  # fmt: skip
EACH_OF_ITS_OWN = {
    **BASE, "model_type": "nemotron-nas",
    "block_configs": [
        {"attention": {"n_heads_in_group": 2 ** (layer % 6)}, "ffn": {"ffn_mult": (1 + layer) / 16}}
        for layer in range(MOST_LAYERS)
    ],
}  # fmt: skip


def quantized(*kept: str) -> dict[str, Any]:
    return {**BASE, "quantization_config": {"quant_method": "awq", "modules_to_not_convert": list(kept)}}


def ruled(dynamic: dict[str, Any]) -> dict[str, Any]:
    return {**BASE, "quantization_config": {"quant_method": "gptq", "bits": 4, "dynamic": dynamic}}


def single_experts(layers: int) -> dict[str, Any]:
    """Every matrix of every expert is named in so many layers, as in Qwen3-235B-A22B's 94."""
    parts = [f"mlp.experts.{number}.{part}_proj" for number in range(128) for part in ("gate", "up", "down")]
    named = {f"model.layers.{layer}.{part}": {"quant_algo": "NVFP4"} for layer in range(layers) for part in parts}
    quantization = {"quant_method": "modelopt", "quant_algo": "MIXED_PRECISION", "quantized_layers": named}
    mixture = {"num_experts": 128, "num_experts_per_tok": 8, "moe_intermediate_size": 1536}
    return {**BASE, "model_type": "qwen3_moe", **mixture, "quantization_config": quantization}


NAMES = [f"model.layers.{layer}.self_attn.{part}_proj" for layer in range(4000) for part in "qkvo"]
HOSTILE = [
    ALTERNATING,
    EACH_OF_ITS_OWN,
    quantized(*NAMES),
    quantized(*(f"{name}*" for name in NAMES)),
    quantized(*(f"*{index}*{index}*z" for index in range(4000))),
    quantized(r"re:(\w+\.?)+X"),
    ruled({rf"+:.*a.*{run}.*b.*{index}.*j$": {"bits": 2 + run % 7} for run in range(128) for index in range(32)}),
    ruled({rf"+:.*o.*o.*o.*{index}.*$": {"bits": 2 + index % 7} for index in range(32)}),
    ruled({f"+:model.layers.{run}.m{index}$": {"bits": 2 + run % 7} for run in range(128) for index in range(60)}),
    single_experts(94),
    {
        **BASE,
        "model_type": "qwen3_moe",
        "num_experts": 8,
        "mlp_only_layers": list(range(16000)),
        "moe_intermediate_size": 8,
    },
]
TASKS: list[Task] = [
    Inference(max_model_len=LONGEST, concurrency=100),
    Inference(engine="SGLang"),
    Inference(parallelism=Parallelism(pipeline=MOST_LAYERS)),
    FineTuning(method="Full"),
    FineTuning(method="LoRA"),
    FineTuning(method="Full", parallelism=Parallelism(data=8)),
]


def calls_of(config: dict[str, Any], task: Task) -> int:
    """Calls of Python and library functions that reading the config and one estimate take."""
    count = 0

    def counted(_frame: FrameType, event: str, _argument: object) -> None:
        nonlocal count
        count += event in {"call", "c_call"}

    sys.setprofile(counted)
    try:
        model = Model(name="m", source=ModelSource.CONFIG, architecture=read_architecture(config))
        answer = estimate(model, task)
    finally:
        sys.setprofile(None)
    assert isinstance(answer, Estimate)
    return count


@pytest.mark.parametrize("task", TASKS, ids=str)
@pytest.mark.parametrize("config", HOSTILE, ids=range(len(HOSTILE)))
def test_no_config_makes_an_estimate_costly(config: dict[str, Any], task: Task) -> None:
    assert calls_of(config, task) < MOST_CALLS


@pytest.mark.parametrize(
    "kinds", [("full_attention", "sliding_attention"), ("sliding_attention",) * 5 + ("full_attention",)]
)
def test_blocks_that_alternate_are_looked_at_as_often_as_few_are(kinds: tuple[str, ...]) -> None:
    listed = [kinds[layer % len(kinds)] for layer in range(MOST_LAYERS)]
    read = read_architecture({**ALTERNATING, "layer_types": listed})
    (setting, *_) = assume(Model(name="m", source=ModelSource.CONFIG, architecture=read), FineTuning(), None)
    assert len(tuple(Program(read, setting).instants())) <= 20


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("layer_types", ["full_attention"] * 10**6),
        ("layer_types", ["full_attention"] * 10),
        ("num_hidden_layers", MOST_LAYERS + 1),
        ("num_hidden_layers", 10**400),
        ("vocab_size", -(10**400)),
        ("mlp_only_layers", [0] * 16385),
        ("hidden_act", "s" * 16385),
    ],
)
def test_what_is_longer_than_any_model_has_it_is_refused(field: str, value: object) -> None:
    with pytest.raises(ConfigError) as caught:
        read_architecture({**BASE, field: value})
    assert caught.value.field == field
    assert len(caught.value.message) < 200


def test_modules_that_cannot_be_read_may_all_be_kept_and_are_warned_of() -> None:
    """Nothing kept is the least that can be there, everything kept the most."""
    plain, unread = (
        estimate(Model(name="m", source=ModelSource.CONFIG, architecture=read_architecture(config)), Inference())
        for config in (quantized(), quantized(r"re:(\w+\.?)+X"))
    )
    bare = estimate(Model(name="m", source=ModelSource.CONFIG, architecture=read_architecture(BASE)), Inference())
    assert isinstance(plain, Estimate)
    assert isinstance(unread, Estimate)
    assert isinstance(bare, Estimate)
    assert unread.per_gpu.lower == plain.per_gpu.lower
    assert unread.per_gpu.upper >= bare.per_gpu.expected > plain.per_gpu.upper
    assert any("lists of modules" in warning for warning in unread.warnings)
    assert not plain.warnings


def test_what_the_list_keeps_does_not_matter_under_another_quantization() -> None:
    architecture = read_architecture(quantized(r"re:(\w+\.?)+X"))
    answer = estimate(
        Model(name="m", source=ModelSource.CONFIG, architecture=architecture, quantization="FP8"), Inference()
    )
    assert isinstance(answer, Estimate)
    assert not answer.warnings
