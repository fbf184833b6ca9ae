"""The demonstration: a mixed fleet, the examples applied, what was steered and refused, and the same without us."""

import json
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Protocol

from controlplane import nodes
from controlplane.guest import Guest
from controlplane.guest_release import GuestRelease
from controlplane.installation import NAMESPACE, Installation
from controlplane.process import Process, ProcessFailed
from controlplane.report import Report
from controlplane.start import ControlPlane
from controlplane.tools import ROOT
from controlplane.truth import PHYSICAL_ANNOTATION, Landing, landings
from controlplane.up import add_fleet, end_on_signals

EXAMPLES: Final = ROOT.parent / "examples"
TOO_LARGE: Final = EXAMPLES / "llama-405b-full.yaml"
TOO_LARGE_POD: Final = EXAMPLES / "enforce" / "llama-405b-full-pod.yaml"
BREAKDOWN: Final = EXAMPLES / "mistral-7b-lora.yaml"
SETTINGS: Final = {"inventory": {"complete": True}}
WITH, WITHOUT = "research", "without-llmjob"
WAIT_SECONDS: Final = 60.0
TOO_SMALL_SHARE: Final = 1 / 3
IN_PODS: Final = "its pods run as the chart says, without rights on a read-only root"
HERE: Final = "its webhook configurations; webhook and controller run on this machine"
_EXIT_CODE_TOO_LARGE: Final = 2


class Cluster(Protocol):
    """Where it runs: a control plane of our own, or one that is there."""

    @property
    def kubeconfig(self) -> Path: ...

    def kubectl(
        self, *arguments: str, stdin: str | None = None, check: bool = True
    ) -> subprocess.CompletedProcess[str]: ...


class Release(Protocol):
    """llmjob, installed there."""

    @property
    def processes(self) -> tuple[Process, ...]: ...

    def install(self) -> None: ...

    def uninstall(self) -> None: ...

    def metrics_url(self, component: str) -> str: ...

    def tail(self) -> str: ...


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
        told(Demo(control_plane, report, lambda: Installation(control_plane, SETTINGS)), report, once=once)
    return report.exit_code


def on_guest(report: Report, guest: Guest, *, once: bool) -> int:
    """The same on a cluster that is there; all that was made is removed, whatever happens."""
    offline(report)
    report.title("The cluster that is there")
    report.say(
        f"Kubernetes runs at {guest.url}; it must reach this machine at {guest.address}, for the webhook runs here and "
        "is called by URL. 12 GPU nodes by kwok:"
    )
    release: GuestRelease | None = None
    try:
        with guest:
            release = made = GuestRelease(guest, SETTINGS)
            say_fleet(guest, report)
            told(Demo(guest, report, lambda: made, installing=HERE), report, once=once)
            report.title("Removing all that was made")
    finally:
        # Later than the webhook configurations, lest anybody's writes wait for it.
        if release is not None:
            release.stop()
    report.say("removed: nodes, namespaces, webhook configurations" + ("" if guest.had_crd else ", the CRD"))
    return report.exit_code


def say_fleet(cluster: Cluster, report: Report) -> None:
    report.say(cluster.kubectl("get", "nodes", "-L", "nvidia.com/gpu.product,nvidia.com/gpu.count").stdout)


def told(demo: "Demo", report: Report, *, once: bool) -> None:
    """The whole story; Ctrl-C after it is its end."""
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
    """The part on a cluster."""

    def __init__(
        self, cluster: Cluster, report: Report, release: Callable[[], Release], *, installing: str = IN_PODS
    ) -> None:
        self._cluster = cluster
        self._report = report
        self._release, self._installing = release, installing
        self._llmjob: Release | None = None

    def run(self) -> None:
        self._install()
        self._with_us()
        self._refusals()
        self._metrics()
        self._without_us()

    def stay(self) -> None:
        """Install again, and wait for Ctrl-C."""
        self._install()
        assert self._llmjob is not None
        self._report.say(
            f"export KUBECONFIG={self._cluster.kubeconfig}\n"
            f"metrics: {self._llmjob.metrics_url('controller')} and {self._llmjob.metrics_url('webhook')}\n"
            f"all stays up until Ctrl-C; try: kubectl get llmjobs -n {WITH}"
        )
        threading.Event().wait()

    def _install(self) -> None:
        self._report.title(f"helm install llmjob: {self._installing}")
        self._llmjob = self._release()
        started = time.monotonic()
        self._llmjob.install()
        self._report.say(f"ready after {time.monotonic() - started:.1f} s")

    def _with_us(self) -> None:
        self._namespace(WITH, "warn")
        marker = ["apply", "--dry-run=server", "-n", WITH, "-f", str(TOO_LARGE)]
        self._until(lambda: "Warning:" in self._kubectl(*marker).stderr, "the webhook to act")
        self._report.title(f"kubectl apply -n {WITH} -f examples/ (enforcement: warn)")
        applied = self._kubectl("apply", "-n", WITH, "-f", str(EXAMPLES))
        self._report.say(applied.stdout + applied.stderr)
        self._report.expect(applied.returncode == 0, "under warn everything is allowed")
        self._report.expect("Warning:" in applied.stderr, "the 405B job gets its Warning")
        self._until(lambda: self._all_judged(WITH), "the controller's verdicts on every job")
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
        self._kubectl("label", "--overwrite", "namespace", WITH, "llmjob.dev/enforcement=enforce")
        marker = ["apply", "--dry-run=server", "-n", WITH, "-f", str(TOO_LARGE_POD)]
        self._until(lambda: self._kubectl(*marker).returncode != 0, "the webhook to enforce")
        self._refused(TOO_LARGE_POD, "the bare pod of the 405B job")
        deleted = self._kubectl("delete", "-n", WITH, "-f", str(TOO_LARGE))
        self._report.say(f"$ kubectl delete -n {WITH} -f {TOO_LARGE.relative_to(ROOT.parent)}\n{deleted.stdout}")
        self._refused(TOO_LARGE, "the re-created 405B LLMJob")

    def _refused(self, file: Path, what: str) -> None:
        answer = self._kubectl("apply", "-n", WITH, "-f", str(file))
        self._report.say(f"$ kubectl apply -n {WITH} -f {file.relative_to(ROOT.parent)}\n{answer.stderr}")
        refused = answer.returncode != 0 and "denied the request" in answer.stderr
        self._report.expect(refused, f"{what} is refused under enforce")

    def _metrics(self) -> None:
        assert self._llmjob is not None
        url = self._llmjob.metrics_url("controller")
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
        assert self._llmjob is not None
        self._kubectl("delete", "pods", "--all", "-n", WITH, "--wait=true")
        self._llmjob.uninstall()
        self._namespace(WITHOUT, "off")
        self._until(lambda: self._kubectl("apply", "-n", WITHOUT, "-f", str(EXAMPLES)).returncode == 0, "an apply")
        found = self._landings(WITHOUT, "Without llmjob")
        small = [landing for landing in found if landing.too_small]
        self._report.expect(
            len(small) >= TOO_SMALL_SHARE * len(found) > 0,
            f"without llmjob {len(small)} of {len(found)} pods are on a card too small (at least a third)",
        )
        self._kubectl("delete", "namespace", WITHOUT, "--wait=false")

    def _landings(self, namespace: str, title: str) -> tuple[Landing, ...]:
        self._until(lambda: self._all_running(namespace), f"every pod in {namespace} to run")
        fleet = [
            node for node in self._items("nodes") if PHYSICAL_ANNOTATION in node["metadata"].get("annotations", {})
        ]
        pods, names = self._items("pods", "-n", namespace), {node["metadata"]["name"] for node in fleet}
        astray = [pod["metadata"]["name"] for pod in pods if pod["spec"].get("nodeName") not in names]
        if astray:
            raise ProcessFailed(f"{', '.join(astray)}: on nodes that are not of the demonstration's fleet")
        found = landings(pods, fleet)
        self._report.title(f"{title}: where the pods are (measured need, the card's memory)")
        self._report.landings(found)
        return found

    def _all_running(self, namespace: str) -> bool:
        pods = self._items("pods", "-n", namespace)
        return bool(pods) and all(pod["status"].get("phase") == "Running" for pod in pods)

    def _all_judged(self, namespace: str) -> bool:
        jobs = self._items("llmjobs", "-n", namespace)
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
        self._until(lambda: self._kubectl(*account).returncode == 0, f"the ServiceAccount of {name}")

    def _items(self, *arguments: str) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = json.loads(self._cluster.kubectl("get", *arguments, "-o", "json").stdout)["items"]
        return items

    def _kubectl(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self._cluster.kubectl(*arguments, check=False)

    def _until(self, condition: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + WAIT_SECONDS
        while not condition():
            for process in self._llmjob.processes if self._llmjob is not None else ():
                process.check()
            if time.monotonic() > deadline:
                logs = self._llmjob.tail() if self._llmjob is not None else ""
                raise ProcessFailed(f"waited {WAIT_SECONDS:.0f} s in vain for {what}; the ends of our logs:\n{logs}")
            time.sleep(0.2)
