"""What of an estimate is compared with what of a row."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction

from benchmarks.accuracy.case import Case, Row
from llmjob.estimator.interval import Interval
from llmjob.estimator.result import ComponentName, Estimate, Measures
from llmjob.estimator.task import Inference
from llmjob.quantity import GiB, MiB

_FULL = Fraction(95, 100)  # of a card, from which on a figure says "full"


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """A predicted interval and the truth, which a log rounds to [low, high]; the error is relative to `denominator`."""

    predicted: Interval
    low: int
    high: int
    denominator: int

    @property
    def inside(self) -> bool:
        return self.predicted.lower <= self.high and self.low <= self.predicted.upper

    @property
    def error(self) -> float:
        """(expected − truth) ÷ denominator, the middle of the rounding standing for the truth."""
        middle = (self.low + self.high) // 2
        return (self.predicted.expected - middle) / self.denominator


Measure = Callable[[Row, Case, Estimate], Comparison]


def printed(text: str, unit: int = GiB) -> tuple[int, int]:
    """The bytes that a printed figure may stand for: half of its last digit either way."""
    digits = len(text.partition(".")[2])
    half = Fraction(1, 2 * 10**digits)
    value = Fraction(text)
    return int(max(Fraction(0), value - half) * unit), int((value + half) * unit)


def weights(row: Row, _: Case, estimate: Estimate) -> Comparison:
    return _component(estimate.component(ComponentName.WEIGHTS), row["weights_gib"])


def kv_of_one_sequence(row: Row, _: Case, estimate: Estimate) -> Comparison:
    low, high = int(row["kv_bytes_per_seq_low"]), int(row["kv_bytes_per_seq_high"])
    return Comparison(
        predicted=estimate.component(ComponentName.KV_CACHE), low=low, high=high, denominator=(low + high) // 2
    )


def activation_peak(row: Row, _: Case, estimate: Estimate) -> Comparison:
    """The fullest rank's peak."""
    return _component(_step(estimate), max(row["torch_peak_all_ranks"].split(), key=Fraction))


def activation(row: Row, _: Case, estimate: Estimate) -> Comparison:
    return _component(_step(estimate), row["activation_peak_gib"])


def pool_h100(row: Row, case: Case, estimate: Estimate) -> Comparison:
    return _pool(row["kv_avail_gib_min_rank"], case, estimate)


def pool(row: Row, case: Case, estimate: Estimate) -> Comparison:
    return _pool(row["kv_cache_gib"], case, estimate)


def total_peak(row: Row, _: Case, estimate: Estimate) -> Comparison:
    """The allocator's peak of a whole run."""
    return _exact(_measures(estimate).allocated, int(row["total_peak_bytes"]))


def weights_and_kv(row: Row, _: Case, estimate: Estimate) -> Comparison:
    predicted = estimate.component(ComponentName.WEIGHTS) + estimate.component(ComponentName.KV_CACHE)
    return _exact(predicted, int(row["total_peak_bytes"]))


def cache_buffers(row: Row, _: Case, estimate: Estimate) -> Comparison:
    """The K and V buffers together, over all devices."""
    return _component(estimate.component(ComponentName.KV_CACHE), row["kv_cache_gib"])


def allocated(row: Row, _: Case, estimate: Estimate) -> Comparison:
    return _exact(_measures(estimate).allocated, int(row["peak_bytes"]))


def reserved(row: Row, _: Case, estimate: Estimate) -> Comparison:
    return _exact(_measures(estimate).reserved, int(row["peak_bytes"]))


def process_censored(row: Row, _: Case, estimate: Estimate) -> Comparison:
    """A figure near the card's size shows only that the job ran within it: a larger prediction is then no error."""
    truth = int(row["peak_bytes"])
    predicted = _measures(estimate).process
    full = row["gpu_mem_total_gib"] and truth >= _FULL * Fraction(row["gpu_mem_total_gib"]) * GiB
    if full and predicted.expected > truth:
        return _exact(Interval(min(predicted.lower, truth), truth, max(predicted.upper, truth)), truth)
    return _exact(predicted, truth)


def t4_allocated(row: Row, _: Case, estimate: Estimate) -> Comparison:
    return _exact(_measures(estimate).allocated, int(Fraction(row["peak_alloc_mib"]) * MiB))


def t4_process(row: Row, _: Case, estimate: Estimate) -> Comparison:
    return _exact(_measures(estimate).process, int(Fraction(row["process_mib"]) * MiB))


def peak_allocated_bytes(row: Row, _: Case, estimate: Estimate) -> Comparison:
    return _exact(_measures(estimate).allocated, int(row["peak_allocated_bytes"]))


def _measures(estimate: Estimate) -> Measures:
    if estimate.measures is None:
        raise ValueError("the estimate has no three measures")
    return estimate.measures


def _exact(predicted: Interval, truth: int) -> Comparison:
    return Comparison(predicted=predicted, low=truth, high=truth, denominator=truth)


def _pool(text: str, case: Case, estimate: Estimate) -> Comparison:
    """Errors are relative to what the engine may use: utilisation × total."""
    if estimate.serving is None or estimate.budget is None or estimate.budget.available is None:
        raise ValueError("the estimate offers no pool")
    assert isinstance(case.task, Inference)
    low, high = printed(text)
    return Comparison(
        predicted=estimate.serving.kv_pool, low=low, high=high, denominator=estimate.budget.available.upper
    )


def _step(estimate: Estimate) -> Interval:
    return estimate.component(ComponentName.ACTIVATIONS) + estimate.component(ComponentName.LOGITS)


def _component(predicted: Interval, text: str) -> Comparison:
    low, high = printed(text)
    return Comparison(predicted=predicted, low=low, high=high, denominator=(low + high) // 2)


MEASURES: Mapping[str, Measure] = {
    "weights": weights,
    "kv-of-one-sequence": kv_of_one_sequence,
    "activation-peak": activation_peak,
    "activation": activation,
    "pool-h100": pool_h100,
    "pool": pool,
    "total-peak": total_peak,
    "weights-and-kv": weights_and_kv,
    "cache-buffers": cache_buffers,
    "allocated": allocated,
    "reserved": reserved,
    "process-censored": process_censored,
    "t4-allocated": t4_allocated,
    "t4-process": t4_process,
    "peak-allocated-bytes": peak_allocated_bytes,
}
