"""The session with the API server against a small server of the test's own."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from aiohttp import web

from llmjob.runtime.access import Access
from llmjob.runtime.cluster import Cluster, ClusterError
from llmjob.runtime.paths import JOBS, NODES, job_path, job_status_path
from llmjob.runtime.server import listening


class Server:
    """Answers as the API server would; keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, dict[str, str], str, dict[str, str]]] = []
        self.status = 200
        self.text: str | None = None
        self.raw: list[str] = []
        self.headers: dict[str, str] = {}

    async def handle(self, request: web.Request) -> web.Response:
        body = await request.text()
        self.raw.append(request.raw_path)
        if self.text is not None:
            return web.Response(text=self.text, content_type="application/json")
        self.asked.append((request.method, request.path, dict(request.query), body, dict(request.headers)))
        if self.status != 200:
            return web.json_response({"message": "said"}, status=self.status)
        if request.path == NODES:
            second = request.query.get("continue") == "next"
            metadata = {} if second else {"continue": "next"}
            return web.json_response({"metadata": metadata, "items": [{"n": 2}] if second else [{"n": 1}]})
        return web.json_response({"metadata": {"name": "job"}}, headers=self.headers)


@pytest.fixture
async def rig(tmp_path):
    server = Server()
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", server.handle)
    token = tmp_path / "token"
    token.write_text("first\n")
    async with listening(application, "127.0.0.1", 0) as port:
        access = Access(server=f"http://127.0.0.1:{port}", token_file=str(token))
        async with Cluster(access) as cluster:
            yield server, cluster, token


async def test_a_list_is_read_in_chunks_of_500_to_the_end(rig):
    server, cluster, _ = rig
    assert [item async for item in cluster.list(NODES)] == [{"n": 1}, {"n": 2}]
    assert [query for _, _, query, _, _ in server.asked] == [{"limit": "500"}, {"limit": "500", "continue": "next"}]


@pytest.mark.parametrize("off", [-400 * 86400, -90, 0, 90, 400 * 86400])
async def test_where_clocks_differ_by_more_than_a_minute_it_is_as_late_as_the_api_server_says(rig, off):
    server, cluster, _ = rig
    at = datetime.now(UTC) + timedelta(seconds=off)
    server.headers = {"Date": format_datetime(at, usegmt=True)}
    await cluster.get("/x")
    assert abs(cluster.now() - at) < timedelta(seconds=10)
    server.headers = {"Date": format_datetime(datetime.now(UTC), usegmt=True)}
    await cluster.get("/x")
    assert abs(cluster.now() - datetime.now(UTC)) < timedelta(milliseconds=100)


@pytest.mark.parametrize("said", ["", "garbage", "Tue, 99 Nov 2026 00:00:00 GMT"])
async def test_a_date_that_is_none_changes_no_clock(rig, said):
    server, cluster, _ = rig
    server.headers = {"Date": said}
    await cluster.get("/x")
    assert abs(cluster.now() - datetime.now(UTC)) < timedelta(seconds=1)


async def test_a_rotated_token_is_used_at_once(rig):
    server, cluster, token = rig
    await cluster.get("/x")
    token.write_text("second")
    await cluster.get("/x")
    assert [headers["Authorization"] for *_, headers in server.asked] == ["Bearer first", "Bearer second"]


async def test_absent_is_none_and_anything_else_an_error_with_its_status(rig):
    server, cluster, _ = rig
    server.status = 404
    assert await cluster.get(job_path("team", "job"), timeout=0.5) is None
    with pytest.raises(ClusterError) as error:
        await cluster.merge(job_status_path("team", "job"), {})
    assert error.value.absent
    server.status = 403
    with pytest.raises(ClusterError, match=r"403.*said") as error:
        await cluster.get(job_path("team", "job"), timeout=0.5)
    assert (error.value.status, error.value.absent) == (403, False)


async def test_a_status_is_merge_patched_on_its_own_path(rig):
    server, cluster, _ = rig
    await cluster.merge(job_status_path("team", "job"), {"status": {"a": 1}})
    method, path, _, body, headers = server.asked[0]
    assert (method, path) == ("PATCH", "/apis/llmjob.dev/v1alpha1/namespaces/team/llmjobs/job/status")
    assert headers["Content-Type"] == "application/merge-patch+json"
    assert json.loads(body) == {"status": {"a": 1}}
    assert headers["User-Agent"] == "llmjob"


async def test_no_answer_is_an_error_without_a_status():
    async with Cluster(Access(server="http://127.0.0.1:9")) as cluster:
        with pytest.raises(ClusterError, match="no answer") as error:
            [item async for item in cluster.list(JOBS)]
    assert error.value.status is None


async def test_a_token_that_cannot_be_read_is_an_error_of_the_cluster(rig):
    _, cluster, token = rig
    token.unlink()
    with pytest.raises(ClusterError, match="token"):
        await cluster.get("/x")


async def test_a_ca_that_cannot_be_read_is_an_error_of_the_cluster(tmp_path):
    with pytest.raises(ClusterError, match="credentials"):
        async with Cluster(Access(server="https://127.0.0.1:9", ca_file=str(tmp_path / "absent"))):
            pass


@pytest.mark.parametrize("text", ["<html>", "[]", "", '{"a": '])
async def test_an_answer_that_is_no_json_object_is_an_error_of_the_cluster(rig, text):
    server, cluster, _ = rig
    server.text = text
    with pytest.raises(ClusterError, match="no JSON object"):
        await cluster.get("/x")


async def test_a_name_stays_quoted_on_the_wire(rig):
    server, cluster, _ = rig
    await cluster.get(job_path("team", "../../team-b/llmjobs/secret"))
    assert server.raw == ["/apis/llmjob.dev/v1alpha1/namespaces/team/llmjobs/..%2F..%2Fteam-b%2Fllmjobs%2Fsecret"]


class Watched:
    """A collection of one name: a LIST finds `item`, each watch tells the next of `streams` and ends."""

    def __init__(self) -> None:
        self.item: dict[str, object] | None = None
        self.streams: list[list[tuple[str, dict[str, object]]]] = []
        self.asked: list[dict[str, str]] = []
        self.cut = False
        self.over = asyncio.Event()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(dict(request.query))
        if "watch" not in request.query:
            items = [self.item] if self.item is not None else []
            return web.json_response({"metadata": {"resourceVersion": "7"}, "items": items})
        answer = web.StreamResponse()
        await answer.prepare(request)
        for kind, found in self.streams.pop(0):
            await answer.write(json.dumps({"type": kind, "object": found}).encode() + b"\n")
        if self.cut:
            request.transport.abort()
        elif not self.streams:
            await self.over.wait()
        return answer


@pytest.fixture
async def watched():
    server = Watched()
    application = web.Application()
    application.router.add_get("/{path:.*}", server.handle)
    async with (
        listening(application, "127.0.0.1", 0) as port,
        Cluster(Access(server=f"http://127.0.0.1:{port}")) as cluster,
    ):
        yield server, cluster
        server.over.set()


async def seen(cluster, count):
    watching = cluster.watch_one("/things", "one")
    found = [await asyncio.wait_for(anext(watching), 5) for _ in range(count)]
    await watching.aclose()
    return found


async def test_one_object_is_listed_by_its_name_and_watched_from_there(watched):
    server, cluster = watched
    server.item = {"n": 1}
    server.streams = [[("MODIFIED", {"n": 2}), ("DELETED", {"n": 2}), ("ADDED", {"n": 3})]]
    assert await seen(cluster, 4) == [{"n": 1}, {"n": 2}, None, {"n": 3}]
    listed, watch = server.asked
    assert listed == {"fieldSelector": "metadata.name=one"}
    assert watch.items() >= {"fieldSelector": "metadata.name=one", "watch": "true", "resourceVersion": "7"}.items()
    assert int(watch["timeoutSeconds"]) <= 60


async def test_an_object_that_is_not_there_is_none(watched):
    server, cluster = watched
    assert await seen(cluster, 1) == [None]
    assert server.asked


@pytest.mark.parametrize("first", [[], [("ERROR", {"code": 410})]], ids=["ended", "too old"])
async def test_a_watch_that_ends_begins_anew_with_a_list(watched, first):
    server, cluster = watched
    server.item = {"n": 1}
    server.streams = [first, [("MODIFIED", {"n": 2})]]
    assert await seen(cluster, 3) == [{"n": 1}, {"n": 1}, {"n": 2}]


async def test_a_watch_that_is_cut_is_an_error_of_the_cluster(watched):
    server, cluster = watched
    server.streams, server.cut = [[("ADDED", {"n": 1})]], True
    with pytest.raises(ClusterError, match="no answer"):
        await seen(cluster, 3)


async def test_an_object_of_the_greatest_size_fits_a_line(watched):
    server, cluster = watched
    server.streams = [[("ADDED", {"data": "x" * 3 * 2**20})]]
    found = await seen(cluster, 2)
    assert len(found[1]["data"]) == 3 * 2**20


async def test_writes_have_the_content_types_of_their_kind(rig):
    server, cluster, _ = rig
    await cluster.create("/things", {"a": 1})
    await cluster.merge("/things/x", {"a": None})
    await cluster.patch("/things/x", [{"op": "remove", "path": "/a"}])
    assert [(method, path, json.loads(body), headers["Content-Type"])
            for method, path, _, body, headers in server.asked] == [
        ("POST", "/things", {"a": 1}, "application/json"),
        ("PATCH", "/things/x", {"a": None}, "application/merge-patch+json"),
        ("PATCH", "/things/x", [{"op": "remove", "path": "/a"}], "application/json-patch+json"),
    ]  # fmt: skip
