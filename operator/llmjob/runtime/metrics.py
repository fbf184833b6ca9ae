"""What Prometheus reads; names and labels are the contract's. Predictions are read at each scrape from what is known
then, so that the series of deleted jobs and vanished classes disappear.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from llmjob.decision.verdict import Verdict
from llmjob.estimator.interval import Interval
from llmjob.fleet.fleet import Fleet
from llmjob.runtime.judgement import Judgement
from llmjob.runtime.pod_view import JoinedPod
from llmjob.runtime.usage.actual import Actual
from llmjob.runtime.views import Key, View

_BUCKETS: Final = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 3.0)
_ROLE: Final = ("namespace", "llmjob", "role")


class Admissions:
    """Counters of the webhook."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._requests = Counter(
            "llmjob_admission_requests_total",
            "Admission requests answered, by what was asked and how it ended.",
            ("webhook", "operation", "outcome", "reason"),
            registry=registry,
        )
        self._duration = Histogram(
            "llmjob_admission_duration_seconds",
            "Time to answer an admission request.",
            ("webhook",),
            buckets=_BUCKETS,
            registry=registry,
        )

    def count(self, webhook: str, operation: str, outcome: str, reason: str, seconds: float) -> None:
        """One answered request."""
        self._requests.labels(webhook, operation, outcome, reason).inc()
        self._duration.labels(webhook).observe(seconds)


class ProcessState(Collector):
    """Ages of the views."""

    def __init__(self, views: Mapping[str, View]) -> None:
        self._views = views

    def collect(self) -> Iterator[Metric]:
        age = GaugeMetricFamily("llmjob_view_age_seconds", "Time since the view's last news.", labels=("view",))
        for name, view in self._views.items():
            if view.synced:
                age.add_metric((name,), view.age)
        yield age


class CertificateState(Collector):
    """The certificate: when it expires, and (webhook) whether what was mounted last is in use."""

    def __init__(self, expiry: Callable[[], float | None], reloaded: Callable[[], bool] | None = None) -> None:
        self._expiry, self._reloaded = expiry, reloaded

    def collect(self) -> Iterator[Metric]:
        expiry = self._expiry()
        if expiry is not None:
            yield GaugeMetricFamily(
                "llmjob_certificate_expiry_timestamp_seconds", "When the webhook's certificate expires.", value=expiry
            )
        if self._reloaded is not None:
            yield GaugeMetricFamily(
                "llmjob_certificate_last_reload_successful",
                "1 where the mounted certificate is in use, 0 where it is absent or bad and the last good one is kept.",
                value=self._reloaded(),
            )


class Rotations:
    """Certificates that the controller made."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._total = Counter(
            "llmjob_certificate_rotations_total", "Certificates made for the webhook.", registry=registry
        )

    def count(self) -> None:
        """One more."""
        self._total.inc()


class SettingsState(Collector):
    """Whether the settings in force are those that are written."""

    def __init__(self, successful: Callable[[], bool]) -> None:
        self._successful = successful

    def collect(self) -> Iterator[Metric]:
        yield GaugeMetricFamily(
            "llmjob_settings_last_reload_successful",
            "1 where the settings in force are those written, 0 where those cannot be read and older ones stay.",
            value=self._successful(),
        )


class FleetState(Collector):
    """GPU classes of the moment."""

    def __init__(self, fleet: Callable[[], Fleet]) -> None:
        self._fleet = fleet

    def collect(self) -> Iterator[Metric]:
        nodes = GaugeMetricFamily("llmjob_gpu_class_nodes", "Nodes of a GPU class.", labels=("class",))
        gpus = GaugeMetricFamily(
            "llmjob_gpu_class_gpus", "GPUs of a class, as the scheduler hands them out.", labels=("class",)
        )
        memory = GaugeMetricFamily(
            "llmjob_gpu_class_memory_bytes", "Memory per GPU of a class.", labels=("class", "kind")
        )
        fleet = self._fleet()
        offered = fleet.gpus()
        for gpu_class in fleet.classes():
            nodes.add_metric((gpu_class.name,), gpu_class.nodes)
            gpus.add_metric((gpu_class.name,), offered.get(gpu_class.name, 0))
            for kind, found in (("reported", gpu_class.reported), ("usable", gpu_class.usable)):
                if found is not None:
                    memory.add_metric((gpu_class.name, f"{kind}_lower"), found.lower)
                    memory.add_metric((gpu_class.name, f"{kind}_upper"), found.upper)
        yield from (nodes, gpus, memory)


class PodState(Collector):
    """Which pods run which job: what joins the exporters' series to the jobs."""

    def __init__(self, joined: Callable[[], Iterable[JoinedPod]]) -> None:
        self._joined = joined

    def collect(self) -> Iterator[Metric]:
        info = GaugeMetricFamily(
            "llmjob_pod_info", "A running pod of an LLMJob.", labels=("namespace", "pod", "llmjob", "role", "class")
        )
        for found in self._joined():
            pod = found.pod
            info.add_metric((pod.namespace, pod.name, pod.job, pod.role, found.gpu_class), 1)
        yield info


class OutOfMemory(Collector):
    """How often each role of a job ran out of GPU memory; 0 where it never did, so that increase() sees the first."""

    def __init__(self, judgements: Callable[[], Iterable[Judgement]], count: Callable[[Key, str], int]) -> None:
        self._judgements, self._count = judgements, count

    def collect(self) -> Iterator[Metric]:
        total = CounterMetricFamily(
            "llmjob_gpu_out_of_memory", "Containers that ended because a GPU had no memory left.", labels=_ROLE
        )
        for judgement in self._judgements():
            job = (judgement.namespace, judgement.name)
            for role in judgement.roles:
                total.add_metric((*job, role.name), self._count(job, role.name))
        yield total


class Predictions(Collector):
    """What is predicted of every job there is."""

    def __init__(self, judgements: Callable[[], Iterable[Judgement]]) -> None:
        self._judgements = judgements

    def collect(self) -> Iterator[Metric]:
        info = GaugeMetricFamily(
            "llmjob_info", "A role of an LLMJob.", labels=(*_ROLE, "engine", "method", "reference_class")
        )
        memory = GaugeMetricFamily(
            "llmjob_estimated_gpu_memory_bytes",
            "Estimated memory per GPU on the worst rank.",
            labels=(*_ROLE, "measure", "bound"),
        )
        parts = GaugeMetricFamily(
            "llmjob_estimated_gpu_memory_component_bytes",
            "One part of the estimated memory per GPU.",
            labels=(*_ROLE, "component", "bound"),
        )
        per_token = GaugeMetricFamily(
            "llmjob_kv_cache_bytes_per_token", "KV cache per token on the worst rank.", labels=_ROLE
        )
        fits = GaugeMetricFamily("llmjob_fits", "1 where it fits, 0 where it does not.", labels=_ROLE)
        reasons = GaugeMetricFamily("llmjob_verdict_info", "The verdict's reason.", labels=(*_ROLE, "reason"))
        for judgement in self._judgements():
            for role in judgement.roles:
                verdict = role.verdict
                place = (judgement.namespace, judgement.name, role.name)
                info.add_metric((*place, role.engine or "", role.method or "", verdict.reference_class or ""), 1)
                reasons.add_metric((*place, str(verdict.reason)), 1)
                if verdict.fits is not None:
                    fits.add_metric(place, verdict.fits)
                _add_estimate(verdict, place, memory, parts, per_token)
        yield from (info, memory, parts, per_token, fits, reasons)


class ActualState(Collector):
    """What is in use, and whether that could be asked for."""

    def __init__(self, actual: Callable[[], Iterable[Actual]], successful: Callable[[], bool | None]) -> None:
        self._actual, self._successful = actual, successful

    def collect(self) -> Iterator[Metric]:
        memory = GaugeMetricFamily(
            "llmjob_actual_gpu_memory_bytes",
            "Highest sample on the fullest GPU since the job is as it is.",
            labels=(*_ROLE, "kind"),
        )
        moment = GaugeMetricFamily(
            "llmjob_actual_gpu_memory_timestamp_seconds", "When the newest sample was taken.", labels=(*_ROLE, "kind")
        )
        error = GaugeMetricFamily(
            "llmjob_estimate_error_ratio",
            "(actual - expected) / expected, of the kind that compares.",
            labels=(*_ROLE, "kind"),
        )
        for found in self._actual():
            labels = (*found.place, str(found.kind))
            memory.add_metric(labels, found.reading.highest)
            moment.add_metric(labels, found.reading.last)
            if found.error is not None:
                error.add_metric(labels, found.error)
        yield from (memory, moment, error)
        successful = self._successful()
        if successful is not None:
            yield GaugeMetricFamily(
                "llmjob_usage_last_query_successful",
                "1 where Prometheus answered the last question for actual use, 0 where older values stay.",
                value=successful,
            )


def _add_estimate(
    verdict: Verdict,
    place: tuple[str, str, str],
    memory: GaugeMetricFamily,
    parts: GaugeMetricFamily,
    per_token: GaugeMetricFamily,
) -> None:
    estimate = verdict.estimate
    if estimate is None:
        return
    measures = {"process": estimate.per_gpu}
    if estimate.measures is not None:
        measures = {
            "allocated": estimate.measures.allocated,
            "reserved": estimate.measures.reserved,
            "process": estimate.measures.process,
        }
    for measure, interval in measures.items():
        for bound, value in _bounds(interval):
            memory.add_metric((*place, measure, bound), value)
    for component in estimate.components:
        for bound, value in _bounds(component.memory):
            parts.add_metric((*place, str(component.name), bound), value)
    if estimate.kv_bytes_per_token is not None:
        per_token.add_metric(place, estimate.kv_bytes_per_token)


def _bounds(interval: Interval) -> tuple[tuple[str, int], ...]:
    return ("lower", interval.lower), ("expected", interval.expected), ("upper", interval.upper)
