"""Measures the cold start of a pod's process by what the kernel counts, from its fork until it is idle.

The process is killed and started again in its pod by the node agent, as after a crash: flags, rights, mounts and
environment are the chart's, and the kubelet's part (image, volumes, address) costs nothing.
"""

import os
import signal
import time
import urllib.error
import urllib.request
from collections.abc import Iterable
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Final

from controlplane.installation import METRICS_PORT, Installation
from controlplane.process import wait_until

READY_SECONDS: Final = 300.0
QUIET_SECONDS: Final = 3.0
"""So long a process must be idle before it counts as settled: all that its start causes is done."""
_IDLE_CPU_SECONDS: Final = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class ColdStart:
    """Seconds from the start, seconds of CPU, bytes of resident memory."""

    ready_seconds: float
    ready_cpu_seconds: float
    settled_cpu_seconds: float
    peak_bytes: int
    settled_bytes: int


def resident(pid: int, field: str) -> int:
    """A memory field of /proc/PID/status in bytes: VmRSS now, VmHWM at its highest."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        name, _, value = line.partition(":")
        if name == field:
            return int(value.split()[0]) * 1024  # the kernel writes kB and means KiB
    raise ValueError(f"/proc/{pid}/status has no {field}")


def cpu_seconds(pid: int) -> float:
    """User and system time of all its threads."""
    fields = _stat(pid)
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def age_seconds(pid: int) -> float:
    """Time since its fork."""
    started = int(_stat(pid)[19]) / os.sysconf("SC_CLK_TCK")
    return time.clock_gettime(time.CLOCK_BOOTTIME) - started


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat from the third on."""
    return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()


def measure(release: Installation, component: str) -> ColdStart:
    """Start the process of the webhook's or the controller's only pod anew, once nothing of llmjob's is busy."""
    agent = release.agent
    pods = {name: release.replicas(name)[0] for name in ("webhook", "controller")}
    _wait_until_idle(release, [agent.pid(pod.name, name) for name, pod in pods.items()])
    pod = pods[component]
    killed = agent.pid(pod.name, component)
    agent.signal(pod.name, component, signal.SIGKILL)
    wait_until(
        lambda: agent.pid(pod.name, component) != killed and _ready(pod.address),
        f"a ready {component}",
        release.processes,
        READY_SECONDS,
    )
    pid = agent.pid(pod.name, component)
    ready_seconds, ready_cpu = age_seconds(pid), cpu_seconds(pid)
    _wait_until_idle(release, [pid])
    return ColdStart(
        ready_seconds=ready_seconds,
        ready_cpu_seconds=ready_cpu,
        settled_cpu_seconds=cpu_seconds(pid),
        peak_bytes=resident(pid, "VmHWM"),
        settled_bytes=resident(pid, "VmRSS"),
    )


def _wait_until_idle(release: Installation, pids: Iterable[int]) -> None:
    known = list(pids)
    seen, since = sum(map(cpu_seconds, known)), time.monotonic()

    def idle() -> bool:
        nonlocal seen, since
        used = sum(map(cpu_seconds, known))
        if used - seen > _IDLE_CPU_SECONDS:
            seen, since = used, time.monotonic()
        return time.monotonic() - since >= QUIET_SECONDS

    wait_until(idle, "idle processes", release.processes, READY_SECONDS)


def _ready(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"http://{address}:{METRICS_PORT}/readyz", timeout=5) as answer:
            return bool(answer.status == HTTPStatus.OK)
    except (urllib.error.URLError, OSError):
        return False
