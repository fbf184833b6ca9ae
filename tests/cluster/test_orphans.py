"""Whatever ends the parent, none of its processes stays."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cluster.support import eventually

ROOT = Path(__file__).resolve().parents[2]
STARTED = re.compile(r"^export KUBECONFIG=(\S+)$")


def start() -> tuple[subprocess.Popen[str], Path]:
    parent = subprocess.Popen(
        [sys.executable, "-m", "controlplane", "up", "--quiet"], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    line = parent.stdout.readline()
    found = STARTED.match(line)
    assert found is not None, line
    return parent, Path(found[1]).parent


def processes_of(directory: Path) -> list[str]:
    """The command lines that name the control plane's own directory or its kubeconfigs."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = entry.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:  # it just ended
            continue
        if str(directory) in command and entry.parent.name != str(os.getpid()):
            found.append(command)
    return found


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_no_process_is_left_when_the_parent_is_ended(control_plane: object, number: signal.Signals) -> None:
    assert control_plane is not None  # the binaries are there
    parent, directory = start()
    assert len(processes_of(directory)) == 5
    parent.send_signal(number)
    parent.wait(30)
    assert parent.stdout is not None
    parent.stdout.close()
    eventually(lambda: not processes_of(directory), 10, "none of its processes is left")
    if number is not signal.SIGKILL:
        assert not directory.exists()


SANDBOXED = """
import subprocess, sys, time
from pathlib import Path
from controlplane import bubblewrap
from controlplane.sandbox import Sandbox
command = Sandbox.find(bubblewrap.ensure()).command(
    ["/usr/bin/sleep", sys.argv[1]], user=65532, group=65532, hostname="sandbox", mounts=()
)
subprocess.Popen(command)
print("started", flush=True)
time.sleep(600)
"""


def test_no_sandboxed_process_is_left_when_the_parent_is_killed() -> None:
    """Another user's process cannot be signalled by what watches it: the kernel must end it."""
    seconds = f"6{os.getpid()}"
    parent = subprocess.Popen([sys.executable, "-c", SANDBOXED, seconds], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    assert parent.stdout.readline() == "started\n"

    def asleep() -> bool:
        commands = (path for path in Path("/proc").glob("[0-9]*/cmdline"))
        return any(f"/usr/bin/sleep\0{seconds}\0" == content for content in map(_read, commands))

    eventually(asleep, 10)
    parent.kill()
    parent.wait(10)
    parent.stdout.close()
    eventually(lambda: not asleep(), 10)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:  # it just ended
        return ""
