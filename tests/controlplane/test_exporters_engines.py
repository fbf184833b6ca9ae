"""What vLLM and SGLang write of their memory; the expected text is spelled out after their sources."""

import pytest

from controlplane.exporters import VLLM, SGLang, Share, UsageName


def text_of(server: VLLM | SGLang, accept: str = "text/plain;version=0.0.4") -> str:
    found = server.metrics(100, accept)
    assert found is not None
    return found[1]


USAGE = Share(((0, 0.0), (100, 0.5)))


def vllm(tokens: int | None = 855836, name: UsageName = UsageName.NEW) -> VLLM:
    return VLLM(
        model="google/gemma-3-27b-it",
        blocks=33960,
        tokens=tokens,
        usage=USAGE,
        preemptions=Share(((100, 0), (100, 3))),
        usage_name=name,
    )


def test_the_text_of_a_vllm_server_is_its_own_to_the_byte() -> None:
    assert text_of(vllm()) == (
        "# HELP vllm:kv_cache_usage_perc KV-cache usage. 1 means 100 percent usage.\n"
        "# TYPE vllm:kv_cache_usage_perc gauge\n"
        'vllm:kv_cache_usage_perc{engine="0",model_name="google/gemma-3-27b-it"} 0.5\n'
        "# HELP vllm:num_preemptions_total Cumulative number of preemption from the engine.\n"
        "# TYPE vllm:num_preemptions_total counter\n"
        'vllm:num_preemptions_total{engine="0",model_name="google/gemma-3-27b-it"} 3.0\n'
        "# HELP vllm:cache_config_info Information of the LLMEngine CacheConfig\n"
        "# TYPE vllm:cache_config_info gauge\n"
        'vllm:cache_config_info{block_size="16",cache_dtype="auto",cpu_offload_gb="0",enable_prefix_caching="True",'
        'engine="0",gpu_memory_utilization="0.9",is_attention_free="False",kv_cache_memory_bytes="None",'
        'kv_cache_size_tokens="855836",num_cpu_blocks="None",num_gpu_blocks="33960",num_gpu_blocks_override="None",'
        'sliding_window="None"} 1.0\n'
    )


PROMETHEUS_3 = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
    "application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,*/*;q=0.2"
)
PROMETHEUS_2 = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,*/*;q=0.1"


@pytest.mark.parametrize(
    ("accept", "colon"), [(PROMETHEUS_3, ":"), (PROMETHEUS_2, "_")], ids=["Prometheus 3", "Prometheus 2"]
)
def test_prometheus_is_answered_in_openmetrics_where_version_2_gets_underscores_for_colons(
    accept: str, colon: str
) -> None:
    """As the engines do: prometheus/client_python#1177."""
    found = vllm().metrics(100, accept)
    assert found is not None
    kind, text = found
    assert kind.startswith("application/openmetrics-text; version=1.0.0")
    assert text.endswith("# EOF\n")
    assert f'vllm{colon}num_preemptions_total{{engine="0",model_name="google/gemma-3-27b-it"}} 3.0\n' in text


@pytest.mark.parametrize(
    ("name", "there", "help_"),
    [
        (UsageName.OLD, {"gpu"}, "GPU KV-cache usage. 1 means 100 percent usage.\n"),
        (
            UsageName.BOTH,
            {"gpu", "kv"},
            "GPU KV-cache usage. 1 means 100 percent usage.DEPRECATED: Use vllm:kv_cache_usage_perc instead.\n",
        ),
        (UsageName.NEW, {"kv"}, ""),
    ],
)
def test_the_usage_has_the_names_of_the_version(name: UsageName, there: set[str], help_: str) -> None:
    text = text_of(vllm(name=name))
    found = {word for word in ("gpu", "kv") if f"\nvllm:{word}_cache_usage_perc{{" in text}
    assert found == there
    assert not help_ or f"# HELP vllm:gpu_cache_usage_perc {help_}" in text


def test_older_versions_say_no_tokens() -> None:
    text = text_of(vllm(tokens=None))
    assert "kv_cache_size_tokens" not in text
    assert 'num_gpu_blocks="33960"' in text


def test_the_text_of_an_sglang_server_is_its_own_to_the_byte() -> None:
    server = SGLang(model="Qwen/Qwen3-8B", tokens=524288, usage=USAGE)
    labels = 'engine_type="unified",model_name="Qwen/Qwen3-8B",moe_ep_rank="0",pp_rank="0",tp_rank="0"'
    assert text_of(server) == (
        "# HELP sglang:token_usage The token usage.\n"
        "# TYPE sglang:token_usage gauge\n"
        f"sglang:token_usage{{{labels}}} 0.5\n"
        "# HELP sglang:num_used_tokens The number of used tokens.\n"
        "# TYPE sglang:num_used_tokens gauge\n"
        f"sglang:num_used_tokens{{{labels}}} 262144.0\n"
        "# HELP sglang:max_total_num_tokens Maximum total number of tokens in the KV cache pool.\n"
        "# TYPE sglang:max_total_num_tokens gauge\n"
        f"sglang:max_total_num_tokens{{{labels}}} 524288.0\n"
    )


def test_each_data_parallel_rank_of_sglang_has_its_pool() -> None:
    text = text_of(SGLang(model="m", tokens=1000, usage=USAGE, ranks=2))
    pools = [line for line in text.splitlines() if line.startswith("sglang:max_total_num_tokens{")]
    assert [line.startswith(f'sglang:max_total_num_tokens{{dp_rank="{rank}",') for rank, line in enumerate(pools)] == [
        True,
        True,
    ]


@pytest.mark.parametrize("server", [vllm(), SGLang(model="m", tokens=1, usage=USAGE)], ids=["vllm", "sglang"])
def test_nothing_is_said_before_the_server_is_ready(server: VLLM | SGLang) -> None:
    assert server.metrics(59.9, "") is None
    assert server.metrics(60, "") is not None
