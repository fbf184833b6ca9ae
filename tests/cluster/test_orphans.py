"""Whatever ends the parent, none of its processes stays."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

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
    deadline = time.monotonic() + 10
    while left := processes_of(directory):
        assert time.monotonic() < deadline, left
        time.sleep(0.05)
    if number is not signal.SIGKILL:
        assert not directory.exists()
