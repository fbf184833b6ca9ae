"""A child process with its log: stopped in order, and killed by the kernel should this process die first."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

LEASH: Final = Path(__file__).resolve().parent / "leash.py"


class ProcessFailed(Exception):
    """A process ended or was not ready in time; the message has the end of its log."""


class Process:
    """A running child.

    It lives in its own session, so that Ctrl-C reaches only us and children stop in order. The kernel ties it to the
    thread that starts it: start from a thread that lives as long as the child shall (the main thread).
    """

    def __init__(self, name: str, command: list[str], log: Path, environment: Mapping[str, str] | None = None) -> None:
        self.name = name
        self.command = command
        self.log = log
        self._environment = environment
        self._child = self._spawn()

    def _spawn(self) -> subprocess.Popen[bytes]:
        leash = [sys.executable, "-S", "-E", str(LEASH), str(os.getpid())]
        with self.log.open("ab") as log:
            return subprocess.Popen(
                [*leash, *self.command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env=self._environment,
            )

    @property
    def pid(self) -> int:
        return self._child.pid

    @property
    def running(self) -> bool:
        return self._child.poll() is None

    def check(self) -> None:
        """Raise ProcessFailed where it has ended."""
        code = self._child.poll()
        if code is not None:
            raise ProcessFailed(f"{self.name} ended with {code}; the end of its log:\n{self.tail()}")

    def tail(self, lines: int = 20) -> str:
        """The last lines of its log."""
        text = self.log.read_text(encoding="utf-8", errors="replace") if self.log.exists() else ""
        return "\n".join(text.splitlines()[-lines:])

    def stop(self, timeout: float = 10.0) -> None:
        """Ask it to end (SIGTERM), kill it after `timeout` seconds."""
        if self.running:
            self._child.terminate()
            try:
                self._child.wait(timeout)
            except subprocess.TimeoutExpired:
                self.kill()

    def kill(self) -> None:
        """Kill it and wait: what a crash looks like."""
        if self.running:
            self._child.kill()
        self._child.wait()

    def signal(self, number: signal.Signals) -> None:
        self._child.send_signal(number)

    def restart(self) -> None:
        """Start the same command again, after stop() or kill()."""
        self.stop()
        self._child = self._spawn()


def wait_until(ready: Callable[[], bool], what: str, processes: tuple[Process, ...], timeout: float) -> None:
    """Poll `ready` until true; raises ProcessFailed where a process ends first or time is up."""
    deadline = time.monotonic() + timeout
    while not ready():
        for process in processes:
            process.check()
        if time.monotonic() > deadline:
            logs = "\n".join(f"--- {process.name}\n{process.tail()}" for process in processes)
            raise ProcessFailed(f"{what} not within {timeout:.0f} s\n{logs}")
        time.sleep(0.05)
