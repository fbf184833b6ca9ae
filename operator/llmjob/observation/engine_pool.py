"""KV pools of engines that fill the card: how many tokens they hold, and how much of them was in use.

No engine says its pool in bytes. vLLM says its tokens in a label of an info series (newer versions), SGLang in a gauge.
A Prometheus before 3.0 that asks for escaped names stores an underscore for the colon.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from llmjob.observation.gpu_use import PodKey
from llmjob.observation.series import Sample, Series

QUERY: Final = (
    '{__name__=~"vllm[:_](cache_config_info|kv_cache_usage_perc|gpu_cache_usage_perc)'
    '|sglang[:_](max_total_num_tokens|token_usage)",pod!=""}'
)
# vLLM renamed its gauge in 0.9; where both are written, the new one counts.
_USAGES: Final = ("vllm_kv_cache_usage_perc", "vllm_gpu_cache_usage_perc", "sglang_token_usage")
_TOKENS_LABEL: Final = "kv_cache_size_tokens"
_LONGEST: Final = 15
# A container that came back has another pool: what was last said within so many seconds is of one time.
_TOGETHER: Final = 60.0


@dataclass(frozen=True, slots=True)
class EnginePool:
    """A pod's pool: its tokens (None where no series says them), and the share of it in use over time.

    Of several engines in a pod the smallest pool counts, and the highest use of any: the need is not said too low.
    """

    tokens: int | None
    usage: tuple[Sample, ...]


def engine_pools(series: Iterable[Series]) -> dict[PodKey, EnginePool]:
    """The pools by namespace and pod; a pod is there once its engine says how much of its pool is in use."""
    by_pod: dict[PodKey, list[Series]] = {}
    for one in series:
        if one.samples:
            by_pod.setdefault((one.labels.get("namespace", ""), one.labels.get("pod", "")), []).append(one)
    found = ((pod, _pool(known)) for pod, known in by_pod.items())
    return {pod: pool for pod, pool in found if pool is not None}


def _pool(series: list[Series]) -> EnginePool | None:
    by_name: dict[str, list[Series]] = {}
    for one in series:
        by_name.setdefault(one.name.replace(":", "_"), []).append(one)
    usage = next((by_name[name] for name in _USAGES if name in by_name), None)
    if usage is None:
        return None
    samples = sorted(Sample(time, min(1.0, value)) for one in usage for time, value in one.samples)
    return EnginePool(_tokens(by_name), tuple(samples))


def _tokens(by_name: Mapping[str, list[Series]]) -> int | None:
    said = [
        (one.samples[-1].time, int(text))
        for one in by_name.get("vllm_cache_config_info", ())
        if (text := one.labels.get(_TOKENS_LABEL, "")).isascii() and text.isdigit() and len(text) <= _LONGEST
    ]
    said += [
        (one.samples[-1].time, int(one.samples[-1].value)) for one in by_name.get("sglang_max_total_num_tokens", ())
    ]
    newest = max((time for time, _ in said), default=0.0)
    return min((tokens for time, tokens in said if tokens > 0 and time > newest - _TOGETHER), default=None)
