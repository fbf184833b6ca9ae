"""A frozen quantised base in training takes what its checkpoint stores, as in serving."""

from typing import Any

import pytest

from llmjob.estimator.architecture import read_architecture
from llmjob.estimator.interval import Interval
from llmjob.estimator.model import Model, ModelSource
from llmjob.estimator.result import ComponentName
from llmjob.estimator.task import Adapter, FineTuning, Quantized
from llmjob.estimator.training import estimate_training
from llmjob.quantity import GiB

LLAMA_8B: dict[str, Any] = {
    "model_type": "llama", "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32,
    "num_attention_heads": 32, "num_key_value_heads": 8, "vocab_size": 128256, "tie_word_embeddings": False,
}  # fmt: skip
LINEARS = 32 * (2 * 4096 * 4096 + 2 * 4096 * 1024 + 3 * 4096 * 14336)
DOWN = 32 * 4096 * 14336
OTHERS = 2 * 128256 * 4096 + (2 * 32 + 1) * 4096
GPTQ = {"quant_method": "gptq", "bits": 4, "group_size": 128}


def base(quantization: dict[str, Any], *, kbit: bool = False) -> Interval:
    architecture = read_architecture({**LLAMA_8B, "quantization_config": quantization})
    model = Model(name="m", source=ModelSource.CONFIG, architecture=architecture)
    task = FineTuning(
        method="QLoRA", framework="Transformers", optimizer="AdamW", precision="BF16", adapter=Adapter(rank=8),
        sequence_length=128, micro_batch_size=1, packing=True, activation_checkpointing="Full",
        quantized=Quantized(kbit_preparation=kbit),
    )  # fmt: skip
    return estimate_training(model, architecture, task).component(ComponentName.WEIGHTS)


@pytest.mark.parametrize(("bits", "gib"), [(2, 3.70), (3, 4.52), (8, 8.61)])
def test_a_base_has_the_bits_and_groups_of_its_checkpoint(bits: int, gib: float) -> None:
    """Each element its bits, of each 128 a 16-bit scale and a zero point of as many bits; the others 16 bit."""
    found = base({**GPTQ, "bits": bits})
    by_hand = LINEARS * (bits / 8 + (2 + bits / 8) / 128) + 2 * OTHERS
    assert found == Interval.exact(found.expected)
    assert found.expected == pytest.approx(by_hand, abs=2)
    assert found.expected / GiB == pytest.approx(gib, abs=0.005)


def test_modules_that_the_checkpoint_leaves_alone_are_not_quantised_in_training_either() -> None:
    """k-bit preparation makes them FP32 as it does norms."""
    rule: dict[str, Any] = {"dynamic": {r"-:.*down_proj.*": {}}}
    packed = (LINEARS - DOWN) * (0.5 + 2.5 / 128)
    assert base({**GPTQ, **rule}).expected == pytest.approx(packed + 2 * (DOWN + OTHERS), abs=2)
    assert base({**GPTQ, **rule}, kbit=True).expected == pytest.approx(packed + 4 * (DOWN + OTHERS), abs=2)


def test_of_equal_layers_each_has_its_own_rule() -> None:
    rule: dict[str, Any] = {"dynamic": {r"+:model\.layers\.(?:0|31)\..*": {"bits": 8}}}
    by_hand = LINEARS / 32 * (30 * (0.5 + 2.5 / 128) + 2 * (1 + 3 / 128)) + 2 * OTHERS
    assert base({**GPTQ, **rule}).expected == pytest.approx(by_hand, abs=2)


def test_a_rule_that_cannot_be_read_may_mean_any_module() -> None:
    found = base({**GPTQ, "dynamic": {r"+:(a+)+\1$": {"bits": 2, "group_size": -1}}})
    assert found.lower == pytest.approx(LINEARS / 4 + 2 * OTHERS, abs=2)
    assert found.upper == pytest.approx(2 * (LINEARS + OTHERS), abs=2)
