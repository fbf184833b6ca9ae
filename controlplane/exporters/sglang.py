"""SGLang's /metrics (with --enable-metrics), as far as it tells of memory.

Source, sgl-project/sglang at 016d860: python/sglang/srt/observability/metrics_collector.py (names, help; labels
model_name, engine_type, tp_rank, pp_rank, moe_ep_rank and, with data parallelism, dp_rank; prometheus_client serves
them). Only the first tensor rank reports.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric

from controlplane.exporters.courses import Share
from controlplane.exporters.engine import exposed


@dataclass(frozen=True, slots=True, kw_only=True)
class SGLang:
    """One server, ready at `ready` seconds of the course: a pool of `tokens`, `usage` the share of it in use.

    `ranks` is its data parallelism: each rank has a pool of its own of that size.
    """

    model: str
    tokens: int
    usage: Share
    ranks: int = 1
    ready: float = 60.0

    def metrics(self, seconds: float, accept: str) -> tuple[str, str] | None:
        """The content type and the text in the format that the client prefers; None before it is ready."""
        return exposed(self._families(seconds), accept) if seconds >= self.ready else None

    def _families(self, seconds: float) -> Iterator[Metric]:
        usage = self.usage(seconds)
        figures = {
            "token_usage": ("The token usage.", usage),
            "num_used_tokens": ("The number of used tokens.", int(usage * self.tokens)),
            "max_total_num_tokens": ("Maximum total number of tokens in the KV cache pool.", self.tokens),
        }
        place = {"engine_type": "unified", "model_name": self.model, "moe_ep_rank": "0", "pp_rank": "0", "tp_rank": "0"}
        ranks = [{"dp_rank": str(rank)} for rank in range(self.ranks)] if self.ranks > 1 else [{}]
        for name, (help_, value) in figures.items():
            family = GaugeMetricFamily(f"sglang:{name}", help_, labels=(*ranks[0], *place))
            for rank in ranks:
                family.add_metric((*rank.values(), *place.values()), value)
            yield family
