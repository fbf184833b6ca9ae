"""What a block keeps, against published figures: bytes per token as multiples of the hidden size.

Source of the figures: training steps of transformers 5.23 run on shapes (FakeTensor).
"""

import pytest

from llmjob.estimator.architecture import Architecture, read_architecture
from llmjob.estimator.training_block import BlockShape, Kernel, Numerics, boundary, kept
from llmjob.estimator.training_shape import trained_blocks

LLAMA_8B = {
    "model_type": "llama", "hidden_size": 4096, "num_hidden_layers": 32, "num_attention_heads": 32,
    "num_key_value_heads": 8, "intermediate_size": 14336, "vocab_size": 128256,
}  # fmt: skip
QWEN3_8B = {
    "model_type": "qwen3", "hidden_size": 4096, "num_hidden_layers": 36, "num_attention_heads": 32,
    "num_key_value_heads": 8, "head_dim": 128, "intermediate_size": 12288, "vocab_size": 151936,
}  # fmt: skip
GEMMA_7B = {
    "model_type": "gemma", "hidden_size": 3072, "num_hidden_layers": 28, "num_attention_heads": 16,
    "num_key_value_heads": 16, "head_dim": 256, "intermediate_size": 24576, "vocab_size": 256000,
}  # fmt: skip
PHI_2 = {
    "model_type": "phi", "hidden_size": 2560, "num_hidden_layers": 32, "num_attention_heads": 32,
    "intermediate_size": 10240, "vocab_size": 51200, "partial_rotary_factor": 0.4,
}  # fmt: skip
OPT_6_7B = {
    "model_type": "opt", "hidden_size": 4096, "num_hidden_layers": 32, "num_attention_heads": 32,
    "ffn_dim": 16384, "vocab_size": 50272,
}  # fmt: skip
NEOX_6_9B = {
    "model_type": "gpt_neox", "hidden_size": 4096, "num_hidden_layers": 32, "num_attention_heads": 32,
    "intermediate_size": 16384, "vocab_size": 50432, "rotary_pct": 0.25,
}  # fmt: skip
FALCON_7B = {
    "model_type": "falcon", "hidden_size": 4544, "num_hidden_layers": 32, "num_attention_heads": 71,
    "vocab_size": 65024,
}  # fmt: skip
MIXTRAL_8X7B = {
    "model_type": "mixtral", "hidden_size": 4096, "num_hidden_layers": 32, "num_attention_heads": 32,
    "num_key_value_heads": 8, "intermediate_size": 14336, "vocab_size": 32000, "num_local_experts": 8,
    "num_experts_per_tok": 2,
}  # fmt: skip
QWEN3_30B_A3B = {
    "model_type": "qwen3_moe", "hidden_size": 2048, "num_hidden_layers": 48, "num_attention_heads": 32,
    "num_key_value_heads": 4, "head_dim": 128, "intermediate_size": 6144, "moe_intermediate_size": 768,
    "num_experts": 128, "num_experts_per_tok": 8, "vocab_size": 151936,
}  # fmt: skip
ALL_LINEAR = frozenset({"q", "k", "v", "o", "gate", "up", "down"})


def architecture(config: dict[str, object]) -> Architecture:
    return read_architecture(config)


def shape(config: dict[str, object]) -> BlockShape:
    return trained_blocks(architecture(config), targets=(), rank=0, tensor=1, pipeline=1)[0].shape


def multiple(config: dict[str, object], numerics: Numerics) -> float:
    """Kept bytes per token over the hidden size."""
    block = shape(config)
    return kept(block, numerics).token / block.hidden


@pytest.mark.parametrize(
    ("config", "published", "off"),
    [
        (LLAMA_8B, 49.0, 0.05),
        (QWEN3_8B, 52.6, 0.1),
        (GEMMA_7B, 94.7, 0.1),
        (PHI_2, 54.1, 0.1),
        (OPT_6_7B, 26.0, 0.05),
        (NEOX_6_9B, 36.0, 0.05),
        (FALCON_7B, 28.5, 0.5),
        (MIXTRAL_8X7B, 85.1, 0.15),
        (QWEN3_30B_A3B, 95.0, 0.6),
    ],
)
def test_full_fine_tuning_in_16_bit_keeps_the_published_bytes(
    config: dict[str, object], published: float, off: float
) -> None:
    assert multiple(config, Numerics()) == pytest.approx(published, abs=off)


@pytest.mark.parametrize(("config", "published"), [(OPT_6_7B, 34.0), (PHI_2, 86.0), (LLAMA_8B, 49.0)])
def test_autocast_runs_layer_norm_and_powers_in_fp32_and_leaves_rms_norm_alone(
    config: dict[str, object], published: float
) -> None:
    assert multiple(config, Numerics(autocast=True)) == pytest.approx(published, abs=0.1)


def test_fp32_masters_under_autocast_keep_an_fp32_stream_and_a_cast_per_linear() -> None:
    assert multiple(LLAMA_8B, Numerics(stream=4, autocast=True)) == pytest.approx(59.0, abs=0.05)


def test_lora_on_a_16_bit_base_keeps_an_fp32_copy_of_every_adapted_input() -> None:
    base = Numerics(trains_base=False)
    every = Numerics(trains_base=False, adapted=ALL_LINEAR)
    some = Numerics(trains_base=False, adapted=frozenset({"q", "v"}))
    assert multiple(LLAMA_8B, every) == pytest.approx(72.1, abs=0.15)
    assert multiple(LLAMA_8B, some) == pytest.approx(42.1, abs=0.15)
    assert multiple(LLAMA_8B, base) < multiple(LLAMA_8B, some)


def test_a_16_bit_adapter_shares_the_input_and_a_rank_adds_its_own_width() -> None:
    shared = Numerics(trains_base=False, adapted=frozenset({"q"}), adapter=2)
    base = Numerics(trains_base=False)
    # One shared 16-bit input, and 2 bytes for each of 64 ranks.
    assert kept(shape(LLAMA_8B), shared).token - kept(shape(LLAMA_8B), base).token == 2 * 4096
    ranked = Numerics(trains_base=False, adapted=frozenset({"q"}), adapter=2, rank=64)
    assert kept(shape(LLAMA_8B), ranked).token - kept(shape(LLAMA_8B), shared).token == 2 * 64


def test_bitsandbytes_keeps_the_inputs_of_frozen_linears() -> None:
    frozen = kept(shape(LLAMA_8B), Numerics(trains_base=False)).token
    saved = kept(shape(LLAMA_8B), Numerics(trains_base=False, saves_input=True)).token
    assert saved - frozen == 2 * (2 * 4096 + 14336)


def test_eager_attention_keeps_six_bytes_a_score_and_expanded_keys() -> None:
    eager = kept(shape(LLAMA_8B), Numerics(attention=Kernel.EAGER))
    flash = kept(shape(LLAMA_8B), Numerics())
    assert (eager.score, flash.score) == (6, 0)
    assert eager.token - (flash.token - 4 * 32) == 2 * 2 * (4096 - 1024)


def test_a_padding_mask_expands_keys_and_is_kept() -> None:
    padded = kept(shape(LLAMA_8B), Numerics(attention=Kernel.PADDED))
    flash = kept(shape(LLAMA_8B), Numerics())
    assert padded.token - flash.token == 3 * 4096
    assert (padded.mask, flash.mask) == (2, 0)


def test_a_boundary_is_the_residual_stream() -> None:
    assert boundary(shape(LLAMA_8B), Numerics()) == 2 * 4096
    assert boundary(shape(LLAMA_8B), Numerics(stream=4)) == 4 * 4096
