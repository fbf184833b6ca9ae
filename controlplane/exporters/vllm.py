"""vLLM's /metrics, as far as it tells of memory.

Sources, vllm-project/vllm: vllm/v1/metrics/loggers.py (names, help, labels model_name and engine; served by
prometheus_client in its multiprocess mode, hence without `_created`), vllm/config/cache.py (cache_config_info dumps the
CacheConfig; `kv_cache_size_tokens` is there in newer versions only, `kv_cache_memory_bytes` reads None unless set).
0.9.2 renamed gpu_cache_usage_perc to kv_cache_usage_perc and exported both; 0.12 dropped the old name.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric

from controlplane.exporters.courses import NEVER, Share
from controlplane.exporters.engine import exposed


class UsageName(Enum):
    """Under which names the share of the KV pool in use is exported."""

    OLD = ("vllm:gpu_cache_usage_perc",)
    BOTH = ("vllm:gpu_cache_usage_perc", "vllm:kv_cache_usage_perc")
    NEW = ("vllm:kv_cache_usage_perc",)


_DEPRECATED: Final = "DEPRECATED: Use vllm:kv_cache_usage_perc instead."


@dataclass(frozen=True, slots=True, kw_only=True)
class VLLM:
    """One server of one engine, ready at `ready` seconds of the course.

    The pool has `blocks` of `block_size` tokens; `tokens` is what it reports as kv_cache_size_tokens (None: a version
    that does not). `usage` is the share of the pool in use, `preemptions` how often it took a request's memory by
    then.
    """

    model: str
    blocks: int
    block_size: int = 16
    tokens: int | None
    utilization: str = "0.9"
    usage: Share
    preemptions: Share = NEVER
    usage_name: UsageName = UsageName.NEW
    ready: float = 60.0

    def metrics(self, seconds: float, accept: str) -> tuple[str, str] | None:
        """The content type and the text in the format that the client prefers; None before it is ready."""
        return exposed(self._families(seconds), accept) if seconds >= self.ready else None

    def _families(self, seconds: float) -> Iterator[Metric]:
        names, values = ("engine", "model_name"), ("0", self.model)
        for name in self.usage_name.value:
            help_ = "KV-cache usage. 1 means 100 percent usage."
            if name.startswith("vllm:gpu_"):
                help_ = "GPU " + help_ + (_DEPRECATED if self.usage_name is UsageName.BOTH else "")
            usage = GaugeMetricFamily(name, help_, labels=names)
            usage.add_metric(values, self.usage(seconds))
            yield usage
        preemptions = CounterMetricFamily(
            "vllm:num_preemptions", "Cumulative number of preemption from the engine.", labels=names
        )
        preemptions.add_metric(values, int(self.preemptions(seconds)))
        yield preemptions
        configuration = self._configuration()
        info = GaugeMetricFamily(
            "vllm:cache_config_info", "Information of the LLMEngine CacheConfig", labels=tuple(configuration)
        )
        info.add_metric(tuple(configuration.values()), 1)
        yield info

    def _configuration(self) -> dict[str, str]:
        found = {
            "block_size": str(self.block_size),
            "cache_dtype": "auto",
            "cpu_offload_gb": "0",
            "enable_prefix_caching": "True",
            "engine": "0",
            "gpu_memory_utilization": self.utilization,
            "is_attention_free": "False",
            "num_cpu_blocks": "None",
            "num_gpu_blocks": str(self.blocks),
            "num_gpu_blocks_override": "None",
            "sliding_window": "None",
        }
        if self.tokens is not None:
            found |= {"kv_cache_memory_bytes": "None", "kv_cache_size_tokens": str(self.tokens)}
        return found
