"""What a model's name says."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmjob.estimator.vocabulary import Kind, names
from llmjob.models.model_name import NameFacts, read_name

B = 10**9


@pytest.mark.parametrize(
    ("model_id", "parameters"),
    [
        ("Qwen-7B", 7 * B),
        ("Qwen/Qwen2.5-0.5B-Instruct", B // 2),
        ("org/some_1.8b", 18 * B // 10),
        ("unsloth/gemma-3-270m-it", 270 * 10**6),
        ("stabilityai/stablelm-2-1_6b", 16 * B // 10),
        ("mistralai/Mixtral-8x7B-v0.1", 56 * B),
        ("mistralai/Mixtral-8x22B-v0.1", 176 * B),
        ("Qwen/Qwen3-30B-A3B", 30 * B),
        ("some/Giant-1.6T", 1600 * B),
        ("01-ai/Yi-34B-200K", 34 * B),
    ],
)
def test_the_count_stands_in_the_name(model_id, parameters):
    assert read_name(model_id).parameters == parameters


@pytest.mark.parametrize(
    ("model_id", "parameters"),
    [
        ("Qwen/Qwen2.5-7B-Instruct-1M", 7 * B),
        ("TinyLlama/TinyLlama-1.1B-intermediate-step-1431k-3T", 11 * B // 10),
        ("some/foo-4bit-9b", 9 * B),
    ],
)
def test_a_context_a_token_count_and_a_precision_are_no_parameter_count(model_id, parameters):
    assert read_name(model_id).parameters == parameters


@pytest.mark.parametrize(
    "model_id",
    [
        "microsoft/Phi-3-mini-128k-instruct",
        "google/gemma-3n-E4B-it",
        "some/model-4bit",
        "some/modelv7b",
        "70B-lab/secret",
        "gpt2",
        "",
    ],
)
def test_a_name_without_a_count_of_its_own_has_none(model_id):
    assert read_name(model_id).parameters is None


def test_a_name_that_gives_experts_and_only_the_active_count_has_no_count():
    assert read_name("meta-llama/Llama-4-Scout-17B-16E-Instruct").parameters is None


def test_the_active_count_is_read():
    assert read_name("Qwen/Qwen3-235B-A22B").active_parameters == 22 * B
    assert read_name("x/Foo-30B-A3.5B").active_parameters == 35 * B // 10
    assert read_name("Qwen/Qwen3-8B").active_parameters is None


@pytest.mark.parametrize(
    ("model_id", "quantization"),
    [
        ("Qwen/Qwen3-8B-AWQ", "AWQ"),
        ("TheBloke/Llama-2-70B-GPTQ", "GPTQ"),
        ("Qwen/Qwen2.5-14B-Instruct-GPTQ-Int4", "GPTQ"),
        ("Qwen/Qwen2.5-14B-Instruct-GPTQ-Int8", "INT8"),
        ("Qwen/Qwen3-8B-FP8", "FP8"),
        ("RedHatAI/Llama-3.3-70B-Instruct-FP8-dynamic", "FP8"),
        ("x/foo-7B-int4", "INT4"),
        ("RedHatAI/Meta-Llama-3.1-8B-Instruct-quantized.w4a16", "INT4"),
        ("RedHatAI/Meta-Llama-3.1-8B-Instruct-quantized.w8a8", "INT8"),
        ("x/foo-7B-4bit", "INT4"),
        ("x/foo-7B-8bit", "INT8"),
        ("unsloth/llama-3-8b-bnb-4bit", "NF4"),
        ("x/foo-7B-nf4", "NF4"),
        ("nvidia/DeepSeek-V3.1-NVFP4", "NVFP4"),
        ("x/foo-120b-mxfp4", "MXFP4"),
        ("x/Foo-7B-q4_k_m", "Q4_K_M"),
        ("x/Foo-7B-IQ2_XXS", "IQ2_XXS"),
        ("x/Foo-7B", None),
        ("x/drawqs-7B", None),
    ],
)
def test_precision_words_are_read_as_canonical_names(model_id, quantization):
    assert read_name(model_id).quantization == quantization
    assert quantization is None or quantization in names(Kind.QUANTIZATION)


@pytest.mark.parametrize(("model_id", "dtype"), [("x/a-7B-bf16", "BF16"), ("x/a-7B-fp32", "FP32"), ("x/a-F16", "FP16")])
def test_dtypes_are_read(model_id, dtype):
    assert read_name(model_id).dtype == dtype


@given(st.text(max_size=120))
def test_any_text_is_read_without_failing(text):
    facts = read_name(text)
    assert isinstance(facts, NameFacts)
    assert facts.parameters is None or facts.parameters > 0
