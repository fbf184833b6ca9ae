"""`python -m controlplane up`: a control plane to play with, until Ctrl-C."""

import signal
import sys
import threading
from types import FrameType
from typing import Never

from controlplane import nodes
from controlplane.start import ControlPlane


def end_on_signals() -> None:
    """Let SIGTERM unwind the stack as Ctrl-C does, so that everything is stopped and removed."""

    def end(number: int, _frame: FrameType | None) -> Never:
        raise SystemExit(128 + number)

    signal.signal(signal.SIGTERM, end)


def add_fleet(control_plane: ControlPlane) -> None:
    """Add the mixed fleet's nodes."""
    for node in nodes.mixed_fleet():
        control_plane.client.request("POST", "/api/v1/nodes", node)


def main(*, fleet: bool, quiet: bool) -> int:
    end_on_signals()
    try:
        with ControlPlane.start(quiet=quiet) as running:
            if fleet:
                add_fleet(running)
            print(f"export KUBECONFIG={running.kubeconfig}", flush=True)
            print("the control plane runs until Ctrl-C", file=sys.stderr, flush=True)
            threading.Event().wait()
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
    return 0
