"""One container: its process, started again as its pod's restartPolicy has it, and what its probes say."""

import asyncio
import json
import logging
import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

import aiohttp

from controlplane.kubelet.api import Object
from controlplane.kubelet.probes import Probe
from controlplane.kubelet.state import State, now
from controlplane.process import LEASH

_log: Final = logging.getLogger(__name__)
# A tenth of the kubelet's, whose first restart is at once as well.
_BACKOFF_SECONDS: Final = (0.0, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0)
_LONG_ENOUGH_SECONDS: Final = 60.0
# What a container whose probe fails gets to end; the kubelet gives it the pod's grace period.
_UNHEALTHY_SECONDS: Final = 3.0
# The kubelet's MaxContainerTerminationMessageLogLength (bytes) and -Lines.
_MESSAGE_BYTES: Final = 2048
_MESSAGE_LINES: Final = 80


class Container:
    """Runs `command` until it is stopped; tells `changed` when its state is another."""

    def __init__(
        self,
        spec: Object,
        *,
        command: Callable[[int], list[str]],
        environment: dict[str, str],
        address: str,
        log: Path,
        session: aiohttp.ClientSession,
        changed: Callable[[], None],
    ) -> None:
        self.spec, self.name = spec, str(spec["name"])
        self.state = State()
        self._command, self._environment, self._log = command, environment, log
        self._probes = {
            kind: Probe.of(spec, kind, address) for kind in ("startupProbe", "readinessProbe", "livenessProbe")
        }
        self._session, self._changed = session, changed
        self._pid: int | None = None
        self._stopping = False

    async def run(self, restart: str) -> int:
        """Run it, again and again where `restart` (Always, OnFailure, Never) says so; its last exit code."""
        attempt = 0
        while True:
            begun = time.monotonic()
            code = await self._once()
            if self._stopping or restart == "Never" or (restart == "OnFailure" and code == 0):
                return code
            attempt = 0 if time.monotonic() - begun > _LONG_ENOUGH_SECONDS else attempt
            pause = _BACKOFF_SECONDS[min(attempt, len(_BACKOFF_SECONDS) - 1)]
            attempt += 1
            if pause:
                self.state.state = {"waiting": {"reason": "CrashLoopBackOff", "message": f"back-off {pause:.0f} s"}}
                self._changed()
                await asyncio.sleep(pause)
            self.state.restarts += 1

    async def _once(self) -> int:
        """One life: the exit code."""
        reading, writing = os.pipe()
        begin = self._log.stat().st_size if self._log.exists() else 0
        try:
            with self._log.open("ab") as log:
                process = await asyncio.create_subprocess_exec(
                    sys.executable, "-S", "-E", str(LEASH), str(os.getpid()), *self._command(writing),
                    stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log, env=self._environment,
                    start_new_session=True, pass_fds=(writing,),
                )  # fmt: skip
        finally:
            os.close(writing)
        self._pid = await asyncio.to_thread(_command_pid, reading)
        self._log.with_suffix(".pid").write_text(str(self._pid), encoding="utf-8")
        started_at = now()
        self.state.state = {"running": {"startedAt": started_at}}
        self.state.started = self._probes["startupProbe"] is None
        self.state.ready = self.state.started and self._probes["readinessProbe"] is None
        self._changed()
        _log.info("%s runs as process %s", self.name, self._pid)
        if self._stopping:
            self.signal(signal.SIGTERM)
        probing = asyncio.ensure_future(self._probe())
        try:
            code = await process.wait()
        finally:
            self._pid = None
            probing.cancel()
            with suppress(asyncio.CancelledError):
                await probing
            if process.returncode is None:
                process.kill()
        terminated: Object = {
            "exitCode": code, "reason": "Completed" if code == 0 else "Error", "startedAt": started_at,
            "finishedAt": now(),
        }  # fmt: skip
        if code != 0 and self.spec.get("terminationMessagePolicy") == "FallbackToLogsOnError":
            terminated["message"] = _end(self._log, begin)
        self.state.state = {"terminated": terminated}
        self.state.last = {"terminated": terminated}
        self.state.started = self.state.ready = False
        self._changed()
        _log.info("%s ended with %d", self.name, code)
        return code

    async def _probe(self) -> None:
        startup, readiness = self._probes["startupProbe"], self._probes["readinessProbe"]
        liveness = self._probes["livenessProbe"]
        if startup is not None:
            up = asyncio.Event()

            def started(result: bool) -> None:  # noqa: FBT001
                if result:
                    up.set()
                else:
                    self._unhealthy("startup")

            waiting = asyncio.ensure_future(startup.follow(self._session, started))
            try:
                await up.wait()
            finally:
                waiting.cancel()
            self.state.started = True
            self.state.ready = readiness is None
            self._changed()
        following = []
        if readiness is not None:
            following.append(readiness.follow(self._session, self._set_ready))
        if liveness is not None:
            following.append(
                liveness.follow(self._session, lambda result: None if result else self._unhealthy("liveness"))
            )
        await asyncio.gather(*following)

    def _set_ready(self, result: bool) -> None:  # noqa: FBT001
        self.state.ready = result
        self._changed()

    def _unhealthy(self, probe: str) -> None:
        _log.warning("%s: its %s probe failed too often", self.name, probe)
        sick = self._pid
        self.signal(signal.SIGTERM)
        asyncio.get_running_loop().call_later(
            _UNHEALTHY_SECONDS, lambda: self.signal(signal.SIGKILL) if self._pid == sick else None
        )

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the container's command."""
        if self._pid is not None:
            with suppress(ProcessLookupError):
                os.kill(self._pid, number)

    async def stop(self, grace: float, running: "asyncio.Future[int]") -> None:
        """The orderly end: preStop, SIGTERM, and SIGKILL where `grace` seconds are over."""
        self._stopping = True
        deadline = time.monotonic() + grace
        pause = float(self.spec.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0))
        await asyncio.wait({running}, timeout=min(pause, grace))
        self.signal(signal.SIGTERM)
        _done, left = await asyncio.wait({running}, timeout=max(0.0, deadline - time.monotonic()))
        if left:
            self.signal(signal.SIGKILL)
            if self._pid is None:  # between two lives
                running.cancel()
            await asyncio.wait({running}, timeout=5)


def _end(log: Path, begin: int) -> str:
    """The end of what a life wrote into its log from `begin` on."""
    with log.open("rb") as file:
        file.seek(max(begin, file.seek(0, os.SEEK_END) - _MESSAGE_BYTES))
        text = file.read()
    return b"".join(text.splitlines(keepends=True)[-_MESSAGE_LINES:]).decode(errors="replace")


def _command_pid(descriptor: int) -> int | None:
    """The command's id outside its sandbox; None where bubblewrap failed. It is the only child of process 1 there."""
    with os.fdopen(descriptor, "rb") as told:
        text = told.read()
    if not text:
        return None
    first = int(json.loads(text)["child-pid"])
    children = Path(f"/proc/{first}/task/{first}/children")
    with suppress(OSError):  # it ended
        while not (found := children.read_text(encoding="ascii").split()):
            time.sleep(0.005)
        return int(found[0])
    return None
