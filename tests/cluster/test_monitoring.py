"""A real Prometheus, 3.x and where Debian's is at hand 2.x, scrapes the exporters that play GPUs and engines."""

import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from controlplane import binaries, monitoring
from controlplane.exporters import AMD, DCGM, VLLM, Card, Occupant, Server, SGLang, Share, Slice, courses
from controlplane.monitoring import ConfigurationRefused, Monitoring, Target
from controlplane.ports import free_ports
from controlplane.process import ProcessFailed
from controlplane.promql import QueryFailed
from controlplane.scratch import Scratch
from controlplane.start import ControlPlane
from controlplane.tools import PROMETHEUS
from tests.cluster.support import Clock

MIB = 2**20
USED = "DCGM_FI_DEV_FB_USED"
SFT = Occupant(namespace="research", pod="sft-0", use=courses.training(12000 * MIB))
OLDER = monitoring.older()


def card(*occupants: Occupant, index: int = 0) -> Card:
    return Card(index=index, uuid=f"GPU-{index}", model="Tesla T4", memory=15360 * MIB, occupants=occupants)


def mig_card() -> Card:
    parts = tuple(Slice(profile="1g.12gb", instance=i, memory=11008 * MIB, occupant=SFT) for i in (7, 8))
    return Card(index=0, uuid="GPU-m", model="NVIDIA H100 NVL", memory=95830 * MIB, slices=parts)


EXPORTERS = {
    "dcgm": DCGM(node="n", cards=(card(SFT),)),
    "fast": DCGM(node="n", cards=(card(SFT),), interval=1),
    "several": DCGM(node="n", cards=(mig_card(), card(SFT, index=1), card(SFT, index=2))),
    "amd": AMD(node="n", cards=(card(SFT), card(index=1)), prefix="amd_"),
    "vllm": VLLM(model="m", blocks=1000, tokens=16000, usage=Share(((60, 0.25),))),
    "sglang": SGLang(model="m", tokens=5000, usage=Share(((60, 0.25),))),
}


@dataclass
class Scene:
    """A Prometheus that scrapes the exporters above, one job each; the clock of their courses."""

    prometheus: Monitoring
    exporters: Server
    clock: Clock

    def until(self, promql: str, condition: Callable[[list[float]], bool], timeout: float = 30.0) -> list[float]:
        """The values of a query once they satisfy the condition."""
        deadline = time.monotonic() + timeout
        while not condition(values := [sample.value for sample in self.prometheus.query(promql)]):
            assert time.monotonic() < deadline, f"{promql} is {values}"
            time.sleep(0.1)
        return values


def targets(exporters: Server) -> list[Target]:
    """As a ServiceMonitor makes them: with labels of their own."""
    own = {"pod": "exporter-x7", "namespace": "monitoring"}
    found = [Target(job=name, url=exporters.url(name), labels=own) for name in EXPORTERS]
    found.append(Target(job="honored", url=exporters.url("dcgm"), labels=own, honor_labels=True))
    return found


@pytest.fixture(scope="module", params=["3", *(["2"] if OLDER else [])], ids=lambda major: f"prometheus-{major}")
def scene(request: pytest.FixtureRequest) -> Iterator[Scene]:
    clock, scratch = Clock(), Scratch()
    binary = OLDER if request.param == "2" else None
    try:
        with (
            Server(EXPORTERS, clock=clock) as exporters,
            Monitoring.start(scratch, targets(exporters), binary=binary) as prometheus,
        ):
            yield Scene(prometheus, exporters, clock)
    finally:
        scratch.remove()


@pytest.fixture
def major(request: pytest.FixtureRequest) -> str:
    return str(request.node.callspec.params["scene"])


def test_what_prometheus_stores_is_the_course(scene: Scene) -> None:
    series = f'{USED}{{job="fast"}}'
    for seconds in (0, 40, 80, 700):
        scene.clock.seconds = seconds
        want = float(SFT.use(seconds) // MIB)
        scene.until(series, lambda values, want=want: values == [want])
    end = time.time()
    [found] = scene.prometheus.query_range(series, end - 60, end)
    values = [value for _time, value in found.points]
    assert sorted(values) == values
    assert values[-1] == 12000


def test_an_engine_s_series_begin_when_it_is_ready_with_colons_or_underscores_by_the_version(
    scene: Scene, major: str
) -> None:
    scene.clock.seconds = 59
    scene.until('up{job="vllm"}', lambda values: values == [0])
    assert not scene.prometheus.query('last_over_time({__name__=~"vllm.*",job="vllm"}[1s])')
    scene.clock.seconds = 60
    colon = {"3": ":", "2": "_"}[major]
    assert scene.until(f'vllm{colon}kv_cache_usage_perc{{pod="exporter-x7"}}', bool) == [0.25]
    [info] = scene.prometheus.query(f'{{__name__="vllm{colon}cache_config_info"}}')
    assert info.labels["kv_cache_size_tokens"] == "16000"
    assert scene.until(f"sglang{colon}max_total_num_tokens", bool) == [5000]


def test_the_exporter_s_pod_arrives_as_exported_where_the_target_has_one_of_its_own(scene: Scene) -> None:
    [found] = scene.prometheus.wait_for(f'{USED}{{job="dcgm"}}')
    assert {key: value for key, value in found.labels.items() if "pod" in key or "namespace" in key} == {
        "pod": "exporter-x7",
        "namespace": "monitoring",
        "exported_pod": "sft-0",
        "exported_namespace": "research",
    }


def test_with_honor_labels_the_exporter_s_pod_wins(scene: Scene) -> None:
    [found] = scene.prometheus.wait_for(f'{USED}{{job="honored"}}')
    assert (found.labels["pod"], found.labels["namespace"]) == ("sft-0", "research")
    assert "exported_pod" not in found.labels


def test_mig_instances_and_several_gpus_are_told_apart(scene: Scene) -> None:
    scene.clock.seconds = 1e4
    by_gpu = f'max by (exported_pod, UUID, GPU_I_ID) ({USED}{{job="several"}})'
    assert scene.until(by_gpu, lambda values: sum(values) == 2 * 11008 + 2 * 12000)
    assert len(scene.prometheus.query(by_gpu)) == 4


def test_amd_s_figures_arrive_with_their_pod(scene: Scene) -> None:
    scene.clock.seconds = 1e4
    scene.until('amd_gpu_used_vram{exported_pod="sft-0"}', lambda values: values == [12000])
    assert scene.until('amd_gpu_used_vram{gpu_id="1",exported_pod=""}', bool) == [0]


def test_the_series_of_an_exporter_that_is_gone_end_at_once(scene: Scene) -> None:
    series = f'{USED}{{job="dcgm"}}'
    scene.prometheus.wait_for(series)
    scene.exporters.remove("dcgm")
    scene.until(series, lambda values: not values)
    assert scene.prometheus.query(f"last_over_time({series}[1h])")


def test_new_targets_are_scraped_after_a_reload_and_it_is_the_release_that_was_asked_for(
    scene: Scene, major: str
) -> None:
    own = Target(job="prometheus", url=f"{scene.prometheus.url}/metrics")
    scene.prometheus.reload(targets=[*targets(scene.exporters), own])
    [info] = scene.prometheus.wait_for("prometheus_build_info")
    assert info.labels["version"].startswith({"3": "3.16.0", "2": "2."}[major])


def test_rules_record_and_alert_and_a_bad_one_is_refused_while_the_good_go_on(scene: Scene, tmp_path: Path) -> None:
    rules = tmp_path / "rules.yml"
    record = "{record: 'own:three', expr: 'vector(1) + 2'}"
    rules.write_text(f"groups: [{{name: own, rules: [{record}, {{alert: Three, expr: 'own:three == 3'}}]}}]")
    scene.prometheus.reload(rules=[rules])
    try:
        assert [sample.value for sample in scene.prometheus.wait_for("own:three")] == [3]
        [alert] = scene.prometheus.wait_for('ALERTS{alertstate="firing"}')
        assert alert.labels["alertname"] == "Three"
        bad = tmp_path / "bad.yml"
        bad.write_text("groups: [{name: bad, rules: [{record: 'own:bad', expr: 'sum('}]}]")
        with pytest.raises(ConfigurationRefused, match="own:bad"):
            scene.prometheus.reload(rules=[bad])
        scene.prometheus.reload()
        begun = time.time()
        scene.until(f"timestamp(own:three) > {begun}", bool)
    finally:
        scene.prometheus.reload(rules=[])


def test_a_query_that_prometheus_refuses_is_an_error_with_its_words(scene: Scene) -> None:
    with pytest.raises(QueryFailed, match="parse error"):
        scene.prometheus.query("sum(")
    with pytest.raises(QueryFailed, match="exceeded maximum resolution"):
        scene.prometheus.query_range("up", 0, 1e6, 1)


def test_an_instant_in_the_past_is_asked_for_by_its_time(scene: Scene) -> None:
    [sample] = scene.prometheus.query("time()", at=1e9)
    assert sample.value == 1e9


@pytest.fixture
def scratch() -> Iterator[Scratch]:
    found = Scratch()
    yield found
    found.remove()


def test_a_port_that_somebody_took_meanwhile_is_chosen_anew(scratch: Scratch, monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        ports = iter([(taken.getsockname()[1],), *(free_ports(1) for _ in range(3))])
        monkeypatch.setattr(monitoring, "free_ports", lambda _count: next(ports))
        with Monitoring.start(scratch) as prometheus:
            assert [sample.value for sample in prometheus.query("1")] == [1]


def test_a_rule_that_it_refuses_at_start_is_said_at_once(scratch: Scratch, tmp_path: Path) -> None:
    bad = tmp_path / "bad.yml"
    bad.write_text("groups: [{name: bad, rules: [{record: 'own:bad', expr: 'sum('}]}]")
    begun = time.monotonic()
    with pytest.raises(ProcessFailed, match="own:bad"):
        Monitoring.start(scratch, rules=[bad])
    assert time.monotonic() - begun < 30


def test_its_data_lies_in_the_control_plane_s_directory(control_plane: ControlPlane) -> None:
    with Monitoring.start(control_plane) as prometheus:
        assert prometheus.directory.parent == control_plane.directory
        assert [sample.value for sample in prometheus.query("1 + 1")] == [2]
    assert not prometheus.process.running


def test_promtool_is_built_beside_it() -> None:
    promtool = binaries.ensure((PROMETHEUS,))["promtool"]
    said = subprocess.run([promtool, "--version"], capture_output=True, text=True, check=True).stdout
    assert said.startswith("promtool, version 3.16.0 ")
