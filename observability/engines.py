"""Engines that fill the card with their KV cache: how large the pool is and how much of it was ever used.

No engine says the pool in bytes. vLLM says its tokens in a label of an info series, SGLang in a gauge; bytes per token
are the operator's own estimate, and absent where the cache is not linear in tokens. Names have an underscore for the
colon where a Prometheus of before 3.0 asks.
"""

from typing import Final

from observability.promql import POD

# The engines that take what is free, as `llmjob_info` spells them: their use says nothing of their need.
FILL_THE_CARD: Final = "vLLM|SGLang|TGI|TensorRTLLM"

_VLLM_POOL: Final = '{__name__=~"vllm[:_]cache_config_info", pod!="", kv_cache_size_tokens=~"[1-9][0-9]*"}'
_SGLANG_POOL: Final = '{__name__=~"sglang[:_]max_total_num_tokens", pod!=""}'
# vLLM renamed its gauge in 0.9; for a while both were written side by side, and then the new one counts.
_USAGES: Final = ("vllm[:_]kv_cache_usage_perc", "vllm[:_]gpu_cache_usage_perc", "sglang[:_]token_usage")


def pool_tokens() -> str:
    """The pool's size in tokens by pod; a label `tokens` says the size again and so names the pool.

    PromQL turns a label into a value in one way: `le` is the bound of a histogram's bucket, and the quantile 1 of a
    histogram whose observations all lie in the last bucket is the bound below it.
    """
    vllm = f'label_replace({_VLLM_POOL}, "tokens", "$1", "kv_cache_size_tokens", "(.*)")'
    sglang = f'count_values by ({POD}) ("tokens", {_SGLANG_POOL} > 0)'
    pools = f"group by ({POD}, tokens) ({vllm} or {sglang})"
    last = f'label_replace({pools}, "le", "+Inf", "", "")'
    below = f'label_replace(0 * {pools}, "le", "$1", "tokens", "(.*)")'
    return f"histogram_quantile(1, {last} or {below})"


def pool_usage() -> str:
    """The share of the pool in use by pod."""
    return " or ".join(f'max by ({POD}) ({{__name__=~"{name}", pod!=""}})' for name in _USAGES)
