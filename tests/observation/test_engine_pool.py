"""Pools as vLLM and SGLang tell of them, old and new names."""

import pytest

from llmjob.observation.engine_pool import engine_pools
from llmjob.observation.series import Sample, Series


def series(name, *samples, pod="p", **labels):
    return Series({"__name__": name, "namespace": "n", "pod": pod, **labels}, tuple(Sample(*pair) for pair in samples))


def info(tokens, *times, **labels):
    return series(
        "vllm:cache_config_info", *((time, 1) for time in times or (10,)), kv_cache_size_tokens=tokens, **labels
    )


def pool(*found):
    return engine_pools(found).get(("n", "p"))


def test_vllm_tells_tokens_in_a_label_and_its_use_in_a_gauge():
    seen = pool(info("16000"), series("vllm:kv_cache_usage_perc", (10, 0.25), (20, 0.5)))
    assert (seen.tokens, seen.usage) == (16000, ((10, 0.25), (20, 0.5)))


def test_escaped_names_are_the_same():
    seen = pool(
        series("vllm_cache_config_info", (10, 1), kv_cache_size_tokens="16000"),
        series("vllm_kv_cache_usage_perc", (10, 0.25)),
    )
    assert (seen.tokens, seen.usage) == (16000, ((10, 0.25),))


def test_the_older_gauge_counts_where_the_newer_is_not_written():
    old, new = series("vllm:gpu_cache_usage_perc", (10, 0.9)), series("vllm:kv_cache_usage_perc", (10, 0.1))
    assert pool(old).usage == ((10, 0.9),)
    assert pool(old, new).usage == ((10, 0.1),)


def test_sglang_tells_both_in_gauges():
    seen = pool(series("sglang:max_total_num_tokens", (10, 5000)), series("sglang:token_usage", (10, 0.25)))
    assert (seen.tokens, seen.usage) == (5000, ((10, 0.25),))


@pytest.mark.parametrize("tokens", ["None", "", "0", "-5", "1.5", "９", "9" * 16])
def test_tokens_that_are_no_count_are_not_known(tokens):
    seen = pool(info(tokens), series("vllm:kv_cache_usage_perc", (10, 0.25)))
    assert seen.tokens is None


def test_a_pool_without_its_use_is_no_pool_yet():
    assert pool(info("16000")) is None


def test_of_several_engines_in_a_pod_the_smallest_pool_and_all_uses_count():
    seen = pool(
        info("16000", engine="0"),
        info("8000", engine="1"),
        series("vllm:kv_cache_usage_perc", (10, 0.25), engine="0"),
        series("vllm:kv_cache_usage_perc", (11, 0.75), engine="1"),
    )
    assert (seen.tokens, seen.usage) == (8000, ((10, 0.25), (11, 0.75)))


def test_a_pool_of_before_a_restart_is_gone():
    seen = pool(info("8000", 10, 20), info("16000", 80, 90), series("vllm:kv_cache_usage_perc", (90, 0.25)))
    assert seen.tokens == 16000


def test_more_than_all_of_a_pool_is_all():
    assert pool(series("vllm:kv_cache_usage_perc", (10, 1.5))).usage == ((10, 1.0),)


def test_pods_are_told_apart():
    found = engine_pools([info("16000"), series("sglang:token_usage", (10, 0.5), pod="q")])
    assert list(found) == [("n", "q")]
