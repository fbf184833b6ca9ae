import pytest

from llmjob.estimator.profiles import (
    load_profile,
    newest_profile,
    plausible_profiles,
    profile_of,
    profiles_beyond,
    version_key,
)
from llmjob.quantity import GiB

VLLM = ("vllm-0.6", "vllm-0.8", "vllm-0.11", "vllm-0.19", "vllm-0.21", "vllm-0.22")


@pytest.mark.parametrize(
    ("version", "name"),
    [
        ("0.6.5", "vllm-0.6"),
        ("0.8.5.dev274+g166d0ef40", "vllm-0.8"),
        ("0.9", "vllm-0.11"),
        ("0.16.4", "vllm-0.11"),
        ("v0.19.0", "vllm-0.19"),
        ("0.20.9", "vllm-0.19"),
        ("0.21.0", "vllm-0.21"),
        ("0.22", "vllm-0.22"),
        ("0.22.7", "vllm-0.22"),
        ("0.23", None),
        ("99.1", None),
        ("0.5.9", None),
        ("nightly", None),
        ("", None),
    ],
)
def test_a_version_has_the_profile_of_its_range(version: str, name: str | None) -> None:
    assert profile_of("vLLM", version) == name


@pytest.mark.parametrize(
    ("version", "names"),
    [("99.1", VLLM[1:]), ("nightly", VLLM[1:]), ("x", VLLM[1:]), ("0.5.0", (*VLLM[1:], VLLM[0]))],
)
def test_a_version_in_no_range_may_be_any_plausible_one_and_is_expected_to_be_the_nearest(
    version: str, names: tuple[str, ...]
) -> None:
    assert profiles_beyond("vLLM", version) == names


def test_other_engines_have_no_profile() -> None:
    assert newest_profile("vLLM") == VLLM[-1]
    assert newest_profile("TGI") is None
    assert profile_of("TGI", "3.0") is None


@pytest.mark.parametrize("name", VLLM)
def test_every_profile_loads_and_its_constants_are_ordered(name: str) -> None:
    profile = load_profile(name)
    assert profile.name == name
    for tensor, pipeline in ((1, 1), (2, 1), (4, 1), (8, 1), (1, 2)):
        for rule in (profile.non_torch, profile.in_use):
            found = rule.at(tensor, pipeline)
            assert 0 <= found.low <= found.expected <= found.high


def test_an_unstated_version_spans_all_but_the_oldest_profiles() -> None:
    assert plausible_profiles("vLLM") == VLLM[1:]
    assert plausible_profiles("TGI") == ()


def test_utilisation_and_the_place_of_the_graphs_follow_the_version() -> None:
    old, between, new = (load_profile(name) for name in ("vllm-0.19", "vllm-0.21", "vllm-0.22"))
    assert (old.utilization * 100, old.graphs_in_budget) == (90, False)
    assert (between.utilization * 100, between.graphs_in_budget) == (90, True)
    assert (new.utilization * 100, new.graphs_in_budget) == (92, True)


@pytest.mark.parametrize(("memory", "sequences", "tokens"), [(24, 256, 2048), (79, 1024, 8192), (139, 1024, 16384)])
def test_what_a_step_takes_by_default_follows_the_cards_size(memory: int, sequences: int, tokens: int) -> None:
    step = load_profile("vllm-0.19").step(memory * GiB)
    assert step.max_num_seqs == (sequences, sequences)
    assert step.tokens(4096) == (tokens, tokens)


def test_the_old_engine_takes_a_whole_prompt_in_one_step_up_to_32768_tokens() -> None:
    step = load_profile("vllm-0.8").step(24 * GiB)
    assert step.tokens(29000) == (29000, 29000)
    assert step.tokens(131072) == (2048, 2048)


def test_an_unknown_profile_is_an_error() -> None:
    with pytest.raises(KeyError, match="vllm-9"):
        load_profile("vllm-9")


@pytest.mark.parametrize("text", ["", "nightly", "latest-0.6"])
def test_a_text_that_starts_with_no_number_is_no_version(text: str) -> None:
    assert version_key(text) == ()
