import subprocess
import sys
import time
from pathlib import Path

from controlplane import process

ROOT = Path(process.__file__).resolve().parents[1]
PARENT = """
import sys, time
from pathlib import Path
from controlplane.process import Process
print(Process("child", ["sleep", "600"], Path(sys.argv[1])).pid, flush=True)
time.sleep(600)
"""


def gone(pid: int) -> bool:
    """Ended, or waiting to be collected by whoever inherited it."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return True
    return status.rsplit(")", 1)[1].split()[0] == "Z"


def test_the_kernel_kills_the_child_of_a_killed_parent(tmp_path: Path) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tmp_path / "log")], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    assert not gone(child)
    parent.kill()
    parent.wait(10)
    parent.stdout.close()
    deadline = time.monotonic() + 10
    while not gone(child):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_child_whose_parent_died_before_the_leash_was_on_does_not_start(tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    answer = subprocess.run([sys.executable, "-S", "-E", str(process.LEASH), "1", "touch", str(marker)], check=False)
    assert answer.returncode == 1
    assert not marker.exists()
