"""Actual use: a real Prometheus scrapes exporters that replay measured runs, and the controller writes what it says."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
import yaml

from controlplane.exporters import DCGM, Course, Server, devices, measured
from controlplane.monitoring import Monitoring, Target

MIB = 2**20
GIB = 2**30
SETTINGS = {"inventory": {"complete": True}}
Space = Callable[..., str]


@dataclass
class Clock:
    """The courses' time, told by the test."""

    seconds: float = 0.0

    def __call__(self) -> float:
        return self.seconds


@dataclass
class Scene:
    """A Prometheus that scrapes each second, exporters, and a controller that asks each second."""

    running: Any
    exporters: Server
    prometheus: Monitoring
    clock: Clock

    def ask(self, **settings: Any) -> None:
        wanted = {"url": self.prometheus.url, "interval": "1s", "statusInterval": "1s", **settings}
        self.running.set_settings(yaml.safe_dump({**SETTINGS, "prometheus": wanted}))

    def expose(self, *pods: dict[str, Any], uses: dict[str, tuple[Course, ...]]) -> None:
        """The cards of the node that these pods run on, by its dcgm-exporter."""
        node = self.running.cluster.client.request("GET", f"/api/v1/nodes/{pods[0]['spec']['nodeName']}")
        cards = devices.cards_of(node, pods, uses)
        self.exporters.add("dcgm", DCGM(node=node["metadata"]["name"], cards=cards, interval=1))

    def started(self, place: str, job: dict[str, Any], pod: str) -> dict[str, Any]:
        """A job and its one pod, running."""
        name = job["metadata"]["name"]
        running = self.running
        assert running.apply(job, running.new_pod(pod, name), namespace=place).returncode == 0
        running.judged(place, name)
        found = running.eventually(
            lambda: (it := running.pod(place, pod))["status"].get("phase") == "Running" and it, 60
        )
        assert isinstance(found, dict)
        return found

    def observed(self, place: str, name: str, condition: Callable[[dict[str, Any]], bool], timeout: float = 60) -> Any:
        """The first role's `observed` by kind, once it satisfies the condition."""

        def found() -> Any:
            role = (self.running.job(place, name).get("status", {}).get("roles") or [{}])[0]
            kinds = {item["kind"]: item for item in role.get("observed", {}).get("kinds", [])}
            return kinds if kinds and condition(kinds) else None

        return self.running.eventually(found, timeout)

    def condition(self, place: str, name: str) -> tuple[str, str] | None:
        """Status and reason of UsageObserved."""
        conditions = self.running.job(place, name).get("status", {}).get("conditions", [])
        return next((item["status"], item["reason"]) for item in conditions if item["type"] == "UsageObserved") if any(
            item["type"] == "UsageObserved" for item in conditions) else None  # fmt: skip

    def samples(self, place: str) -> dict[tuple[str, str], float]:
        """The controller's metrics of a namespace, by name and kind."""
        [samples] = self.running.samples("controller")
        return {
            (name, dict(labels).get("kind", "")): value
            for (name, labels), value in samples.items()
            if dict(labels).get("namespace") == place
        }


@contextmanager
def scene_of(running: Any, *targets: str) -> Iterator[Scene]:
    clock, own = Clock(), {"namespace": "gpu-operator", "pod": "dcgm-x7"}
    with Server(clock=clock) as exporters:
        found = [Target(job="dcgm", url=exporters.url("dcgm"), labels=own)]
        found += [Target(job=name, url=exporters.url(name), labels={}) for name in targets]
        with Monitoring.start(running.cluster, found) as prometheus:
            yield Scene(running, exporters, prometheus, clock)
    running.set_settings(yaml.safe_dump(SETTINGS))


@pytest.fixture
def scene(running: Any) -> Iterator[Scene]:
    with scene_of(running) as found:
        yield found


def amount(quantity: str) -> int:
    """A Quantity in bytes, read apart from the product."""
    number, suffix = re.fullmatch(r"(\d+)(Ki|Mi|Gi)?", quantity).groups()  # type: ignore[union-attr]
    return int(number) * {"Ki": 2**10, "Mi": MIB, "Gi": GIB, None: 1}[suffix]


def test_a_measured_run_is_written_into_status_and_metrics_and_is_not_the_prediction(
    scene: Scene, space: Space
) -> None:
    place = space("warn")
    pod = scene.started(place, scene.running.llmjob("sft"), "sft-0")
    run = measured.fine_tuning("T0115")
    scene.expose(pod, uses={f"{place}/sft-0": run.gpus})
    scene.clock.seconds = 1e4
    scene.ask()
    peak = run.gpus[0].peak // MIB * MIB
    kinds = scene.observed(place, "sft", lambda kinds: amount(kinds["used"]["sampledMax"]) == peak)
    assert set(kinds) == {"used"}
    assert kinds["used"]["source"] == "DCGM"
    status = scene.running.job(place, "sft")["status"]
    [chosen] = [item for item in status["roles"][0]["classes"] if item["name"] == status["roles"][0]["referenceClass"]]
    expected = amount(chosen["expected"])
    assert expected != peak
    assert kinds["used"]["errorPercent"] == round(100 * (peak - expected) / expected)
    assert scene.condition(place, "sft") == ("True", "Observed")
    assert status["summary"]["used"] == f"{peak / GIB:.1f} GiB"
    samples = scene.samples(place)
    assert samples["llmjob_actual_gpu_memory_bytes", "used"] == peak
    assert samples["llmjob_estimate_error_ratio", "used"] == pytest.approx((peak - expected) / expected)
