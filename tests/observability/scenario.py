"""A script of five roles on two classes: what the operator would write, and what exporters say of their GPUs.

The figures are chosen so that what follows from them can be told in the head. GiB are 2^30 bytes. They stand still;
the pictures of the documentation give some of them a course, by what the exporters here take.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from typing import TypeAlias

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from controlplane.exporters import DCGM, VLLM, Card, Occupant, Share
from controlplane.exporters.courses import Course
from llmjob.runtime.metrics import Admissions

GIB = 2**30
# Expires in thirty days; read once, so that the script knows it too.
EXPIRY = time.time() + 30 * 86400
L4, A100 = "nvidia-l4", "nvidia-a100-80gb"

# Engine, method, GPU class; lower, expected, upper in GiB; what its GPU holds in GiB, 0 where it has no pod.
JOBS = {
    "train": ("", "LoRA", L4, (12, 14, 16), 15),
    "drift": ("", "LoRA", L4, (10, 12, 16), 18),
    "full": ("", "Full", A100, (30, 50, 60), 40),
    "chat": ("vLLM", "", A100, (40, 45, 60), 70),
    "huge": ("", "Full", A100, (400, 500, 600), 0),
}
COMPONENTS = {"Weights": 30, "KVCache": 10, "Runtime": 5}
CLASSES = {L4: (2, 8, (23, 24), (20, 22)), A100: (1, 8, (80, 80), (76, 78))}
# chat's pool: 131072 tokens of 256 KiB are 32 GiB; half of it was used, so it needs 70 − 16 = 54.
TOKENS, BYTES_PER_TOKEN, USAGE = 131072, 2**18, 0.5


Told: TypeAlias = Callable[[float], int]


class Count:
    """Of something that happens: as often as `told` says of the script's seconds, or once each time it is asked."""

    def __init__(self, told: Told | None) -> None:
        self._told, self.value = told, 0

    def more(self, seconds: float) -> int:
        """How often since it was last asked."""
        before, self.value = self.value, self.value + 1 if self._told is None else self._told(seconds)
        return self.value - before


class Operator(Collector):
    """Both processes in one: predictions, fleet, the state of the processes, and admission as the product counts it.

    At each scrape as many requests are allowed as `allowed` says of the script's seconds. By then there were as many
    errors, and chat had run out of memory as often, as `errors` and `exhausted` say; without them once a scrape.
    """

    def __init__(
        self, *, allowed: Told | None = None, errors: Told | None = None, exhausted: Told | None = None
    ) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(self)
        self._admissions = Admissions(self._registry)
        self._allowed, self._errors, self._exhausted = allowed or (lambda _: 8), Count(errors), Count(exhausted)

    def metrics(self, seconds: float, accept: str) -> tuple[str, str]:
        """Those that are allowed, one denied, and the errors, each of three milliseconds."""
        del accept
        self._exhausted.more(seconds)
        answers = [("allowed", "Fits")] * self._allowed(seconds) + [("denied", "InsufficientGPUMemory")]
        for outcome, reason in [*answers, *[("error", "")] * self._errors.more(seconds)]:
            self._admissions.count("pods", "CREATE", outcome, reason, 0.003)
        return CONTENT_TYPE_PLAIN_0_0_4, generate_latest(self._registry).decode()

    def collect(self) -> Iterator[Metric]:
        yield from self._predictions()
        yield from _fleet()
        yield from _processes()
        memory = CounterMetricFamily(
            "llmjob_gpu_out_of_memory", "x", labels=("namespace", "llmjob", "role"), created=None
        )
        memory.add_metric(("ml", "chat", "main"), self._exhausted.value)
        yield memory

    @staticmethod
    def _predictions() -> Iterator[Metric]:
        role = ("namespace", "llmjob", "role")
        info = GaugeMetricFamily("llmjob_info", "x", labels=(*role, "engine", "method", "reference_class"))
        memory = GaugeMetricFamily("llmjob_estimated_gpu_memory_bytes", "x", labels=(*role, "measure", "bound"))
        parts = GaugeMetricFamily(
            "llmjob_estimated_gpu_memory_component_bytes", "x", labels=(*role, "component", "bound")
        )
        per_token = GaugeMetricFamily("llmjob_kv_cache_bytes_per_token", "x", labels=role)
        fits = GaugeMetricFamily("llmjob_fits", "x", labels=role)
        verdict = GaugeMetricFamily("llmjob_verdict_info", "x", labels=(*role, "reason"))
        pods = GaugeMetricFamily("llmjob_pod_info", "x", labels=("namespace", "pod", "llmjob", "role", "class"))
        per_token.add_metric(("ml", "chat", "main"), BYTES_PER_TOKEN)
        for name, (engine, method, gpu_class, bounds, used) in JOBS.items():
            place = ("ml", name, "main")
            info.add_metric((*place, engine, method, gpu_class), 1)
            for bound, value in zip(("lower", "expected", "upper"), bounds, strict=True):
                memory.add_metric((*place, "process", bound), value * GIB)
            fits.add_metric(place, used > 0)
            verdict.add_metric((*place, "Fits" if used else "InsufficientGPUMemory"), 1)
            if used:
                pods.add_metric(("ml", f"{name}-0", name, "main", gpu_class), 1)
        for name, value in COMPONENTS.items():
            parts.add_metric(("ml", "chat", "main", name, "expected"), value * GIB)
            parts.add_metric(("ml", "chat", "main", name, "upper"), 2 * value * GIB)
        yield from (info, memory, parts, per_token, fits, verdict, pods)


def _fleet() -> Iterator[Metric]:
    nodes = GaugeMetricFamily("llmjob_gpu_class_nodes", "x", labels=("class",))
    gpus = GaugeMetricFamily("llmjob_gpu_class_gpus", "x", labels=("class",))
    memory = GaugeMetricFamily("llmjob_gpu_class_memory_bytes", "x", labels=("class", "kind"))
    for name, (count, offered, reported, usable) in CLASSES.items():
        nodes.add_metric((name,), count)
        gpus.add_metric((name,), offered)
        for kind, values in (("reported", reported), ("usable", usable)):
            for end, value in zip(("lower", "upper"), values, strict=True):
                memory.add_metric((name, f"{kind}_{end}"), value * GIB)
    yield from (nodes, gpus, memory)


def _processes() -> Iterator[Metric]:
    age = GaugeMetricFamily("llmjob_view_age_seconds", "x", labels=("view",))
    age.add_metric(("nodes",), 3)
    age.add_metric(("llmjobs",), 5)
    yield age
    yield GaugeMetricFamily("llmjob_settings_last_reload_successful", "x", value=1)
    yield GaugeMetricFamily("llmjob_certificate_expiry_timestamp_seconds", "x", value=EXPIRY)


class APIServer:
    """Lets a request through as often as `passed` says, or each time it is asked."""

    def __init__(self, passed: Told | None = None) -> None:
        self._passed = Count(passed)

    def metrics(self, seconds: float, accept: str) -> tuple[str, str]:
        del accept
        self._passed.more(seconds)
        name = "apiserver_admission_webhook_fail_open_count"
        labels = 'name="pods.warn.validate.llmjob.dev",type="admit"'
        return CONTENT_TYPE_PLAIN_0_0_4, f"# TYPE {name} counter\n{name}{{{labels}}} {self._passed.value}\n"


def gpus(courses: Mapping[str, Course] | None = None) -> DCGM:
    """One card for each job that runs, as dcgm-exporter tells of them; `courses` are by job."""
    told = courses or {}
    cards = tuple(
        Card(
            index=index,
            uuid=f"GPU-{name}",
            model="NVIDIA",
            memory=(80 if gpu_class == A100 else 24) * GIB,
            occupants=(Occupant(namespace="ml", pod=f"{name}-0", use=told.get(name, Course(((0, used * GIB),)))),),
        )
        for index, (name, (_, _, gpu_class, _, used)) in enumerate(JOBS.items())
        if used
    )
    return DCGM(node="n1", cards=cards, interval=1)


def engine(usage: Share | None = None) -> VLLM:
    """chat's."""
    return VLLM(model="m", blocks=TOKENS // 16, tokens=TOKENS, usage=usage or Share(((0, USAGE),)), ready=0)
