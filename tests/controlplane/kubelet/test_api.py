"""Collections kept by LIST and WATCH, over all that an API server may answer."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from controlplane.kubelet import api
from controlplane.kubelet.api import Api, ApiError

FIRST = {"metadata": {"uid": "1", "name": "first"}}
SECOND = {"metadata": {"uid": "2", "name": "second"}}
LIST = json.dumps({"metadata": {"resourceVersion": "7"}, "items": [FIRST]}).encode()


@asynccontextmanager
async def serving(watches: list[bytes], lists: list[bytes]) -> AsyncIterator[tuple[Api, list[dict[str, str]]]]:
    """An API server that answers with these, the last ones for ever, and the queries that it got."""
    queries: list[dict[str, str]] = []

    async def answer(request: web.Request) -> web.Response:
        queries.append(dict(request.query))
        answers = watches if "watch" in request.query else lists
        return web.Response(body=answers.pop(0) if len(answers) > 1 else answers[0])

    application = web.Application()
    application.router.add_get("/pods", answer)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        async with aiohttp.ClientSession(read_bufsize=2**10) as session:
            yield Api(session, f"http://127.0.0.1:{runner.addresses[0][1]}"), queries
    finally:
        await runner.cleanup()


async def told(client: Api, wanted: set[str], query: dict[str, str]) -> None:
    """Follow until the collection is this, by name."""
    reached = asyncio.Event()

    def changed(objects: dict[str, Any]) -> None:
        if {item["metadata"]["name"] for item in objects.values()} == wanted:
            reached.set()

    following = asyncio.ensure_future(client.follow("/pods", query, changed))
    waiting = asyncio.ensure_future(reached.wait())
    await asyncio.wait({following, waiting}, timeout=10, return_when=asyncio.FIRST_COMPLETED)
    assert reached.is_set(), following
    following.cancel()


def added(item: dict[str, Any]) -> bytes:
    return json.dumps({"type": "ADDED", "object": item}).encode() + b"\n"


@pytest.mark.parametrize(
    "bad", [b"<html>\n", b"[]\n", b"x" * 2**14 + b"\n"], ids=["no JSON", "no object", "a line too long"]
)
async def test_an_event_that_cannot_be_read_is_followed_by_a_new_list(
    bad: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api, "_RETRY_SECONDS", 0.01)
    async with serving([bad, added(SECOND)], [LIST]) as (client, _queries):
        await told(client, {"first", "second"}, {})


async def test_a_list_that_cannot_be_read_is_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "_RETRY_SECONDS", 0.01)
    async with serving([added(SECOND)], [b"<html>", LIST]) as (client, _queries):
        with pytest.raises(ApiError, match="no JSON"):
            await client.request("GET", "/pods")
    async with serving([added(SECOND)], [b"<html>", LIST]) as (client, _queries):
        await told(client, {"first", "second"}, {})


async def test_a_selection_is_asked_for_as_it_is_written() -> None:
    query = {"fieldSelector": "spec.nodeName=a&b c"}
    async with serving([added(SECOND)], [LIST]) as (client, queries):
        await told(client, {"first", "second"}, query)
    assert queries[0] == query
    assert queries[1] == {
        **query, "watch": "true", "allowWatchBookmarks": "false", "timeoutSeconds": "300", "resourceVersion": "7",
    }  # fmt: skip
