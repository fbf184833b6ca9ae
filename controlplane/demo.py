"""The demonstration: the examples on a mixed fleet; the same without us; predicted against actual use."""

import json
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from controlplane import nodes
from controlplane.act_three import ActThree
from controlplane.guest import Guest
from controlplane.guest_release import GuestRelease
from controlplane.installation import NAMESPACE, Installation
from controlplane.process import ProcessFailed
from controlplane.report import Report
from controlplane.scene import Cluster, Release, Scene
from controlplane.start import ControlPlane
from controlplane.tools import ROOT
from controlplane.truth import PHYSICAL_ANNOTATION, Landing, landings
from controlplane.up import add_fleet, end_on_signals

EXAMPLES: Final = ROOT.parent / "examples"
TOO_LARGE: Final = EXAMPLES / "llama-405b-full.yaml"
TOO_LARGE_POD: Final = EXAMPLES / "enforce" / "llama-405b-full-pod.yaml"
JOBS: Final = tuple(file for file in sorted(EXAMPLES.glob("*.yaml")) if file != TOO_LARGE)
BREAKDOWN: Final = EXAMPLES / "mistral-7b-lora.yaml"
SETTINGS: Final = {"inventory": {"complete": True}}
WITH, WITHOUT = "research", "without-llmjob"
TOO_SMALL_SHARE: Final = 1 / 3
IN_PODS: Final = "its pods run as the chart says, without rights on a read-only root"
HERE: Final = "its webhook configurations; webhook and controller run on this machine"
_EXIT_CODE_TOO_LARGE: Final = 2


def main(*, once: bool, kubeconfig: Path | None = None, real_nodes: bool = False) -> int:
    """Run it, on a cluster that is there where a kubeconfig is given.

    The exit status is 0 where all that was promised was really so, else 1.
    """
    end_on_signals()
    report = Report()
    if kubeconfig is not None:
        return on_guest(report, Guest(kubeconfig, (WITH, WITHOUT, NAMESPACE), real_nodes=real_nodes), once=once)
    offline(report)
    report.title("The control plane")
    started = time.monotonic()
    with ControlPlane.start() as control_plane:
        add_fleet(control_plane)
        report.say(
            f"Kubernetes runs at {control_plane.url} ({time.monotonic() - started:.1f} s); 12 GPU nodes by kwok:"
        )
        say_fleet(control_plane, report)
        told(Demo(control_plane, report, lambda settings: Installation(control_plane, settings)), report, once=once)
    return report.exit_code


def on_guest(report: Report, guest: Guest, *, once: bool) -> int:
    """The same on a cluster that is there; all that was made is removed, whatever happens."""
    offline(report)
    report.title("The cluster that is there")
    report.say(
        f"Kubernetes runs at {guest.url}; it must reach this machine at {guest.address}, for the webhook runs here and "
        "is called by URL. 12 GPU nodes by kwok:"
    )
    made: list[GuestRelease] = []

    def release(settings: Mapping[str, object]) -> GuestRelease:
        made.append(GuestRelease(guest, settings))
        return made[-1]

    try:
        with guest:
            say_fleet(guest, report)
            told(Demo(guest, report, release, installing=HERE), report, once=once)
            report.title("Removing all that was made")
    finally:
        # Later than the webhook configurations, lest anybody's writes wait for it.
        for one in made:
            one.stop()
    report.say("removed: nodes, namespaces, webhook configurations" + ("" if guest.had_crd else ", the CRD"))
    return report.exit_code


def say_fleet(cluster: Cluster, report: Report) -> None:
    report.say(cluster.kubectl("get", "nodes", "-L", "nvidia.com/gpu.product,nvidia.com/gpu.count").stdout)


def told(demo: "Demo", report: Report, *, once: bool) -> None:
    """The whole story; Ctrl-C after it is its end."""
    with demo.act_three:
        demo.run()
        report.summary()
        if not once:
            try:
                demo.stay()
            except KeyboardInterrupt:
                report.say("stopped")


def offline(report: Report) -> None:
    """What needs no cluster: the estimates, and the verdicts over the fleet that will be simulated."""
    report.title("Estimates of examples/, no cluster needed")
    report.run(["estimate", "-f", str(EXAMPLES)])
    report.title("What of it fits the fleet")
    fleet = json.dumps({"apiVersion": "v1", "kind": "List", "items": nodes.mixed_fleet()})
    with report.temporary("fleet.yaml", fleet) as file:
        report.run(["check", "-f", str(TOO_LARGE), "--fleet", str(file)])
        code, found = report.answer(["check", "-f", str(EXAMPLES), "--fleet", str(file), "-o", "json"])
    report.verdicts(found)
    report.expect(code == _EXIT_CODE_TOO_LARGE, "check says by its exit code that a job cannot fit (2)")


class Demo:
    """The part on a cluster; `release` makes a release with the operator's settings."""

    def __init__(
        self,
        cluster: Cluster,
        report: Report,
        release: Callable[[Mapping[str, object]], Release],
        *,
        installing: str = IN_PODS,
    ) -> None:
        self._cluster, self._report = cluster, report
        self._scene = Scene(cluster, report)
        self._release, self._installing = release, installing
        self.act_three = ActThree(self._scene, WITH)

    def run(self) -> None:
        self._install({})
        self._with_us()
        self._refusals()
        self._metrics()
        self._without_us()
        self.act_three.run(self._install, JOBS)

    def stay(self) -> None:
        """Wait for Ctrl-C."""
        llmjob = self._installed
        self._report.say(
            f"export KUBECONFIG={self._cluster.kubeconfig}\n"
            f"metrics: {llmjob.metrics_url('controller')} and {llmjob.metrics_url('webhook')}\n"
            f"Prometheus: {self.act_three.url}\n"
            f"all stays up until Ctrl-C; try: kubectl get llmjobs -n {WITH}"
        )
        threading.Event().wait()

    @property
    def _installed(self) -> Release:
        assert self._scene.llmjob is not None
        return self._scene.llmjob

    def _install(self, settings: Mapping[str, object]) -> Release:
        self._report.title(f"helm install llmjob: {self._installing}")
        self._scene.llmjob = release = self._release({**SETTINGS, **settings})
        started = time.monotonic()
        release.install()
        self._report.say(f"ready after {time.monotonic() - started:.1f} s")
        return release

    def _with_us(self) -> None:
        self._namespace(WITH, "warn")
        marker = ["apply", "--dry-run=server", "-n", WITH, "-f", str(TOO_LARGE)]
        self._scene.until(lambda: "Warning:" in self._scene.kubectl(*marker).stderr, "the webhook to act")
        self._report.title(f"kubectl apply -n {WITH} -f examples/ (enforcement: warn)")
        applied = self._scene.kubectl("apply", "-n", WITH, "-f", str(EXAMPLES))
        self._report.say(applied.stdout + applied.stderr)
        self._report.expect(applied.returncode == 0, "under warn everything is allowed")
        self._report.expect("Warning:" in applied.stderr, "the 405B job gets its Warning")
        self._scene.until(lambda: self._all_judged(WITH), "the controller's verdicts on every job")
        self._report.title("kubectl get llmjobs")
        self._report.say(self._cluster.kubectl("get", "llmjobs", "-n", WITH).stdout)
        self._report.title("The breakdown of one estimate")
        self._report.run(["estimate", "-f", str(BREAKDOWN), "--gpu", "a100-80gb"])
        found = self._landings(WITH, "With llmjob")
        small = [landing for landing in found if landing.too_small]
        self._report.expect(not small, "with llmjob no pod is on a card too small for its measured need")

    def _refusals(self) -> None:
        """The job is there, made under warn: its pod is refused; deleted, it is refused when it is made anew."""
        self._report.title(f"kubectl label namespace {WITH} llmjob.dev/enforcement=enforce")
        self._scene.kubectl("label", "--overwrite", "namespace", WITH, "llmjob.dev/enforcement=enforce")
        marker = ["apply", "--dry-run=server", "-n", WITH, "-f", str(TOO_LARGE_POD)]
        self._scene.until(lambda: self._scene.kubectl(*marker).returncode != 0, "the webhook to enforce")
        self._refused(TOO_LARGE_POD, "the bare pod of the 405B job")
        deleted = self._scene.kubectl("delete", "-n", WITH, "-f", str(TOO_LARGE))
        self._report.say(f"$ kubectl delete -n {WITH} -f {TOO_LARGE.relative_to(ROOT.parent)}\n{deleted.stdout}")
        self._refused(TOO_LARGE, "the re-created 405B LLMJob")

    def _refused(self, file: Path, what: str) -> None:
        answer = self._scene.kubectl("apply", "-n", WITH, "-f", str(file))
        self._report.say(f"$ kubectl apply -n {WITH} -f {file.relative_to(ROOT.parent)}\n{answer.stderr}")
        refused = answer.returncode != 0 and "denied the request" in answer.stderr
        self._report.expect(refused, f"{what} is refused under enforce")

    def _metrics(self) -> None:
        url = self._installed.metrics_url("controller")
        self._report.title(f"Metrics at {url}")
        lines = [
            line
            for line in self._report.fetch(url).splitlines()
            if line.startswith(("llmjob_fits{", "llmjob_gpu_class_gpus{"))
        ]
        self._report.say("\n".join(lines))
        self._report.expect(bool(lines), "the controller's metrics show the jobs and the fleet")

    def _without_us(self) -> None:
        self._report.title("The same without llmjob")
        self._scene.kubectl("delete", "pods", "--all", "-n", WITH, "--wait=true")
        self._installed.uninstall()
        self._namespace(WITHOUT, "off")
        self._scene.until(
            lambda: self._scene.kubectl("apply", "-n", WITHOUT, "-f", str(EXAMPLES)).returncode == 0, "an apply"
        )
        found = self._landings(WITHOUT, "Without llmjob")
        small = [landing for landing in found if landing.too_small]
        self._report.expect(
            len(small) >= TOO_SMALL_SHARE * len(found) > 0,
            f"without llmjob {len(small)} of {len(found)} pods are on a card too small (at least a third)",
        )
        self._scene.kubectl("delete", "namespace", WITHOUT, "--wait=true")

    def _landings(self, namespace: str, title: str) -> tuple[Landing, ...]:
        pods = self._scene.until_all_run(namespace)
        fleet = [
            node
            for node in self._scene.items("nodes")
            if PHYSICAL_ANNOTATION in node["metadata"].get("annotations", {})
        ]
        names = {node["metadata"]["name"] for node in fleet}
        astray = [pod["metadata"]["name"] for pod in pods if pod["spec"].get("nodeName") not in names]
        if astray:
            raise ProcessFailed(f"{', '.join(astray)}: on nodes that are not of the demonstration's fleet")
        found = landings(pods, fleet)
        self._report.title(f"{title}: where the pods are (measured need, the card's memory)")
        self._report.landings(found)
        return found

    def _all_judged(self, namespace: str) -> bool:
        jobs = self._scene.items("llmjobs", "-n", namespace)
        return bool(jobs) and all(
            any(condition["type"] == "Fits" for condition in job.get("status", {}).get("conditions", []))
            for job in jobs
        )

    def _namespace(self, name: str, level: str) -> None:
        self._cluster.kubectl("create", "namespace", name)
        self._cluster.kubectl("label", "namespace", name, f"llmjob.dev/enforcement={level}")
        # What a pod without requests counts for: with it the scheduler spreads pods over nodes by their load.
        limits = {"limits": [{"type": "Container", "defaultRequest": {"cpu": "4", "memory": "32Gi"}}]}
        range_ = {"apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "default"}, "spec": limits}
        self._cluster.kubectl("create", "-n", name, "-f", "-", stdin=json.dumps(range_))
        account = ("get", "serviceaccount", "default", "-n", name)
        self._scene.until(lambda: self._scene.kubectl(*account).returncode == 0, f"the ServiceAccount of {name}")
