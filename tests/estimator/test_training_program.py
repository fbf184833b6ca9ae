"""The ledger of one training step: each term counted by hand."""

from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest

from llmjob.estimator.architecture import read_architecture
from llmjob.estimator.ledger import Instant
from llmjob.estimator.result import ComponentName
from llmjob.estimator.training_block import (
    BlockShape,
    Kernel,
    Numerics,
    backward_of_attention,
    backward_of_feed_forward,
    kept,
)
from llmjob.estimator.training_program import Program
from llmjob.estimator.training_setting import Elements, Logits, Optimizer, Setting, Shards

HIDDEN, LAYERS, WIDTH, VOCABULARY = 2048, 22, 5632, 32000
TINY: dict[str, Any] = {
    "model_type": "llama", "hidden_size": HIDDEN, "num_hidden_layers": LAYERS, "num_attention_heads": 32,
    "num_key_value_heads": 4, "intermediate_size": WIDTH, "vocab_size": VOCABULARY,
}  # fmt: skip
WINDOWED: dict[str, Any] = {
    "model_type": "mistral", "hidden_size": 4096, "num_hidden_layers": 32, "num_attention_heads": 32,
    "num_key_value_heads": 8, "intermediate_size": 14336, "vocab_size": 32000, "sliding_window": 128,
}  # fmt: skip
MIXTRAL: dict[str, Any] = {
    "model_type": "mixtral", "hidden_size": 4096, "num_hidden_layers": 32, "num_attention_heads": 32,
    "num_key_value_heads": 8, "intermediate_size": 14336, "vocab_size": 32000, "num_local_experts": 8,
    "num_experts_per_tok": 2,
}  # fmt: skip
BATCH, LENGTH = 2, 128
TOKENS = BATCH * LENGTH
WORKSPACES = 2 * 8_519_680  # cuBLAS, two of 8.125 MiB
MATRICES = HIDDEN * (2048 + 2 * 256 + 2048) + 3 * HIDDEN * WIDTH
PLAIN = Setting(
    elements=Elements(matrices=Fraction(2), others=2),
    optimizer=Optimizer(gradient=2, states=Fraction(4), copies=0),
    logits=Logits(forward=Fraction(10), backward=Fraction(12)),
    batch=BATCH,
    length=LENGTH,
    trains_base=True,
    kept_share=Fraction(0),
)


def instants(setting: Setting, config: dict[str, Any] | None = None) -> dict[str, Instant]:
    """The largest instant of every name."""
    found: dict[str, Instant] = {}
    for instant in Program(read_architecture(config or TINY), setting).instants():
        if instant.name not in found or instant.total > found[instant.name].total:
            found[instant.name] = instant
    return found


def activations(setting: Setting, name: str, config: dict[str, Any] | None = None) -> int:
    return instants(setting, config)[name].live[ComponentName.ACTIVATIONS] - WORKSPACES


def test_at_the_loss_every_boundary_and_the_final_norm_live() -> None:
    assert activations(PLAIN, "loss") == TOKENS * HIDDEN * (2 * LAYERS + 8)
    frozen = replace(PLAIN, trains_base=False, targets=("q_proj",), adapter_rank=8)
    assert activations(frozen, "loss") == TOKENS * HIDDEN * (2 * LAYERS + 4)


def test_logits_count_per_token_and_entry() -> None:
    found = instants(PLAIN)
    assert found["loss"].live[ComponentName.LOGITS] == 10 * TOKENS * VOCABULARY
    assert found["backward of the loss"].live[ComponentName.LOGITS] == 12 * TOKENS * VOCABULARY


def test_held_logits_live_until_the_step() -> None:
    held = replace(PLAIN, logits=Logits(forward=Fraction(10), backward=Fraction(14), held=Fraction(2)))
    found = instants(held)
    for name in ("end of backward", "optimizer step", "backward of the last block"):
        assert found[name].live[ComponentName.LOGITS] == 2 * TOKENS * VOCABULARY


def test_the_first_stage_of_a_pipeline_holds_a_micro_batch_for_every_stage() -> None:
    # 22 blocks over four stages: six on the fullest.
    assert activations(replace(PLAIN, pipeline=4), "loss") == TOKENS * HIDDEN * (2 * 6 * 4 + 8)


def test_autocast_caches_its_casts_until_the_forward_ends() -> None:
    cast = replace(PLAIN, elements=Elements(matrices=Fraction(4), others=4, stream=4, autocast=True))
    forward, backward = activations(cast, "loss"), activations(cast, "backward of the loss")
    assert forward - backward == 2 * LAYERS * MATRICES
    head = 2 * (VOCABULARY * HIDDEN + HIDDEN)
    assert backward == TOKENS * HIDDEN * (4 * LAYERS + 8) + head


def test_offloaded_activations_leave_one_boundary() -> None:
    offloaded = replace(PLAIN, offload=frozenset({"Activations"}))
    assert activations(offloaded, "loss") == TOKENS * HIDDEN * (2 + 8)


def test_a_window_shorter_than_the_sequence_keeps_a_mask_and_expanded_keys_under_sdpa() -> None:
    whole = replace(PLAIN, kept_share=Fraction(1))
    masked = activations(whole, "loss", WINDOWED)
    spared = activations(replace(whole, masks_windows=False), "loss", WINDOWED)
    assert masked - spared == 32 * (TOKENS * 2 * 2 * (4096 - 1024) + 2 * BATCH * LENGTH**2)
    shorter = replace(whole, length=LENGTH - 1)
    assert activations(shorter, "loss", WINDOWED) == activations(
        replace(shorter, masks_windows=False), "loss", WINDOWED
    )


def test_sequence_parallel_ranks_share_out_tokens_but_not_logits() -> None:
    shared = replace(PLAIN, tensor=2, sequence_parallel=True)
    assert activations(shared, "loss") == TOKENS // 2 * HIDDEN * (2 * LAYERS + 8)
    assert instants(shared)["loss"].live[ComponentName.LOGITS] == 10 * TOKENS * VOCABULARY // 2


def test_the_backward_of_a_block_holds_its_boundary_what_it_keeps_and_a_dequantised_weight() -> None:
    frozen = replace(
        PLAIN,
        trains_base=False,
        targets=("q_proj",),
        adapter_rank=8,
        logits=Logits(forward=Fraction(0), backward=Fraction(0)),
    )
    numerics = Numerics(trains_base=False, adapted=frozenset({"q"}), rank=8)
    shape = Program(read_architecture(TINY), frozen).blocks[0].shape
    most = backward_of_feed_forward(shape, numerics).token * TOKENS
    boundaries = TOKENS * HIDDEN * 2 * LAYERS
    assert activations(frozen, "backward of the last block") == boundaries + most
    quantized = replace(frozen, quantized=True)
    most = backward_of_feed_forward(shape, replace(numerics, saves_input=True)).token * TOKENS
    assert activations(quantized, "backward of the last block") == boundaries + most + 2 * HIDDEN * WIDTH


def test_a_frozen_base_under_fsdp_keeps_every_boundary_twice() -> None:
    frozen = replace(PLAIN, trains_base=False, targets=("q_proj",), adapter_rank=8)
    alone = activations(frozen, "backward of the last block")
    sharded = activations(
        replace(frozen, shards=Shards(weights=2, gradients=2, states=2)), "backward of the last block"
    )
    assert sharded - alone == TOKENS * HIDDEN * 2 * LAYERS


def test_earlier_gradients_live_through_every_backward() -> None:
    found = instants(replace(PLAIN, accumulates=True))
    everything = 2 * 1_100_048_384
    assert found["loss"].live[ComponentName.GRADIENTS] == everything
    assert found["backward of the last block"].live[ComponentName.GRADIENTS] == everything


def test_a_tied_embedding_sums_two_gradients_of_its_size() -> None:
    tied = instants(PLAIN, {**TINY, "tie_word_embeddings": True})["end of backward"]
    parameters = 1_100_048_384 - VOCABULARY * HIDDEN
    assert tied.live[ComponentName.GRADIENTS] == 2 * parameters + 2 * 2 * VOCABULARY * HIDDEN


def test_adapters_are_divided_by_tensor_ranks_and_never_trained_on_experts() -> None:
    adapted = replace(PLAIN, trains_base=False, targets=("all-linear",), adapter_rank=8)
    linears = (4096 + 4096) + 2 * (4096 + 1024) + (4096 + 4096)
    whole = instants(adapted, MIXTRAL)["loss"].live[ComponentName.ADAPTERS]
    assert whole == 32 * 4 * 8 * linears
    halves = instants(replace(adapted, tensor=2), MIXTRAL)["loss"].live[ComponentName.ADAPTERS]
    assert halves == whole // 2


def test_routed_experts_hold_gradients_of_their_width_for_every_routed_token() -> None:
    shape = Program(read_architecture(MIXTRAL), PLAIN).blocks[0].shape
    most, least = backward_of_feed_forward(shape, Numerics()).token, kept(shape, Numerics()).token
    assert most - least == 2 * (2 * 2 * 14336 + 2 * 4096) + 2 * 4096


@pytest.mark.parametrize(("name", "per_element"), [("latent", 2 * 2 + 4), ("dropouts", 64)])
def test_a_latent_is_kept_as_projected_and_normalised_and_a_dropout_as_a_mask(name: str, per_element: int) -> None:
    none = BlockShape(
        hidden=64, heads=4, query=64, key=64, value=64, context=64, feed_forward=128, gated=True, **{name: 0}
    )
    some = replace(none, **{name: 10})
    assert kept(some, Numerics()).token - kept(none, Numerics()).token == 10 * per_element


def test_a_recurrent_mixer_keeps_its_channels() -> None:
    block = BlockShape(
        hidden=64, heads=0, query=0, key=0, value=0, context=0, feed_forward=0, gated=False, norms=1, state=100
    )
    wider = replace(block, state=200)
    assert kept(wider, Numerics()).token - kept(block, Numerics()).token == 2 * 100


@pytest.mark.parametrize(
    ("numerics", "score"),
    [
        (Numerics(attention=Kernel.EAGER), 6 + 6),
        (Numerics(attention=Kernel.EAGER, autocast=True), 6 + 8),
        (Numerics(attention=Kernel.EAGER, autocast=True, stream=4, saves_input=True, trains_base=False), 6 + 12),
        (Numerics(), 0),
    ],
)
def test_the_backward_of_eager_attention_holds_gradients_of_its_scores(numerics: Numerics, score: int) -> None:
    shape = Program(read_architecture(TINY), PLAIN).blocks[0].shape
    assert backward_of_attention(shape, numerics).score == score
