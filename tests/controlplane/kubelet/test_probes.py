"""Probes: their thresholds, and what they ask."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from controlplane.kubelet.downward import Unsupported
from controlplane.kubelet.probes import Probe, port_number

CONTAINER = {"name": "main", "ports": [{"name": "metrics", "containerPort": 9090}]}


def test_an_http_probe_asks_its_path_at_the_pods_address() -> None:
    container = {**CONTAINER, "readinessProbe": {"httpGet": {"path": "/readyz", "port": "metrics"}, "periodSeconds": 5}}
    found = Probe.of(container, "readinessProbe", "127.1.2.3")
    assert found is not None
    assert (found.url, found.period, found.failures) == ("http://127.1.2.3:9090/readyz", 5, 3)
    assert Probe.of(container, "livenessProbe", "127.1.2.3") is None


def test_an_unknown_port_is_named() -> None:
    with pytest.raises(Unsupported, match="'https'"):
        port_number(CONTAINER, "https")
    assert port_number(CONTAINER, 80) == 80


@asynccontextmanager
async def answering(statuses: list[int]) -> AsyncIterator[tuple[str, list[int]]]:
    """A server that answers with these, the last one for ever, and what it has answered."""
    left, given = list(statuses), []

    async def answer(_: web.Request) -> web.Response:
        given.append(left.pop(0) if len(left) > 1 else left[0])
        return web.Response(status=given[-1])

    application = web.Application()
    application.router.add_get("/", answer)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/", given
    finally:
        await runner.cleanup()


async def results(statuses: list[int], wanted: int, **more: Any) -> list[tuple[bool, int]]:
    """The first results that a probe tells of such a server, each with how many answers it took."""
    found: asyncio.Queue[tuple[bool, int]] = asyncio.Queue()
    async with answering(statuses) as (url, given), aiohttp.ClientSession() as session:
        settings = {"initial_delay": 0, "period": 0.02, "timeout": 1, "successes": 1, "failures": 3, **more}
        probe = Probe(url=url, **settings)
        task = asyncio.ensure_future(
            probe.follow(session, lambda result: found.put_nowait((result, len(given))))
        )  # fmt: skip
        try:
            return [await asyncio.wait_for(found.get(), 5) for _ in range(wanted)]
        finally:
            task.cancel()


@pytest.mark.parametrize("status", [200, 301])
async def test_below_400_is_success(status: int) -> None:
    assert await results([status], 1) == [(True, 1)]


async def test_it_fails_after_its_periods_of_failures_and_recovers() -> None:
    [(first, answers)] = await results([503], 1)
    assert not first
    assert answers >= 3
    [_up, down, up] = await results([200, *[500] * 6, 200], 3)
    assert (down[0], up) == (False, (True, 8))


async def test_fewer_failures_than_its_threshold_are_forgiven() -> None:
    [up, down] = await results([200, 500, 200, 500, 500, 200, 500], 2)
    assert up == (True, 1)
    assert (down[0], down[1] >= 9) == (False, True)


async def test_it_succeeds_after_as_many_successes_as_asked_for() -> None:
    assert await results([200, 500, 200, 200, 200], 1, successes=3) == [(True, 5)]


async def test_nobody_there_is_a_failure() -> None:
    probe = Probe(url="http://127.0.0.1:1/", initial_delay=0, period=1, timeout=1, successes=1, failures=1)
    async with aiohttp.ClientSession() as session:
        assert not await probe.ask(session)
