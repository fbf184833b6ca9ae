"""Names are read in any spelling, and unknown ones are answered with the field and the nearest name."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmjob.estimator.model import Model, ModelSource
from llmjob.estimator.result import Unknown
from llmjob.estimator.spelling import spell_out
from llmjob.estimator.task import Adapter, FineTuning, Inference, Sharding
from llmjob.estimator.vocabulary import Kind, canonical, names, nearest, unknown_name
from llmjob.names import Reason

MODEL = Model(name="m", source=ModelSource.PARAMETERS, parameters=1)


@pytest.mark.parametrize(
    ("kind", "text", "name"),
    [
        ("engine", "vllm", "vLLM"),
        ("engine", "TensorRT-LLM", "TensorRTLLM"),
        ("engine", "llama.cpp", "LlamaCpp"),
        ("method", "qlora", "QLoRA"),
        ("method", "prompt tuning", "PromptTuning"),
        ("optimizer", "SGD+Momentum", "SGDMomentum"),
        ("optimizer", "paged_adam_8bit", "PagedAdam8bit"),
        ("quantization", "q4_k_m", "Q4_K_M"),
        ("quantization", "nf4", "NF4"),
        ("dtype", "bfloat16", "BF16"),
        ("dtype", "bf16", "BF16"),
        ("precision", "bf16-mixed", "BF16Mixed"),
        ("framework", "LLaMA-Factory", "LLaMAFactory"),
        ("sharding strategy", "zero-3", "ZeRO3"),
        ("activation checkpointing", "none", "None"),
        ("attention", "sdpa", "SDPA"),
        ("offload", "optimizer", "Optimizer"),
        ("kernel", "liger_fused_loss", "LigerFusedLoss"),
    ],
)
def test_case_space_and_punctuation_do_not_matter(kind: str, text: str, name: str) -> None:
    assert canonical(kind, text) == name


def test_every_canonical_name_spells_itself_and_no_two_are_one() -> None:
    for kind in Kind:
        assert [canonical(kind, name) for name in names(kind)] == list(names(kind))


def test_a_kind_does_not_know_the_names_of_another() -> None:
    assert canonical("engine", "AdamW") is None


def test_the_nearest_name_is_proposed_and_none_where_nothing_is_near() -> None:
    assert nearest("optimizer", "AdanW") == "AdamW"
    assert nearest("optimizer", "zzzz") is None
    assert "did you mean vLLM?" in unknown_name("engine", "vLLLM")
    assert "known are Eager, SDPA, Flash" in unknown_name("attention", "zzzz")


def test_a_long_name_is_cut_in_the_message() -> None:
    assert len(unknown_name("attention", "x" * 10_000)) < 120


@given(st.sampled_from(list(Kind)), st.text(max_size=50))
def test_any_text_has_an_answer(kind: Kind, text: str) -> None:
    assert canonical(kind, text) is None or unknown_name(kind, text)


@pytest.mark.parametrize(
    ("task", "field"),
    [
        (FineTuning(objective="zz"), "spec.fineTuning.objective"),
        (FineTuning(method="zz"), "spec.fineTuning.method"),
        (FineTuning(framework="zz"), "spec.fineTuning.framework"),
        (FineTuning(optimizer="zz"), "spec.fineTuning.optimizer"),
        (FineTuning(optimizer_implementation="zz"), "spec.fineTuning.optimizerImplementation"),
        (FineTuning(precision="zz"), "spec.fineTuning.precision"),
        (FineTuning(activation_checkpointing="zz"), "spec.fineTuning.activationCheckpointing"),
        (FineTuning(attention="zz"), "spec.fineTuning.attention"),
        (FineTuning(kernels=("zz",)), "spec.fineTuning.kernels[0]"),
        (FineTuning(offload=("Optimizer", "zz")), "spec.fineTuning.offload[1]"),
        (FineTuning(adapter=Adapter(dtype="zz")), "spec.fineTuning.adapter.dtype"),
        (FineTuning(sharding=Sharding(strategy="zz")), "spec.fineTuning.sharding.strategy"),
        (Inference(engine="zz"), "spec.inference.engine"),
        (Inference(kv_cache_dtype="zz"), "spec.inference.kvCacheDtype"),
    ],
)
def test_the_first_unknown_name_is_named_by_its_path(task: FineTuning | Inference, field: str) -> None:
    found = spell_out(MODEL, task)
    assert isinstance(found, Unknown)
    assert found.field == field


def test_known_names_come_back_canonical() -> None:
    task = FineTuning(
        method="lora", kernels=("liger fused loss",), adapter=Adapter(dtype="fp32"), sharding=Sharding(strategy="fsdp")
    )
    found = spell_out(MODEL, task)
    assert not isinstance(found, Unknown)
    assert found[1] == FineTuning(
        method="LoRA", kernels=("LigerFusedLoss",), adapter=Adapter(dtype="FP32"), sharding=Sharding(strategy="FSDP")
    )


@pytest.mark.parametrize(
    ("engine", "text", "kept"),
    [
        (None, "auto", "auto"),
        (None, "fp8_e4m3", "fp8_e4m3"),
        (None, "fp8", "FP8"),
        ("vllm", "FP8_DS_MLA", "fp8_ds_mla"),
        ("vLLM", "bfloat16", "BF16"),
        ("SGLang", "fp8_e5m2", "fp8_e5m2"),
        ("TGI", "fp8_e4m3fn", "fp8_e4m3fn"),
        ("TensorRTLLM", "fp8", "FP8"),
        ("llama.cpp", "q8-0", "Q8_0"),
        ("Transformers", "AUTO", "auto"),
    ],
)
def test_an_engines_own_words_for_its_cache_stay(engine: str | None, text: str, kept: str) -> None:
    found = spell_out(MODEL, Inference(engine=engine, kv_cache_dtype=text))
    assert not isinstance(found, Unknown)
    assert isinstance(found[1], Inference)
    assert found[1].kv_cache_dtype == kept


@pytest.mark.parametrize(
    ("engine", "text", "known"),
    [
        ("SGLang", "fp8_ds_mla", "fp8_e5m2"),
        ("TGI", "fp8_ds_mla", "fp8_e4m3fn"),
        ("TensorRTLLM", "fp8_e5m2", "FP8"),
        ("Transformers", "fp8_e5m2", "BF16"),
        ("Transformers", "FP8", "BF16"),
        ("LlamaCpp", "fp8", "Q8_0"),
        ("Ollama", "fp8_e4m3", "Q8_0"),
        ("vLLM", "fp8_zz", "fp8_e4m3"),
        (None, "z" * 1000, "auto"),
    ],
)
def test_a_cache_type_that_an_engine_does_not_have_is_named_with_those_it_has(
    engine: str | None, text: str, known: str
) -> None:
    found = spell_out(MODEL, Inference(engine=engine, kv_cache_dtype=text))
    assert isinstance(found, Unknown)
    assert (found.reason, found.field) == (Reason.MODEL_UNKNOWN, "spec.inference.kvCacheDtype")
    assert f"{engine or 'vLLM'} has no KV cache type {text[:39]!r}"[:60] in found.message
    assert known in found.message.split("; it has ")[1].split(", ")
    assert len(found.message) < 200


@pytest.mark.parametrize("text", ["q8_0/q4_0", "K q8_0, V f16"])
def test_different_types_of_k_and_v_are_one_type_too_many(text: str) -> None:
    found = spell_out(MODEL, Inference(engine="llama.cpp", kv_cache_dtype=text))
    assert isinstance(found, Unknown)
    assert found.field == "spec.inference.kvCacheDtype"
    assert "one type stands for K and V; state the larger one" in found.message
