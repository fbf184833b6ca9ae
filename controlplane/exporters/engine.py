"""What vLLM and SGLang share: both serve prometheus_client, whose own text this is.

Asked by a Prometheus before 3.0, or by one that takes legacy names only, it writes `vllm_...` and `sglang_...` where
the engine says `vllm:...` and `sglang:...` (prometheus/client_python#1177); a reader of these series must accept both.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector


@dataclass(frozen=True, slots=True, eq=False)
class _Fixed(Collector):
    families: tuple[Metric, ...]

    def collect(self) -> Iterator[Metric]:
        yield from self.families


def exposed(families: Iterable[Metric], accept: str) -> tuple[str, str]:
    """The content type and the text in the format that the client prefers: OpenMetrics for Prometheus."""
    registry = CollectorRegistry()
    registry.register(_Fixed(tuple(families)))
    encoder, content_type = choose_encoder(accept)
    return content_type, encoder(registry).decode()
