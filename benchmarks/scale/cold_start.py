"""Starts a process of llmjob's and measures its cold start by what the kernel counts."""

import os
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Final

from controlplane.installation import command
from controlplane.ports import free_ports
from controlplane.process import Process, wait_until
from controlplane.start import ControlPlane

READY_SECONDS: Final = 300.0
QUIET_SECONDS: Final = 3.0
"""So long a process must be idle before it counts as settled: all that its start causes is done."""
_IDLE_CPU_SECONDS: Final = 0.05
_HOST: Final = "127.0.0.1"


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
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(control_plane: ControlPlane, name: str) -> ColdStart:
    """Start `llmjob webhook` or `llmjob controller`, wait until it is ready and then idle, and stop it."""
    admission, metrics = free_ports(2)
    arguments = [
        command(), name, "--kubeconfig", str(control_plane.kubeconfig), "--host", _HOST, "--metrics-port", str(metrics)
    ]  # fmt: skip
    if name == "webhook":
        certificate, key = control_plane.directory / "scale.crt", control_plane.directory / "scale.key"
        control_plane.authority.write_server(certificate, key, (_HOST,))
        arguments += ["--port", str(admission), "--tls-cert", str(certificate), "--tls-key", str(key)]
    begun = time.monotonic()
    process = Process(f"llmjob {name}", arguments, control_plane.directory / f"scale-{metrics}.log")
    try:
        wait_until(lambda: _ready(metrics), f"a ready {name}", (process,), READY_SECONDS)
        ready_seconds, ready_cpu = time.monotonic() - begun, cpu_seconds(process.pid)
        _wait_until_idle(process)
        return ColdStart(
            ready_seconds=ready_seconds,
            ready_cpu_seconds=ready_cpu,
            settled_cpu_seconds=cpu_seconds(process.pid),
            peak_bytes=resident(process.pid, "VmHWM"),
            settled_bytes=resident(process.pid, "VmRSS"),
        )
    finally:
        process.stop()


def _wait_until_idle(process: Process) -> None:
    seen, since = cpu_seconds(process.pid), time.monotonic()

    def idle() -> bool:
        nonlocal seen, since
        used = cpu_seconds(process.pid)
        if used - seen > _IDLE_CPU_SECONDS:
            seen, since = used, time.monotonic()
        return time.monotonic() - since >= QUIET_SECONDS

    wait_until(idle, f"an idle {process.name}", (process,), READY_SECONDS)


def _ready(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://{_HOST}:{port}/readyz", timeout=5) as answer:
            return bool(answer.status == HTTPStatus.OK)
    except (urllib.error.URLError, OSError):
        return False
