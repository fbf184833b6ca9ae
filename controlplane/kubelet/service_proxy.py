"""Services without kube-proxy: listens at each Service's address and joins connections to its ready pods."""

import asyncio
import itertools
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

from controlplane.kubelet.api import Object
from controlplane.kubelet.downward import Unsupported
from controlplane.kubelet.probes import port_number

_log: Final = logging.getLogger(__name__)
_BACKLOG: Final = 1024

Address = tuple[str, int]


class Backend(Protocol):
    """A pod, as a Service sees it."""

    object: Object
    address: str

    @property
    def ready(self) -> bool:
        """Whether it takes new connections."""
        ...


def endpoints(services: Iterable[Object], pods: Iterable[Backend]) -> dict[Address, list[Address]]:
    """Each Service's address and port, and where its connections go: only those that lead anywhere now."""
    found: dict[Address, list[Address]] = {}
    known = list(pods)
    for service in services:
        spec, namespace = service["spec"], service["metadata"]["namespace"]
        if not spec.get("selector") or spec.get("clusterIP", "None") == "None":
            continue
        chosen = [pod for pod in known if pod.ready and _selected(pod.object, namespace, spec["selector"])]
        for port in spec["ports"]:
            targets = [target for pod in chosen if (target := _target(pod, port.get("targetPort", port["port"])))]
            if targets:
                found[spec["clusterIP"], int(port["port"])] = targets
    return found


def _selected(pod: Object, namespace: str, selector: Mapping[str, str]) -> bool:
    labels = pod["metadata"].get("labels", {})
    return bool(pod["metadata"]["namespace"] == namespace and selector.items() <= labels.items())


def _target(pod: Backend, port: int | str) -> Address | None:
    for container in pod.object["spec"]["containers"]:
        try:
            return pod.address, port_number(container, port)
        except Unsupported:
            continue
    return None


@dataclass(slots=True)
class _Listener:
    targets: list[Address]
    turn: "itertools.count[int]" = field(default_factory=itertools.count)
    server: asyncio.Server | None = None


class ServiceProxy:
    """The listeners of all Services. An address without a ready pod refuses, as kube-proxy does it."""

    def __init__(self) -> None:
        self._listeners: dict[Address, _Listener] = {}

    async def set(self, wanted: Mapping[Address, list[Address]]) -> None:
        """Listen at exactly these addresses; connections that are open stay as they are."""
        for address in set(self._listeners) - set(wanted):
            listener = self._listeners.pop(address)
            if listener.server is not None:
                listener.server.close()
        for address, targets in wanted.items():
            if address in self._listeners:
                self._listeners[address].targets = targets
            else:
                await self._listen(address, targets)

    async def _listen(self, address: Address, targets: list[Address]) -> None:
        listener = _Listener(targets)
        loop = asyncio.get_running_loop()
        try:
            listener.server = await loop.create_server(
                lambda: _Client(listener), address[0], address[1], backlog=_BACKLOG
            )
        except OSError as error:  # below 1024 without the right to: the Service wants another port
            _log.error("Service address %s:%d: %s", *address, error.strerror)
            return
        self._listeners[address] = listener


class _Side(asyncio.Protocol):
    """One side of a connection: what it reads goes to the other, which slows it down where it must."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.other: _Side | None = None
        self._early: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        if self.other is not None and self.other.transport is not None:
            self.other.transport.write(data)
        else:
            self._early.append(data)

    def join(self, other: "_Side") -> None:
        self.other, other.other = other, self
        assert other.transport is not None
        other.transport.writelines(self._early)
        self._early.clear()

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        if self.other is not None and self.other.transport is not None:
            if exc is None:
                self.other.transport.close()
            else:
                self.other.transport.abort()

    def pause_writing(self) -> None:
        if self.other is not None and self.other.transport is not None:
            self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        if self.other is not None and self.other.transport is not None:
            self.other.transport.resume_reading()


class _Client(_Side):
    """The side that came in: it connects to the pod whose turn it is."""

    def __init__(self, listener: _Listener) -> None:
        super().__init__()
        self._listener = listener
        self._connecting: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._connecting = asyncio.ensure_future(self._connect())

    async def _connect(self) -> None:
        targets = self._listener.targets
        host, port = targets[next(self._listener.turn) % len(targets)]
        assert self.transport is not None
        try:
            _transport, side = await asyncio.get_running_loop().create_connection(_Side, host, port)
        except OSError:
            self.transport.abort()
            return
        if self.transport.is_closing():
            assert side.transport is not None
            side.transport.abort()
        else:
            self.join(side)
