"""The demonstration, as `make demo ARGS=--once` runs it."""

import subprocess
import sys
from pathlib import Path

from controlplane.start import ControlPlane

ROOT = Path(__file__).resolve().parents[2]


def test_all_that_the_demonstration_promises_is_so(control_plane: ControlPlane) -> None:
    assert control_plane.api_server.running  # the binaries are there
    done = subprocess.run(
        [sys.executable, "-m", "controlplane", "demo", "--once"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    assert "✗" not in done.stdout
    for promise in (
        "the 405B job gets its Warning",
        "with llmjob no pod is on a card too small for its measured need",
        "the re-created 405B LLMJob is refused under enforce",
        "the bare pod of the 405B job is refused under enforce",
        "pods are on a card too small (at least a third)",
    ):
        assert promise in done.stdout
