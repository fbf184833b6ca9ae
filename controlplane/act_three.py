"""The third act: an hour of use told in a minute, beside what was predicted of it."""

import contextlib
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Self

from controlplane import monitoring
from controlplane.exporters import DCGM, Server, devices
from controlplane.monitoring import Monitoring, Target
from controlplane.process import Process
from controlplane.progress import Progress
from controlplane.scene import Release, Scene
from controlplane.usage_story import DEATH, DRIFTING, EXHAUSTED, HOUR, MIB, MINUTE, Use, last_words, uses
from observability.rules import rules

SPEED: Final = 60
ABOVE: Final = "LLMJobAboveEstimate"
EXHAUSTION: Final = "LLMJobOutOfGPUMemory"
CONDITION: Final = "MemoryExhausted"
LABEL: Final = "llmjob.dev/termination-message=logs"
PAGES: Final = "charts/llmjob/dashboards (Fleet, Job, Accuracy, Admission), with pictures in docs/dashboards.md"
_BUILD_SECONDS: Final = 1800.0
_POLICY: Final = "FallbackToLogsOnError"
_KEPT_BYTES: Final = 2048
_GIB: Final = 2**30
_COMPARED: Final = "llmjob:gpu_memory_compared_bytes:max"
_FIRED: Final = 'max by (alertname, llmjob) (max_over_time(ALERTS{alertstate="firing"}[5m]))'


class ActThree:
    """Predicted against actual; a context manager, for Prometheus stays up until the demonstration ends."""

    def __init__(self, scene: Scene, namespace: str) -> None:
        self._scene, self._report, self._namespace = scene, scene.report, namespace
        self._stack = contextlib.ExitStack()
        self._pods: list[dict[str, Any]] = []
        self._uses: dict[str, Use] = {}
        self._build: Process | None = None
        self.url = ""

    def __enter__(self) -> Self:
        """From now on Prometheus is built beside what goes on, where the cache lacks it."""
        self._build = monitoring.build_ahead(self._scene.cluster.directory / "prometheus-build.log")
        if self._build is not None:
            self._stack.callback(self._build.stop)
        return self

    def __exit__(self, *_error: object) -> None:
        self._stack.close()

    def run(self, install: Callable[[Mapping[str, object]], Release], examples: tuple[Path, ...]) -> None:
        """`install` installs llmjob with more settings; `examples` are the jobs of the first act and their pods."""
        report, scene = self._report, self._scene
        report.title("Predicted against actual: Prometheus, the chart's rules told sixty times faster")
        file = scene.cluster.directory / "rules.yaml"
        file.write_text(rules(SPEED), encoding="utf-8")
        self._wait_for_build(self._build)
        prometheus = self._stack.enter_context(Monitoring.start(scene.cluster))
        self.url = prometheus.url
        report.say(f"Prometheus runs at {self.url}")
        asked = {"url": prometheus.url, "interval": "1s", "statusInterval": "1s"}
        release = install({"prometheus": asked})
        self._pods_again(examples)
        exporters = self._exporters(prometheus, release, file)
        self._hour(exporters, prometheus)
        self._outcome(prometheus)

    def _wait_for_build(self, build: Process | None) -> None:
        """Until the build ended, well or not: what is missing then, Monitoring.start builds or says why not."""
        if build is not None and build.running:
            with Progress(steps=("Prometheus is being built, once",)).step(0):
                self._scene.until(lambda: not build.running, "the build of Prometheus", _BUILD_SECONDS)

    def _pods_again(self, examples: tuple[Path, ...]) -> None:
        """The jobs are there still, with what is predicted; their pods are made and steered as before."""
        scene, name = self._scene, self._namespace
        self._report.title(f"kubectl label namespace {name} {LABEL}; the pods of the first act again")
        scene.kubectl("label", "--overwrite", "namespace", name, LABEL)
        files = [word for file in examples for word in ("-f", str(file))]

        def kept() -> bool:
            """The API server knows of the label when a pod that asks for a GPU comes out so."""
            found = scene.kubectl("apply", "--dry-run=server", "-n", name, "-o", "json", *files)
            if found.returncode:
                return False
            pods = [item for item in json.loads(found.stdout)["items"] if item["kind"] == "Pod"]
            return all(
                item["terminationMessagePolicy"] == _POLICY for pod in pods for item in pod["spec"]["containers"]
            )

        scene.until(kept, "the webhook to let the ends of logs be kept")
        scene.cluster.kubectl("apply", "-n", name, *files)
        self._pods = scene.until_all_run(name)
        self._report.say(f"{len(self._pods)} pods run; where one fails, the end of its log will be in its status")

    def _exporters(self, prometheus: Monitoring, release: Release, rule_file: Path) -> Server:
        """dcgm-exporter of every node, the engines' own metrics, and the controller's."""
        nodes = {node["metadata"]["name"]: node for node in self._scene.items("nodes")}
        cards = {
            name: int(node["metadata"].get("labels", {}).get("nvidia.com/gpu.memory", "0")) * MIB
            for name, node in nodes.items()
        }
        self._uses = uses(self._pods, cards)
        server = self._stack.enter_context(Server(speed=SPEED))
        controller = release.metrics_url("controller")
        targets = [Target(job="llmjob-controller", url=controller, honor_labels=True)]
        for name in sorted({pod["spec"]["nodeName"] for pod in self._pods}):
            own = {"namespace": "gpu-operator", "pod": f"dcgm-exporter-{name}"}
            url = server.add(name, self._dcgm(nodes[name]))
            targets.append(Target(job="dcgm-exporter", url=url, labels=own))
        for name, use in sorted(self._uses.items()):
            if use.engine is not None:
                own = {"namespace": self._namespace, "pod": name}
                targets.append(Target(job="vllm", url=server.add(name, use.engine), labels=own))
        prometheus.reload(targets=targets, rules=[rule_file])
        return server

    def _dcgm(self, node: Mapping[str, Any]) -> DCGM:
        courses = {f"{self._namespace}/{name}": use.gpus for name, use in self._uses.items()}
        return DCGM(node=node["metadata"]["name"], cards=devices.cards_of(node, self._pods, courses))

    def _hour(self, server: Server, prometheus: Monitoring) -> None:
        report = self._report
        report.title("An hour of use in a minute (GiB on the fullest GPU that compare with the prediction)")
        died = False
        for minute in range(10, 61, 10):
            if not died and minute * MINUTE > DEATH:
                self._wait(server, prometheus, DEATH)
                self._die(server)
                died = True
            self._wait(server, prometheus, minute * MINUTE)
            found = {sample.labels["llmjob"]: sample.value for sample in prometheus.query(_COMPARED)}
            used = " · ".join(f"{job} {value / _GIB:.1f}" for job, value in sorted(found.items()))
            report.say(f"  minute {minute:>2}: {used}")

    def _wait(self, server: Server, prometheus: Monitoring, seconds: float) -> None:
        """Until that second of the hour."""

        def come() -> bool:
            prometheus.process.check()
            return server.clock() >= seconds

        self._scene.until(come, f"minute {seconds / MINUTE:.0f}", 2 * HOUR / SPEED)

    def _die(self, server: Server) -> None:
        """What the kubelet writes of a pod whose only container failed and that is never restarted."""
        [name] = [name for name, use in self._uses.items() if use.dies]
        cluster = self._scene.cluster
        pod = json.loads(cluster.kubectl("get", "pod", name, "-n", self._namespace, "-o", "json").stdout)
        node = json.loads(cluster.kubectl("get", "node", pod["spec"]["nodeName"], "-o", "json").stdout)
        card = int(node["metadata"]["labels"]["nvidia.com/gpu.memory"]) * MIB
        change = json.dumps({"status": failed(pod, last_words(card), datetime.now(UTC))})
        cluster.kubectl(
            "patch", "pod", name, "-n", self._namespace, "--subresource=status", "--type=merge", "-p", change
        )
        self._report.say(f"  minute {DEATH / MINUTE:.0f}: {name} asks for more than its card has, and fails")
        self._pods = self._scene.items("pods", "-n", self._namespace)
        server.add(node["metadata"]["name"], self._dcgm(node))

    def _outcome(self, prometheus: Monitoring) -> None:
        scene, report = self._scene, self._report

        def fired(alert: str) -> list[str]:
            """The jobs for which it fired, however long ago."""
            found = [sample.labels for sample in prometheus.query(_FIRED)]
            return sorted(labels.get("llmjob", "") for labels in found if labels["alertname"] == alert)

        scene.until(lambda: bool(fired(ABOVE)), f"the alert {ABOVE}")
        scene.until(lambda: self._condition().get("status") == "True", f"the condition {CONDITION}")
        asked = ["report", "--kubeconfig", str(scene.cluster.kubeconfig), "-n", self._namespace]
        asked += ["--prometheus", prometheus.url, "--since", "1m"]
        report.title("llmjob report")
        report.expect(report.run(asked) == 0, "the report comes")
        self._judge({role["name"]: role for role in report.document([*asked, "-o", "json"])["roles"]})
        report.title("What fired, and what the job that ran out says")
        for sample in prometheus.query(_FIRED):
            report.say(f"  alert {sample.labels['alertname']}: {sample.labels.get('llmjob', '')}")
        report.expect(fired(ABOVE) == [DRIFTING], f"{ABOVE} fired for {DRIFTING} and for no other job")
        report.expect(fired(EXHAUSTION) == [EXHAUSTED], f"{EXHAUSTION} fired for {EXHAUSTED}")
        report.say(f"  {CONDITION}: {self._condition()['message']}")
        events = [
            event for event in scene.items("events", "-n", self._namespace)
            if event["reason"] == CONDITION and event["involvedObject"]["name"] == EXHAUSTED
        ]  # fmt: skip
        report.expect(len(events) == 1, f"{EXHAUSTED} has the condition {CONDITION} and one event that says so")
        report.say(f"the pages: {PAGES}")

    def _judge(self, roles: Mapping[str, Any]) -> None:
        expect = self._report.expect
        findings = {name: role["findings"] for name, role in roles.items()}
        said = {name: {item["finding"] for item in items} for name, items in findings.items()}
        expect("AbovePrediction" in said[DRIFTING], f"the report finds {DRIFTING} above its prediction")
        expect(CONDITION in said[EXHAUSTED], f"the report finds that {EXHAUSTED} ran out of GPU memory")
        others = {name: role for name, role in roles.items() if name not in {DRIFTING, EXHAUSTED} and role["actual"]}
        inside = [
            name for name, role in others.items()
            if role["predicted"]["lower"] <= role["actual"]["sampledMax"] <= role["predicted"]["upper"]
        ]  # fmt: skip
        expect(len(inside) == len(others) > 0, f"{', '.join(sorted(others))} needed what was predicted")
        exact = [name for name, role in others.items() if role["actual"]["sampledMax"] == role["predicted"]["expected"]]
        expect(not exact, "no measured use is the predicted figure itself")

    def _condition(self) -> dict[str, Any]:
        job = json.loads(
            self._scene.cluster.kubectl("get", "llmjob", EXHAUSTED, "-n", self._namespace, "-o", "json").stdout
        )
        conditions = job.get("status", {}).get("conditions", [])
        return next((dict(item) for item in conditions if item["type"] == CONDITION), {})


def failed(pod: Mapping[str, Any], log: str, now: datetime) -> dict[str, Any]:
    """The status of a pod whose container ended with code 1: of its log what the pod's spec lets be kept."""
    [spec], [before] = pod["spec"]["containers"], pod["status"]["containerStatuses"]
    ended = {
        "exitCode": 1,
        "reason": "Error",
        "startedAt": before["state"]["running"]["startedAt"],
        "finishedAt": f"{now:%Y-%m-%dT%H:%M:%SZ}",
        **({"message": log[-_KEPT_BYTES:]} if spec["terminationMessagePolicy"] == _POLICY else {}),
    }
    state = {"ready": False, "started": False, "state": {"terminated": ended}}
    unready = {"status": "False", "reason": "PodFailed"}
    conditions = [
        {**item, **(unready if item["type"] in {"Ready", "ContainersReady"} else {})}
        for item in pod["status"]["conditions"]
    ]
    return {"phase": "Failed", "conditions": conditions, "containerStatuses": [{**before, **state}]}
