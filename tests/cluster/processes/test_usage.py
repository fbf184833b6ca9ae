"""Actual use: a real Prometheus scrapes exporters that replay measured runs, and the controller writes what it says."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from controlplane.exporters import DCGM, VLLM, Card, Course, Occupant, Server, Share, Sharing, devices, measured
from controlplane.installation import METRICS_PORT, NAMESPACE
from controlplane.monitoring import Monitoring, Target
from observability.rules import rules
from tests.cluster.support import Clock

MIB = 2**20
GIB = 2**30
SETTINGS = {"inventory": {"complete": True}}
Space = Callable[..., str]


@dataclass
class Scene:
    """A Prometheus that scrapes each second, exporters, and a controller that asks each second."""

    running: Any
    exporters: Server
    prometheus: Monitoring
    clock: Clock
    targets: list[Target] = field(default_factory=list)

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
        found = [(item["status"], item["reason"]) for item in conditions if item["type"] == "UsageObserved"]
        return found[0] if found else None

    def scrape_the_controller(self, rules: Path) -> None:
        """From now on Prometheus has what is predicted too, and evaluates these rules."""
        [replica] = self.running.release.replicas("controller")
        own = {"namespace": NAMESPACE, "pod": replica.name}
        url = f"http://{replica.address}:{METRICS_PORT}/metrics"
        controller = Target(job="llmjob", url=url, labels=own, honor_labels=True)
        self.prometheus.reload(targets=[*self.targets, controller], rules=[rules])

    def samples(self, place: str) -> dict[tuple[str, str], float]:
        """The controller's metrics of a namespace, by name and kind."""
        [samples] = self.running.samples("controller")
        return {
            (name, dict(labels).get("kind", "")): value
            for (name, labels), value in samples.items()
            if dict(labels).get("namespace") == place
        }


@contextmanager
def scene_of(running: Any, **engines: dict[str, str]) -> Iterator[Scene]:
    """`engines` are more targets, with their labels."""
    clock, own = Clock(), {"namespace": "gpu-operator", "pod": "dcgm-x7"}
    with Server(clock=clock) as exporters:
        targets = [
            Target(job=name, url=exporters.url(name), labels=labels)
            for name, labels in {"dcgm": own, **engines}.items()
        ]
        with Monitoring.start(running.cluster, targets) as prometheus:
            yield Scene(running, exporters, prometheus, clock, targets)
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


def test_an_engine_that_fills_the_card_is_measured_by_what_it_needs(running: Any, space: Space) -> None:
    place = space("warn")
    run = measured.vllm_on_h100("Qwen/Qwen3-8B")
    assert run.pool_tokens is not None
    assert run.pool_bytes is not None
    engine = VLLM(model=run.model, blocks=run.pool_tokens // 16, tokens=run.pool_tokens, usage=Share(((60, 0.25),)))
    spec = {"model": {"id": run.model}, "inference": {"engine": "vLLM", "maxModelLen": 8192, "concurrency": 16}}
    with scene_of(running, vllm={"namespace": place, "pod": "serve-0"}) as scene:
        pod = scene.started(place, running.llmjob("serve", spec=spec), "serve-0")
        scene.expose(pod, uses={f"{place}/serve-0": run.gpus})
        scene.exporters.add("vllm", engine)
        scene.clock.seconds = 1e4
        scene.ask()
        ready = run.gpus[0].peak // MIB * MIB
        kinds = scene.observed(
            place, "serve", lambda kinds: "need" in kinds and amount(kinds["used"]["sampledMax"]) == ready
        )
    # What vLLM itself logged as its pool's bytes, three quarters of which nobody used.
    assert amount(kinds["need"]["sampledMax"]) == pytest.approx(ready - 0.75 * run.pool_bytes, rel=0.01)
    assert kinds["need"]["source"] == "DCGM and the engine"
    assert "errorPercent" in kinds["need"]
    assert "errorPercent" not in kinds["used"]
    assert running.job(place, "serve")["status"]["summary"]["used"].startswith(f"{ready / GIB:.1f} GiB (needs ")


def test_status_and_recording_rules_say_the_same(running: Any, space: Space, tmp_path: Path) -> None:
    """Two implementations, one of them in PromQL: use and need of a job with two pods."""
    place = space("warn")
    run = measured.vllm_on_h100("Qwen/Qwen3-8B")
    assert run.pool_tokens is not None
    engine = VLLM(model=run.model, blocks=run.pool_tokens // 16, tokens=run.pool_tokens, usage=Share(((60, 0.25),)))
    spec = {"model": {"id": run.model}, "inference": {"engine": "vLLM", "maxModelLen": 8192, "concurrency": 16}}
    file = tmp_path / "rules.yaml"
    file.write_text(rules(30), encoding="utf-8")
    with scene_of(running, vllm={"namespace": place, "pod": "serve-0"}) as scene:
        pods = [scene.started(place, running.llmjob("serve", spec=spec), name) for name in ("serve-0", "serve-1")]
        other = measured.fine_tuning("T0115").gpus
        scene.expose(*pods, uses={f"{place}/serve-0": run.gpus, f"{place}/serve-1": other})
        scene.exporters.add("vllm", engine)
        scene.clock.seconds = 1e4
        scene.ask()
        scene.scrape_the_controller(file)
        of_job = f'{{namespace="{place}",llmjob="serve",role="main"}}'
        [need] = scene.prometheus.wait_for(f"llmjob:gpu_memory_needed_bytes:max{of_job}", 60)
        [used] = scene.prometheus.wait_for(f"llmjob:gpu_memory_used_bytes:max{of_job}", 60)
        kinds = scene.observed(place, "serve", lambda kinds: "need" in kinds)
        assert amount(kinds["used"]["sampledMax"]) == used.value
        assert amount(kinds["need"]["sampledMax"]) == pytest.approx(need.value, abs=1)


def test_use_outlives_prometheus_and_a_restart_of_the_controller(scene: Scene, space: Space) -> None:
    running, place = scene.running, space("warn")
    pod = scene.started(place, running.llmjob("sft"), "sft-0")
    run = measured.fine_tuning("T0115")
    scene.expose(pod, uses={f"{place}/sft-0": run.gpus})
    scene.clock.seconds = 1e4
    scene.ask(statusInterval="10m")
    peak = run.gpus[0].peak // MIB * MIB
    scene.observed(place, "sft", lambda kinds: amount(kinds["used"]["sampledMax"]) == peak)
    status = running.job(place, "sft")["status"]

    scene.prometheus.stop()
    successful = ("llmjob_usage_last_query_successful", frozenset())
    running.eventually(lambda: running.samples("controller")[0].get(successful) == 0, 60)
    before = scene.samples(place)
    assert before["llmjob_actual_gpu_memory_bytes", "used"] == peak
    # Nothing else waits for it.
    running.apply(running.llmjob("other"), namespace=place)
    running.judged(place, "other")

    with running.away("controller"):
        pass
    running.eventually(lambda: running.samples("controller")[0].get(successful) == 0, 60)
    after = running.eventually(lambda: (found := scene.samples(place)).get(
        ("llmjob_actual_gpu_memory_bytes", "used")) and found, 60)  # fmt: skip
    assert after["llmjob_actual_gpu_memory_bytes", "used"] == peak
    # The status tells the age in whole seconds, and of the sample that was written.
    told = after["llmjob_actual_gpu_memory_timestamp_seconds", "used"]
    assert told <= before["llmjob_actual_gpu_memory_timestamp_seconds", "used"]
    assert f"{datetime.fromtimestamp(told, UTC):%Y-%m-%dT%H:%M:%SZ}" == kind_of(status, "used")["lastSample"]
    assert running.job(place, "sft")["status"] == status


def kind_of(status: dict[str, Any], kind: str) -> dict[str, Any]:
    """A kind of the first role's `observed`."""
    [found] = [item for item in status["roles"][0]["observed"]["kinds"] if item["kind"] == kind]
    assert isinstance(found, dict)
    return found


def test_a_card_that_several_pods_share_is_nobody_s(scene: Scene, space: Space) -> None:
    """Two pods on one card, as dcgm-exporter tells it by default: one of them, at random."""
    running, place = scene.running, space("warn")
    first = scene.started(place, running.llmjob("a"), "a-0")
    scene.started(place, running.llmjob("b"), "b-0")
    run = measured.fine_tuning("T0115").gpus[0]
    occupants = tuple(Occupant(namespace=place, pod=pod, use=run) for pod in ("a-0", "b-0"))
    alone = Occupant(namespace=place, pod="c-0", use=run)
    scene.started(place, running.llmjob("c"), "c-0")
    cards = [
        Card(index=index, uuid=f"GPU-{index}", model="A", memory=80 * GIB, occupants=found)
        for index, found in enumerate((occupants, (alone,)))
    ]
    node = first["spec"]["nodeName"]
    scene.exporters.add("dcgm", DCGM(node=node, cards=tuple(cards), interval=1, sharing=Sharing.MIRRORED))
    scene.clock.seconds = 1e4
    scene.ask()
    scene.observed(place, "c", lambda kinds: "used" in kinds)
    for name in ("a", "b"):
        assert "observed" not in running.job(place, name)["status"]["roles"][0]
        assert scene.condition(place, name) in {("False", "NotObservedYet"), ("Unknown", "NoSamples")}
