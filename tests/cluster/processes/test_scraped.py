"""Prometheus scrapes both processes as the chart's ServiceMonitor has it, and exporters beside them."""

from collections.abc import Callable
from typing import Any

from controlplane.exporters import DCGM, Server, devices, measured
from controlplane.installation import METRICS_PORT, NAMESPACE
from controlplane.monitoring import Monitoring, Target

MIB = 2**20


def processes(running: Any) -> list[Target]:
    """As the ServiceMonitor makes them: the pod's labels, the scraped ones win."""
    return [
        Target(
            job="llmjob",
            url=f"http://{replica.address}:{METRICS_PORT}/metrics",
            labels={"namespace": NAMESPACE, "pod": replica.name},
            honor_labels=True,
        )
        for component in ("webhook", "controller")
        for replica in running.release.replicas(component)
    ]


def test_predicted_and_actual_stand_side_by_side_and_differ(running: Any, space: Callable[..., str]) -> None:
    place = space("warn")
    running.apply(running.llmjob("sft"), running.new_pod("sft-0", "sft"), namespace=place)
    running.judged(place, "sft")
    pod = running.eventually(
        lambda: (found := running.pod(place, "sft-0"))["status"]["phase"] == "Running" and found, 60
    )
    node = running.cluster.client.request("GET", f"/api/v1/nodes/{pod['spec']['nodeName']}")
    run = measured.fine_tuning("T0115")
    cards = devices.cards_of(node, [pod], {f"{place}/sft-0": run.gpus})
    own = {"namespace": "gpu-operator", "pod": "dcgm-x7"}
    with (
        Server({"dcgm": DCGM(node="big-1", cards=cards, interval=1)}, clock=lambda: 1e4) as exporters,
        Monitoring.start(
            running.cluster,
            [*processes(running), Target(job="dcgm", url=exporters.url("dcgm"), labels=own)],
        ) as prometheus,
    ):
        predicted = f'llmjob_estimated_gpu_memory_bytes{{namespace="{place}",measure="process"}}'
        bounds = {sample.labels["bound"]: sample.value for sample in prometheus.wait_for(predicted)}
        [actual] = prometheus.wait_for(f'DCGM_FI_DEV_FB_USED{{exported_namespace="{place}"}} * {MIB}')
        assert actual.value == run.gpus[0].peak
        assert actual.labels["exported_pod"] == "sft-0"
        assert actual.value not in bounds.values()
        [fits] = prometheus.query(f'llmjob_fits{{namespace="{place}"}}')
        assert (fits.labels["pod"], fits.labels["llmjob"]) == (running.release.replicas("controller")[0].name, "sft")
        ages = 'count by (pod) (llmjob_view_age_seconds{view="nodes"})'
        running.eventually(lambda: len(prometheus.query(ages)) == 3)  # both replicas of the webhook, and the controller
