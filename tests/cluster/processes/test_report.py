"""`llmjob report` as a person runs it, on a real Prometheus with the chart's rules, and on one that went away."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from controlplane.exporters import DCGM, Server, devices, measured
from controlplane.monitoring import Monitoring, Target
from observability.rules import rules
from tests.cluster.processes.test_scraped import processes

MIB = 2**20
COMPLETE = {"inventory": {"complete": True}}
COMMAND = str(Path(sys.executable).parent / "llmjob")


@pytest.fixture
def report(running: Any) -> Callable[..., subprocess.CompletedProcess[str]]:
    def run(*args: str) -> subprocess.CompletedProcess[str]:
        asked = [COMMAND, "report", "--kubeconfig", str(running.cluster.kubeconfig), *args]
        return subprocess.run(asked, capture_output=True, text=True, check=True)

    return run


def test_predicted_against_actual_live_and_a_smaller_gpu_that_would_do(
    running: Any, space: Callable[..., str], report: Any, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    place = space("warn")
    # Measured with 18.2 GiB at the most: an L4 holds it, the A100 that it runs on is four times as large.
    run = measured.fine_tuning("T0115")
    peak = run.gpus[0].peak // MIB * MIB
    running.apply(running.llmjob("sft", pool=None), running.new_pod("sft-0", "sft"), namespace=place)
    running.judged(place, "sft")
    pod = running.eventually(
        lambda: (found := running.pod(place, "sft-0"))["status"]["phase"] == "Running" and found, 60
    )
    node = running.cluster.client.request("GET", f"/api/v1/nodes/{pod['spec']['nodeName']}")
    cards = devices.cards_of(node, [pod], {f"{place}/sft-0": run.gpus})
    (tmp_path / "rules.yaml").write_text(rules(60))
    own = {"namespace": "gpu-operator", "pod": "dcgm-x7"}
    with (
        Server({"dcgm": DCGM(node="big-1", cards=cards, interval=1)}, clock=lambda: 1e4) as exporters,
        Monitoring.start(
            running.cluster,
            [*processes(running), Target(job="dcgm", url=exporters.url("dcgm"), labels=own)],
            [tmp_path / "rules.yaml"],
        ) as prometheus,
    ):
        url = prometheus.url
        asking = {"url": url, "interval": "1s", "statusInterval": "1s"}
        request.addfinalizer(lambda: running.set_settings(yaml.safe_dump(COMPLETE)))
        running.set_settings(yaml.safe_dump({**COMPLETE, "prometheus": asking}))
        asked = ("-n", place, "--prometheus", url, "--since", "1m")
        prometheus.wait_for(f'llmjob:gpu_memory_compared_bytes:max{{namespace="{place}"}} == {peak}')

        def live() -> Any:
            found = json.loads(report(*asked, "-o", "json").stdout)
            return found if found["roles"][0]["findings"] else None

        found = running.eventually(live, 60)
        assert (found["source"], found["notes"]) == ("Prometheus", [])
        [role] = found["roles"]
        assert role["actual"]["sampledMax"] == role["used"] == peak
        assert {point["sampledMax"] for point in role["actual"]["course"]} <= {peak, None}
        assert role["predicted"]["expected"] != peak
        assert role["running"] == [{"gpuClass": "nvidia-a100-80gb", "gpus": 1}]
        assert "GPUTooLarge" in [item["finding"] for item in role["findings"]]
        assert role["smaller"]["gpuClass"] == "nvidia-l4"
        assert f"{place}/sft" in report(*asked).stdout
        assert "<polyline" in report(*asked, "-o", "html").stdout
        running.eventually(lambda: "observed" in running.job(place, "sft")["status"]["roles"][0], 60)
    gone = report(*asked, "-o", "json")
    assert "warning: Prometheus gave no use" in gone.stderr
    fallen = json.loads(gone.stdout)
    assert fallen["source"] == "Status"
    [told] = fallen["roles"]
    assert told["predicted"] == role["predicted"]
    assert (told["actual"]["sampledMax"], told["actual"]["source"]) == (peak, "Status")
