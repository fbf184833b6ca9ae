"""Which source of a model's facts counts, and what is said where they disagree or lack."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmjob.estimator.model import Model, ModelSource
from llmjob.estimator.result import Unknown
from llmjob.models import catalogue
from llmjob.models.reference import ModelReference
from llmjob.models.resolve import resolve
from llmjob.names import Reason

B = 10**9
QWEN_8B = "Qwen/Qwen3-8B"
CONFIG = catalogue.find(QWEN_8B).config
COUNT = 8_190_735_360


def test_the_config_counts_before_the_catalogue():
    other = catalogue.find("Qwen/Qwen3-0.6B").config
    model = resolve(ModelReference(id=QWEN_8B, config=other, parameters=7 * B))
    assert model.source is ModelSource.CONFIG
    assert model.architecture.parameters == 596_049_920


def test_the_catalogue_counts_before_stated_parameters():
    model = resolve(ModelReference(id=QWEN_8B, parameters=7 * B))
    assert (model.source, model.parameters) == (ModelSource.CATALOGUE, COUNT)
    assert model.active_parameters == model.architecture.active_parameters


def test_stated_parameters_count_before_the_name():
    model = resolve(ModelReference(id="some/Foo-7B", parameters=8 * B, active_parameters=2 * B))
    assert (model.source, model.parameters, model.active_parameters) == (ModelSource.PARAMETERS, 8 * B, 2 * B)


def test_the_name_counts_last_and_says_that_it_denies_nothing():
    model = resolve(ModelReference(id="some/Foo-30B-A3B"))
    assert (model.source, model.parameters, model.active_parameters) == (ModelSource.NAME, 30 * B, 3 * B)
    assert "decides no denial" in model.warnings[0]


def test_a_model_keeps_what_the_user_states_of_it():
    model = resolve(ModelReference(id=QWEN_8B, revision="v1", dtype="bf16", quantization="awq"))
    assert (model.name, model.revision, model.dtype, model.quantization) == (QWEN_8B, "v1", "bf16", "awq")


def test_a_model_without_an_id_is_named_after_its_family_or_count():
    assert resolve(ModelReference(config=CONFIG)).name == "qwen3"
    assert resolve(ModelReference(parameters=7 * B)).name == "7B"
    assert resolve(ModelReference(parameters=350 * 10**6)).name == "350M"


@pytest.mark.parametrize(
    ("reference", "words"),
    [
        (
            ModelReference(config=CONFIG, parameters=7 * B),
            ("spec.model.config", "8.191B", "spec.model.parameters", "7B"),
        ),
        (ModelReference(id=QWEN_8B, parameters=7 * B), ("the catalogue", "8.191B", "spec.model.parameters")),
        (ModelReference(id=QWEN_8B, active_parameters=B), ("the catalogue", "spec.model.activeParameters", "1B")),
        (
            ModelReference(id="Qwen/Qwen3-0.6B", config=CONFIG),
            ("spec.model.config has 8.191B", "the catalogue says 596M"),
        ),
        (ModelReference(id="some/Foo-7B", config=CONFIG), ("spec.model.config has 8.191B", "the name says 7B")),
        (ModelReference(id="some/Foo-7B", parameters=8 * B), ("spec.model.parameters has 8B", "the name says 7B")),
    ],
)
def test_a_disagreement_above_5_percent_is_a_warning(reference, words):
    (warning,) = resolve(reference).warnings
    assert all(word in warning for word in words)


@pytest.mark.parametrize(
    "reference",
    [
        ModelReference(config=CONFIG, parameters=8 * B),
        ModelReference(id=QWEN_8B, parameters=8 * B),
        ModelReference(id="some/Foo-8B", config=CONFIG),
        ModelReference(id="some/Foo-7B", parameters=7 * B),
        # The catalogue knows the model, so the round number in its name says nothing more.
        ModelReference(id="Qwen/Qwen2.5-7B"),
    ],
)
def test_a_disagreement_within_5_percent_is_none(reference):
    assert resolve(reference).warnings == ()


def test_a_disagreement_of_just_5_percent_is_none():
    assert resolve(ModelReference(id="some/Foo-95M", parameters=100 * 10**6)).warnings == ()
    assert resolve(ModelReference(id="some/Foo-94M", parameters=100 * 10**6)).warnings != ()


def test_the_precision_in_the_name_counts_where_none_is_stated():
    model = resolve(ModelReference(id="some/Foo-7B-AWQ", parameters=7 * B))
    assert model.quantization == "AWQ"
    assert any("read from the name" in warning for warning in model.warnings)
    assert resolve(ModelReference(id="some/Foo-7B-AWQ", parameters=7 * B, quantization="FP8")).quantization == "FP8"
    assert resolve(ModelReference(id="some/Foo-7B-AWQ", parameters=7 * B, dtype="BF16")).quantization is None
    assert resolve(ModelReference(id="some/Foo-7B-fp32", parameters=7 * B)).dtype == "FP32"


def test_a_model_that_nothing_is_known_of_is_unknown_with_the_fix():
    unknown = resolve(ModelReference(id="some/model"))
    assert (unknown.reason, unknown.field) == (Reason.MODEL_UNKNOWN, "spec.model.id")
    assert "spec.model.parameters" in unknown.message
    assert "spec.model.config" in unknown.message


def test_an_unknown_id_that_looks_like_a_known_one_is_told_so():
    unknown = resolve(ModelReference(id="deepseek-ai/DeepSeek-V3x"))
    assert "did you mean deepseek-ai/DeepSeek-V3?" in unknown.message


def test_a_catalogued_model_whose_family_is_not_supported_yet_goes_by_its_stated_count():
    model = resolve(ModelReference(id="deepseek-ai/DeepSeek-V4-Pro", parameters=8 * B))
    assert (model.source, model.parameters) == (ModelSource.PARAMETERS, 8 * B)
    unknown = resolve(ModelReference(id="deepseek-ai/DeepSeek-V4-Pro"))
    assert (unknown.reason, unknown.field) == (Reason.MODEL_UNKNOWN, "spec.model.id")
    assert "not supported" in unknown.message
    assert "state parameters" in unknown.message
    assert resolve(ModelReference(id="deepseek-ai/DeepSeek-V4-Pro", config=CONFIG)).source is ModelSource.CONFIG


def test_no_model_at_all_is_unknown():
    assert resolve(ModelReference()).field == "spec.model"


@pytest.mark.parametrize(
    "model_id",
    [
        "https://huggingface.co/Qwen/Qwen3-8B",
        "/models/llama-7B",
        "../llama-7B",
        "a/..7B",
        "a/b..7B",
        "a/b/c-7B",
        "-7B",
        "",
        "ü/7B",
    ],
)
def test_urls_and_paths_are_no_ids(model_id):
    unknown = resolve(ModelReference(id=model_id, parameters=7 * B))
    assert (unknown.reason, unknown.field) == (Reason.BAD_INPUT, "spec.model.id")


@pytest.mark.parametrize(
    ("config", "field"),
    [
        (CONFIG | {"model_type": 5}, "model_type"),
        ({"model_type": "gemma3", "text_config": {"model_type": 5}}, "text_config.model_type"),
    ],
)
def test_a_model_type_that_is_no_string_is_bad_input(config, field):
    unknown = resolve(ModelReference(config=config))
    assert (unknown.reason, unknown.field) == (Reason.BAD_INPUT, f"spec.model.config.{field}")


def test_a_contradictory_config_is_bad_input_that_names_its_field():
    unknown = resolve(ModelReference(id=QWEN_8B, config=CONFIG | {"hidden_size": "wide"}))
    assert (unknown.reason, unknown.field) == (Reason.BAD_INPUT, "spec.model.config.hidden_size")


def test_a_config_of_an_unknown_family_is_an_unknown_model():
    unknown = resolve(
        ModelReference(config=CONFIG | {"model_type": "martian", "architectures": ["MartianForCausalLM"]})
    )
    assert unknown.reason is Reason.MODEL_UNKNOWN
    assert unknown.field.startswith("spec.model.config.")


@pytest.mark.parametrize(
    ("config", "field"),
    [
        (CONFIG | {"quantization_config": {"quant_method": "exl3"}}, "quantization_config.quant_method"),
        (
            CONFIG | {"quantization_config": {"quant_method": "quark", "quant_mode": "eager_mode"}},
            "quantization_config.global_quant_config.weight",
        ),
        ({"model_type": "gemma3", "text_config": {"model_type": "martian"}}, "text_config.model_type"),
        (CONFIG | {"layer_types": ["hyper_attention"] * 36}, "layer_types"),
        (CONFIG | {"torch_dtype": "float8_e8m0fnu"}, "torch_dtype"),
    ],
)
def test_what_a_config_says_and_nobody_knows_makes_an_unknown_model_and_no_bad_input(config, field):
    unknown = resolve(ModelReference(config=config))
    assert (unknown.reason, unknown.field) == (Reason.MODEL_UNKNOWN, f"spec.model.config.{field}")


@given(
    st.builds(
        ModelReference,
        id=st.none() | st.text(max_size=40),
        parameters=st.none() | st.integers(1, 10**15),
        active_parameters=st.none() | st.integers(1, 10**15),
        config=st.none() | st.dictionaries(st.text(max_size=5), st.none() | st.integers() | st.text(max_size=5)),
    )
)
def test_any_reference_is_answered(reference):
    assert isinstance(resolve(reference), Model | Unknown)


def test_a_token_cannot_activate_more_parameters_than_there_are():
    found = resolve(ModelReference(parameters=7 * 10**9, active_parameters=9 * 10**9))
    assert isinstance(found, Unknown)
    assert (found.reason, found.field) == (Reason.BAD_INPUT, "spec.model.activeParameters")
