"""SGLang's static share: the part of a GPU that weights and KV pool have together."""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor
from typing import Any, Self

from llmjob.estimator.gpu import GPU
from llmjob.estimator.interval import Interval, Range
from llmjob.estimator.task import Inference
from llmjob.quantity import GB, GiB, MiB

_FIXED = 512 * MiB
_PER_TOKEN = Fraction(3, 2) * MiB
_PER_RANK = Fraction(1024, 8) * MiB
_PER_SEQUENCE = 2 * MiB


@dataclass(frozen=True, slots=True)
class StaticShare:
    """Constants of rules.toml: the share of older versions, the residual of a pool, and the tiers of the reserve."""

    older: Fraction
    residual: Fraction
    tiers: tuple[Mapping[str, int], ...]

    @classmethod
    def read(cls, raw: Mapping[str, Any]) -> Self:
        return cls(older=raw["older"], residual=raw["residual"], tiers=tuple(raw["tiers"]))

    def available(self, task: Inference, gpu: GPU) -> Range:
        """Bytes for weights and KV pool: the stated share (gpuMemoryUtilization), else the span of the defaults."""
        usable = gpu.usable
        if task.gpu_memory_utilization is not None:
            share = task.gpu_memory_utilization
            return Range(floor(usable.lower * share), floor(usable.upper * share))
        ends = [
            amount
            for memory in (usable.lower, usable.upper)
            for amount in (floor(memory * self.older), max(0, memory - self._reserve(task, memory)))
        ]
        return Range(min(ends), max(ends))

    def pool(self, available: Range, weights: Interval) -> Interval:
        """Bytes of the KV pool."""
        middle = (available.lower + available.upper) // 2
        expected = max(0, middle - weights.expected)
        doubt = ceil(expected * self.residual)
        return Interval(
            max(0, min(expected, available.lower - weights.upper - doubt)),
            expected,
            max(expected, available.upper - weights.lower + doubt),
        )

    def _reserve(self, task: Inference, memory: int) -> int:
        tier = [tier for tier in self.tiers if memory >= tier["from_gb"] * GB][-1]
        ranks = task.parallelism.tensor * task.parallelism.pipeline
        tokens = task.max_num_batched_tokens or tier["chunk"]
        reserve = ceil(_FIXED + _PER_TOKEN * tokens + _PER_RANK * ranks + _PER_SEQUENCE * tier["batch"])
        return max(reserve, tier["least"] * GiB)
