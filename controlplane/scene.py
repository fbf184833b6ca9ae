"""Where the demonstration plays: a cluster, llmjob installed there, and how to wait for what is promised."""

import json
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from controlplane.process import Process, ProcessFailed
from controlplane.report import Report

WAIT_SECONDS: Final = 60.0


class Cluster(Protocol):
    """Where it runs: a control plane of our own, or one that is there."""

    @property
    def kubeconfig(self) -> Path: ...

    @property
    def directory(self) -> Path: ...

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


@dataclass(slots=True)
class Scene:
    """A cluster, llmjob there (None before it is first installed), and what is told of it."""

    cluster: Cluster
    report: Report
    llmjob: Release | None = None

    def kubectl(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """kubectl, which may fail."""
        return self.cluster.kubectl(*arguments, check=False)

    def items(self, *arguments: str) -> list[dict[str, Any]]:
        """What `kubectl get` lists, as objects."""
        items: list[dict[str, Any]] = json.loads(self.cluster.kubectl("get", *arguments, "-o", "json").stdout)["items"]
        return items

    def until(self, condition: Callable[[], bool], what: str, seconds: float = WAIT_SECONDS) -> None:
        """Wait; raises ProcessFailed with the ends of our logs where it is not so in time."""
        deadline = time.monotonic() + seconds
        while not condition():
            for process in self.llmjob.processes if self.llmjob is not None else ():
                process.check()
            if time.monotonic() > deadline:
                logs = self.llmjob.tail() if self.llmjob is not None else ""
                raise ProcessFailed(f"waited {seconds:.0f} s in vain for {what}; the ends of our logs:\n{logs}")
            time.sleep(0.2)

    def until_all_run(self, namespace: str) -> list[dict[str, Any]]:
        """The pods of a namespace, once there are some and all run."""
        pods: list[dict[str, Any]] = []

        def run() -> bool:
            pods[:] = self.items("pods", "-n", namespace)
            return bool(pods) and all(pod["status"].get("phase") == "Running" for pod in pods)

        self.until(run, f"every pod in {namespace} to run")
        return pods
