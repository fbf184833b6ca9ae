"""The client of Prometheus against a server of the test's own: what it asks, and everything that can come back."""

import asyncio
import gzip
import json

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from llmjob.observation.series import Sample, Series
from llmjob.runtime.usage.prometheus import Prometheus, PrometheusAccess, PrometheusError

MATRIX = {"status": "success", "data": {"resultType": "matrix", "result": [
    {"metric": {"llmjob": "a"}, "values": [[1, "5"], [2, "NaN"], [3, "+Inf"], [4, "-1"], [5, "7"]]}
]}}  # fmt: skip


class Fake:
    """Answers every request the same way, and keeps what was asked."""

    def __init__(self):
        self.status, self.body, self.headers, self.wait = 200, json.dumps(MATRIX).encode(), {}, 0.0
        self.asked = []

    async def answer(self, request):
        self.asked.append((request.path, dict(await request.post()), dict(request.headers)))
        await asyncio.sleep(self.wait)
        return web.Response(status=self.status, body=self.body, headers=self.headers)


@pytest.fixture
async def fake():
    found = Fake()
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", found.answer)
    server = TestServer(app)
    await server.start_server()
    found.url = f"http://127.0.0.1:{server.port}"
    yield found
    await server.close()


async def ask(fake, *, path="", more=None, **bounds):
    access = PrometheusAccess(url=fake.url + path, **(more or {}))
    async with Prometheus(access, **bounds) as prometheus:
        return await prometheus.over_time("up", start=0, end=10, step=5)


async def refusal(fake, **more):
    with pytest.raises(PrometheusError) as said:
        await ask(fake, **more)
    return str(said.value)


async def test_a_range_is_asked_for_in_seconds_and_true_samples_come_back(fake):
    assert await ask(fake) == [Series({"llmjob": "a"}, (Sample(1, 5), Sample(5, 7)))]
    path, form, headers = fake.asked[0]
    assert path == "/api/v1/query_range"
    assert form == {"query": "up", "start": "0.000", "end": "10.000", "step": "5.000"}
    assert "Authorization" not in headers


async def test_recent_samples_are_asked_for_at_once(fake):
    async with Prometheus(PrometheusAccess(url=fake.url)) as prometheus:
        await prometheus.lately("up[1m]")
    assert fake.asked[0][:2] == ("/api/v1/query", {"query": "up[1m]"})


async def test_a_prefix_of_the_address_is_kept(fake):
    await ask(fake, path="/prometheus/")
    assert fake.asked[0][0] == "/prometheus/api/v1/query_range"


async def test_token_and_tenant_are_sent(fake, tmp_path):
    (tmp_path / "token").write_text("secret\n")
    await ask(fake, more={"token_file": str(tmp_path / "token"), "tenant": ("X-Scope-OrgID", "team")})
    headers = fake.asked[0][2]
    assert headers["Authorization"] == "Bearer secret"
    assert headers["X-Scope-OrgID"] == "team"


@pytest.mark.parametrize("content", [b"two\nlines", b"\xff", "schlüssel".encode()])
async def test_what_is_no_token_is_told_by_its_file(fake, tmp_path, content):
    (tmp_path / "token").write_bytes(content)
    said = await refusal(fake, more={"token_file": str(tmp_path / "token")})
    assert said.startswith("credentials for Prometheus cannot be read")
    assert fake.asked == []


@pytest.mark.parametrize("key", ["token_file", "ca_file"])
async def test_a_file_that_is_not_there_is_told(fake, key):
    assert "No such file" in await refusal(fake, more={key: "/nowhere"})


async def test_a_refusal_says_what_prometheus_says_of_it(fake):
    fake.status, fake.body = 422, json.dumps({"status": "error", "error": "too many samples" + "x" * 900}).encode()
    said = await refusal(fake)
    assert "422" in said
    assert "too many samples" in said
    assert len(said) < 400


@pytest.mark.parametrize("body", [b"<html>login</html>", b"[1]", b"", b"[" * 100_000])
async def test_a_refusal_that_is_none_of_prometheus_is_told_by_its_status(fake, body):
    fake.status, fake.body = 401, body
    said = await refusal(fake)
    assert "401 Unauthorized" in said
    assert "html" not in said


@pytest.mark.parametrize("body", [b"<html>", b"", b"\xff\xfe", b"[" * 100_000])
async def test_an_answer_that_is_no_json_is_told(fake, body):
    fake.body = body
    assert "the answer is no JSON" in await refusal(fake)


@pytest.mark.parametrize("answer", [[], {"status": "error"}, {"status": "success", "data": {"resultType": "vector"}}])
async def test_json_that_is_no_answer_of_prometheus_is_told(fake, answer):
    fake.body = json.dumps(answer).encode()
    assert "no answer of Prometheus" in await refusal(fake)


async def test_a_redirect_is_not_followed_with_the_token(fake):
    fake.status, fake.headers = 307, {"Location": f"{fake.url}/elsewhere"}
    assert "307" in await refusal(fake)
    assert [path for path, _, _ in fake.asked] == ["/api/v1/query_range"]


async def test_one_that_hangs_is_given_up(fake):
    fake.wait = 5
    assert "no answer within 0.05 s" in await refusal(fake, timeout=0.05)


async def test_one_that_is_down_is_told():
    access = PrometheusAccess(url="http://127.0.0.1:1")
    with pytest.raises(PrometheusError, match="no answer"):
        async with Prometheus(access) as prometheus:
            await prometheus.lately("up")


@pytest.mark.parametrize("packed", [False, True])
async def test_an_answer_is_read_up_to_a_size_also_a_packed_one(fake, packed):
    body = json.dumps(MATRIX).encode() + b" " * 5000
    if packed:
        fake.body, fake.headers = gzip.compress(body), {"Content-Encoding": "gzip"}
    else:
        fake.body = body
    assert "larger than 1,000 bytes" in await refusal(fake, largest=1000)
    assert await ask(fake, largest=10_000)


async def test_a_password_in_the_address_is_used_and_not_shown(fake):
    fake.url = fake.url.replace("http://", "http://me:hidden@")
    fake.status = 500
    said = await refusal(fake)
    assert "hidden" not in said
    assert fake.asked[0][2]["Authorization"].startswith("Basic ")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "prometheus:9090",
        "ftp://prometheus",
        "http://",
        "http://host:99999",
        "http://host:0",
        "http://host/?a=b",
        "http://host/#a",
    ],
)
def test_what_is_no_address_is_refused(url):
    with pytest.raises(ValueError):  # noqa: PT011, the standard library words some of them
        PrometheusAccess(url=url)
