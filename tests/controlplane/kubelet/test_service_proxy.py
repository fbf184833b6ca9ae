"""Services without kube-proxy: who gets a connection, and what becomes of open ones."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from controlplane.kubelet.service_proxy import Address, ServiceProxy, endpoints
from controlplane.ports import free_ports


@dataclass
class Pod:
    address: str
    ready: bool = True
    labels: dict[str, str] = field(default_factory=lambda: {"app": "x", "more": "y"})
    namespace: str = "here"

    @property
    def object(self) -> dict[str, Any]:
        ports = [{"name": "https", "containerPort": 8443}]
        return {
            "metadata": {"namespace": self.namespace, "labels": self.labels},
            "spec": {"containers": [{"name": "main", "ports": ports}]},
        }


def service(**spec: Any) -> dict[str, Any]:
    ports = [{"port": 443, "targetPort": "https"}, {"port": 9090}]
    return {
        "metadata": {"namespace": "here", "name": "s"},
        "spec": {"clusterIP": "127.9.9.9", "selector": {"app": "x"}, "ports": ports, **spec},
    }


def test_each_port_leads_to_the_ready_pods_of_the_selector_by_name_or_number() -> None:
    assert endpoints([service()], [Pod("a"), Pod("b")]) == {
        ("127.9.9.9", 443): [("a", 8443), ("b", 8443)],
        ("127.9.9.9", 9090): [("a", 9090), ("b", 9090)],
    }


@pytest.mark.parametrize(
    "other",
    [Pod("b", ready=False), Pod("b", labels={"app": "z"}), Pod("b", namespace="elsewhere"), Pod("b", labels={})],
)
def test_a_pod_that_is_not_ready_or_not_selected_gets_nothing(other: Pod) -> None:
    assert endpoints([service()], [Pod("a"), other])["127.9.9.9", 443] == [("a", 8443)]


@pytest.mark.parametrize("spec", [{"selector": None}, {"clusterIP": "None"}])
def test_a_service_without_selector_or_address_has_no_listener(spec: dict[str, Any]) -> None:
    assert endpoints([service(**spec)], [Pod("a")]) == {}


def test_without_a_ready_pod_there_is_no_listener() -> None:
    assert endpoints([service()], [Pod("a", ready=False)]) == {}


@asynccontextmanager
async def backend(name: str) -> AsyncIterator[Address]:
    """A server that says its name, then echoes; at its end it waits until all connections are over."""
    open_ones: set[asyncio.StreamWriter] = set()
    over = asyncio.Event()
    over.set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        open_ones.add(writer)
        over.clear()
        writer.write(name.encode() + b"\n")
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.close()
        await writer.wait_closed()
        open_ones.remove(writer)
        if not open_ones:
            over.set()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[:2]
        await asyncio.wait_for(over.wait(), 5)
    finally:
        server.close()


class Talk:
    """A connection, and the name of who answered."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, name: str) -> None:
        self.reader, self.writer, self.name = reader, writer, name

    async def echo(self, content: bytes) -> bytes:
        self.writer.write(content)
        return await asyncio.wait_for(self.reader.readexactly(len(content)), 10)


@asynccontextmanager
async def talk(address: Address) -> AsyncIterator[Talk]:
    reader, writer = await asyncio.open_connection(*address)
    try:
        yield Talk(reader, writer, (await asyncio.wait_for(reader.readline(), 5)).decode().strip())
    finally:
        writer.close()
        await writer.wait_closed()


@pytest.fixture
def address() -> Address:
    return "127.0.0.1", free_ports(1)[0]


async def test_connections_are_spread_over_the_pods(address: Address) -> None:
    proxy = ServiceProxy()
    async with backend("a") as a, backend("b") as b:
        await proxy.set({address: [a, b]})
        said = []
        for _ in range(4):
            async with talk(address) as found:
                said.append(found.name)
        assert sorted(said) == ["a", "a", "b", "b"]
        await proxy.set({})


async def test_what_is_said_before_the_pod_is_reached_is_not_lost(address: Address) -> None:
    proxy = ServiceProxy()
    async with backend("a") as a:
        await proxy.set({address: [a]})
        reader, writer = await asyncio.open_connection(*address)
        writer.write(b"at once")
        assert await asyncio.wait_for(reader.readexactly(9), 5) == b"a\nat once"
        writer.close()
        await writer.wait_closed()
        await proxy.set({})


async def test_large_content_passes_whole_both_ways(address: Address) -> None:
    proxy = ServiceProxy()
    content = bytes(range(256)) * 2**14
    async with backend("a") as a:
        await proxy.set({address: [a]})
        async with talk(address) as found:
            assert await found.echo(content) == content
        await proxy.set({})


async def test_open_connections_live_on_when_their_pod_gets_no_new_ones(address: Address) -> None:
    proxy = ServiceProxy()
    async with backend("a") as a, backend("b") as b:
        await proxy.set({address: [a]})
        async with talk(address) as first:
            await proxy.set({address: [b]})
            async with talk(address) as second:
                assert second.name == "b"
            assert await first.echo(b"still") == b"still"
            await proxy.set({})
            assert await first.echo(b"there") == b"there"


async def test_an_address_without_a_pod_refuses(address: Address) -> None:
    proxy = ServiceProxy()
    async with backend("a") as a:
        await proxy.set({address: [a]})
        await proxy.set({})
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(*address)


async def test_a_pod_that_does_not_listen_ends_the_connection(address: Address) -> None:
    proxy = ServiceProxy()
    await proxy.set({address: [("127.0.0.1", free_ports(1)[0])]})
    reader, writer = await asyncio.open_connection(*address)
    with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
        await asyncio.wait_for(reader.readexactly(1), 5)
    writer.close()
    await proxy.set({})
