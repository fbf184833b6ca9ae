"""One pod on the node: its files, its containers, its status, its end."""

import asyncio
import logging
import shutil
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus
from typing import Final

from controlplane.kubelet import fields
from controlplane.kubelet.api import MERGE_PATCH, ApiError, Object
from controlplane.kubelet.container import Container
from controlplane.kubelet.downward import Unsupported
from controlplane.kubelet.host import Host
from controlplane.kubelet.status import pod_status
from controlplane.kubelet.volumes import NotYet, Volumes

_log: Final = logging.getLogger(__name__)
_REFRESH_SECONDS: Final = 1.0


class Pod:
    """Runs one pod until it is deleted or has ended; `ready_changed` hears when it may get traffic or no longer."""

    def __init__(self, pod: Object, host: Host, address: str, ready_changed: Callable[[], None]) -> None:
        self.object, self.address = pod, address
        self._host, self._ready_changed = host, ready_changed
        metadata = pod["metadata"]
        self.name = str(metadata["name"])
        self._path = f"/api/v1/namespaces/{metadata['namespace']}/pods/{self.name}"
        self._directory = host.directory / f"{metadata['namespace']}_{self.name}"
        self._containers: list[Container] = []
        self._running: list[asyncio.Future[int]] = []
        self._waiting: str | None = None
        self._ended = False
        self._dirty = asyncio.Event()
        self._deleted = asyncio.Event()
        self._task = asyncio.ensure_future(self._live())

    @property
    def ready(self) -> bool:
        """Whether new connections may go to it."""
        all_ready = bool(self._containers) and all(item.state.ready for item in self._containers)
        return all_ready and not self._ended and "deletionTimestamp" not in self.object["metadata"]

    def update(self, pod: Object) -> None:
        """The API server has another version of it."""
        self.object = pod
        if "deletionTimestamp" in pod["metadata"]:
            self._deleted.set()
        self._changed()

    async def gone(self) -> None:
        """The API server has it no more: end it at once."""
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task

    def _changed(self) -> None:
        self._dirty.set()
        self._ready_changed()

    async def _live(self) -> None:
        reporting = asyncio.ensure_future(self._report())
        refreshing = None
        try:
            volumes = self._volumes()
            if await self._prepare(volumes):
                refreshing = asyncio.ensure_future(self._keep_fresh(volumes))
                await self._run()
            await self._deleted.wait()
            await self._stop()
            self._ended = True
            self._changed()
            reporting.cancel()
            await self._say()
            metadata = self.object["metadata"]
            preconditions = {"uid": metadata["uid"]}
            await self._write("DELETE", self._path, {"gracePeriodSeconds": 0, "preconditions": preconditions})
        finally:
            for task in (reporting, refreshing):
                if task is not None:
                    task.cancel()
            await self._stop(at_once=True)
            shutil.rmtree(self._directory / "volumes", ignore_errors=True)

    def _volumes(self) -> Volumes:
        (self._directory / "volumes").mkdir(parents=True, exist_ok=True)
        return Volumes(api=self._host.api, pod=self.object, directory=self._directory / "volumes")

    async def _prepare(self, volumes: Volumes) -> bool:
        """Wait for every volume, then make the containers; whether there are any: a deletion ends the waiting."""
        while not self._deleted.is_set():
            try:
                fields.check(self.object)
                await volumes.refresh()
                self._make(volumes)
            except (NotYet, ApiError, Unsupported) as error:
                _log.warning("%s waits: %s", self.name, error)
                self._waiting = str(error)
                self._dirty.set()
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._deleted.wait(), _REFRESH_SECONDS / 2)
            else:
                return True
        return False

    def _make(self, volumes: Volumes) -> None:
        """The containers as the pod specifies them."""
        self._containers = [
            self._host.container(
                self.object, item, volumes, address=self.address, directory=self._directory, changed=self._changed
            )
            for item in self.object["spec"]["containers"]
        ]

    async def _run(self) -> None:
        """Until all containers have ended for good, or the pod is deleted."""
        restart = str(self.object["spec"].get("restartPolicy", "Always"))
        self._running = [asyncio.ensure_future(container.run(restart)) for container in self._containers]
        deleted = asyncio.ensure_future(self._deleted.wait())
        done = asyncio.ensure_future(asyncio.wait(self._running))
        await asyncio.wait((deleted, done), return_when=asyncio.FIRST_COMPLETED)
        deleted.cancel()
        done.cancel()
        if not self._deleted.is_set():
            self._ended = True
            self._changed()

    async def _keep_fresh(self, volumes: Volumes) -> None:
        while True:
            await asyncio.sleep(_REFRESH_SECONDS)
            try:
                await volumes.refresh()
            except (NotYet, ApiError) as error:
                _log.info("%s keeps its files: %s", self.name, error)

    async def _stop(self, *, at_once: bool = False) -> None:
        grace = 0.0 if at_once else float(self.object["metadata"].get("deletionGracePeriodSeconds", 30))
        pairs = zip(self._containers, self._running, strict=False)
        await asyncio.gather(*(item.stop(grace, task) for item, task in pairs if not task.done()))

    async def _report(self) -> None:
        """Write the status whenever it is another than the API server has."""
        while True:
            await self._dirty.wait()
            self._dirty.clear()
            await self._say()

    async def _say(self) -> None:
        status = pod_status(
            self.object, self._containers, address=self.address, waiting=self._waiting, ended=self._ended
        )  # fmt: skip
        before = self.object.get("status", {})
        if {key: before.get(key) for key in status} == status:
            return
        await self._write("PATCH", f"{self._path}/status", {"status": status})

    async def _write(self, method: str, path: str, body: Object) -> None:
        """A write, again and again while the API server is away; a pod that is gone is no error."""
        while True:
            try:
                content = MERGE_PATCH if method == "PATCH" else "application/json"
                await self._host.api.request(method, path, body, content=content)
            except ApiError as error:
                if error.status in {HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT}:
                    return
                _log.warning("%s: %s", self.name, error)
                await asyncio.sleep(_REFRESH_SECONDS)
            else:
                return
