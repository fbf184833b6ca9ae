"""The node agent as a process beside the control plane, and what it writes of the pods that it runs."""

import os
import signal
import sys
from pathlib import Path
from typing import Final

from controlplane import bubblewrap
from controlplane.kubelet.image import Image, own
from controlplane.ports import service_network
from controlplane.process import Process
from controlplane.sandbox import Sandbox
from controlplane.tools import ROOT

_ENVIRONMENT: Final = ("PATH", "LANG", "TZ")


class NodeAgent:
    """Runs `python -m controlplane.kubelet`; its pods end with it."""

    def __init__(self, directory: Path, kubeconfig: Path, image: Image | None = None) -> None:
        """Start it; what runs as the operator's image is `image`, else the environment that runs us.

        Raises:
            MissingBinaries: where there is no bubblewrap.
            CannotSandbox: where bubblewrap does not work.
        """
        bwrap = bubblewrap.ensure()
        Sandbox.find(bwrap)  # said here, where somebody reads it
        directory.mkdir()
        self.directory = directory
        network = service_network().rpartition(".")[0]
        command = [
            sys.executable, "-m", "controlplane.kubelet", "--kubeconfig", str(kubeconfig),
            "--directory", str(directory), "--bwrap", str(bwrap), "--network", network,
            "--image", (image or own()).to_json(),
        ]  # fmt: skip
        kept = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
        environment = {**kept, "PYTHONPATH": str(ROOT.parent)}
        self.process = Process("node agent", command, directory.with_suffix(".log"), environment)

    def log(self, pod: str, container: str) -> str:
        """All that a container of a pod has written, over all its lives; "" where it wrote nothing yet."""
        return "".join(
            path.read_text(encoding="utf-8", errors="replace")
            for path in sorted(self.directory.glob(f"*_{pod}/{container}.log"))
        )

    def pid(self, pod: str, container: str) -> int:
        """The id, on this machine, of a container's process; of its last one where none runs."""
        [told] = self.directory.glob(f"*_{pod}/{container}.pid")
        return int(told.read_text(encoding="utf-8"))

    def signal(self, pod: str, container: str, number: signal.Signals) -> None:
        """Send a container's process a signal, as the kernel or an administrator on the node might."""
        os.kill(self.pid(pod, container), number)

    def stop(self) -> None:
        """Kill it, and with it every container."""
        self.process.kill()
