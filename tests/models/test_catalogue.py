"""The bundled catalogue: every entry has a source and counts what was published."""

import json
import re
from importlib.resources import files

import pytest

from llmjob.estimator.architecture import ConfigError, read_architecture
from llmjob.models import catalogue

IDS = catalogue.ids()
UNSUPPORTED = ["deepseek-ai/DeepSeek-V4-Pro"]
DATA = files("llmjob.models").joinpath("data")


def entries():
    return [catalogue.find(model_id) for model_id in IDS]


@pytest.mark.parametrize("model_id", UNSUPPORTED)
def test_an_entry_whose_family_is_not_supported_yet_says_so(model_id):
    with pytest.raises(ConfigError, match="not supported"):
        catalogue.architecture_of(model_id)


@pytest.mark.parametrize("model_id", [model_id for model_id in IDS if model_id not in UNSUPPORTED])
def test_an_entry_counts_its_published_total(model_id):
    entry = catalogue.find(model_id)
    counted = read_architecture(entry.config).parameters
    if entry.parameters is None:
        assert counted > 0
    else:
        assert round(counted / entry.rounded_to) * entry.rounded_to == entry.parameters


@pytest.mark.parametrize("model_id", IDS)
def test_an_entry_says_where_it_was_published(model_id):
    entry = catalogue.find(model_id)
    assert re.match(r"(github\.com|huggingface\.co)/\S+ \S+ @ (main|[0-9a-f]{40})\b", entry.source)
    assert (entry.parameters is None) == (entry.parameters_source is None)


@pytest.mark.parametrize("model_id", IDS)
def test_an_entry_holds_a_config_as_published_without_private_keys(model_id):
    assert not [key for key in catalogue.find(model_id).config if key.startswith("_")]


def test_what_has_no_published_total_says_unchecked():
    raw = [json.loads(path.read_text()) for path in DATA.iterdir() if path.name.endswith(".json")]
    assert all(item["parameters"] == "unchecked" or isinstance(item["parameters"], int) for item in raw)
    assert {item["id"] for item in raw if item["parameters"] == "unchecked"} == {
        entry.id for entry in entries() if entry.parameters is None
    }


def test_a_file_is_named_after_its_id():
    assert sorted(path.name for path in DATA.iterdir() if path.name.endswith(".json")) == sorted(
        model_id.lower().replace("/", "--") + ".json" for model_id in IDS
    )


@pytest.mark.parametrize(
    ("model_id", "parameters"),
    [
        # Exact counts of the published checkpoints, as the estimation facts list them.
        ("meta-llama/Llama-3.1-8B", 8_030_261_248),
        ("Qwen/Qwen2.5-7B", 7_615_616_512),
        ("google/gemma-2-9b-it", 9_241_705_984),
        ("google/gemma-3-27b-it", 27_432_406_640),
        ("mistralai/Mixtral-8x7B-v0.1", 46_702_792_704),
        ("Qwen/Qwen3-30B-A3B", 30_532_122_624),
    ],
)
def test_the_models_that_the_project_promises_are_there(model_id, parameters):
    assert catalogue.architecture_of(model_id).parameters == parameters


def test_deepseek_v3_counts_671_billion_without_its_prediction_layers():
    assert round(catalogue.architecture_of("deepseek-ai/DeepSeek-V3").parameters / 10**7) == 67_103


def test_ids_are_found_in_any_case():
    assert catalogue.find("qwen/qwen3-8b") == catalogue.find("Qwen/QWEN3-8B")
    assert catalogue.find("qwen/qwen3-8b").id == "Qwen/Qwen3-8B"


@pytest.mark.parametrize("model_id", ["", "nobody/nothing", "../data/qwen--qwen3-8b", "Qwen/Qwen3-8B/", "x\0y"])
def test_what_is_not_catalogued_is_not_found(model_id):
    assert catalogue.find(model_id) is None
    assert catalogue.architecture_of(model_id) is None


def test_the_nearest_id_is_named():
    assert catalogue.nearest("Qwen/Qwen3-8b-Base") == "Qwen/Qwen3-8B"
    assert catalogue.nearest("zzzz/zzzzzzzz") is None


def test_looking_one_model_up_reads_one_file():
    catalogue._read.cache_clear()
    catalogue.find("Qwen/Qwen3-8B")
    assert catalogue._read.cache_info().currsize == 1


def test_what_users_ask_for_never_grows_a_cache():
    """Neither unknown ids nor the many spellings of a known one are keys."""
    catalogue.architecture_of("Qwen/Qwen3-8B")
    caches = (catalogue._read, catalogue._architecture, catalogue._stems)
    before = [cache.cache_info().currsize for cache in caches]
    for number in range(100):
        assert catalogue.find(f"nobody/nothing-{number}") is None
        assert catalogue.architecture_of(f"nobody/nothing-{number}") is None
    for spelling in ("qwen/qwen3-8b", "QWEN/QWEN3-8B", "Qwen/QWEN3-8b"):
        assert catalogue.architecture_of(spelling) is catalogue.architecture_of("Qwen/Qwen3-8B")
    assert [cache.cache_info().currsize for cache in caches] == before
