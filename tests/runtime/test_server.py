"""The two HTTP applications on real sockets."""

import asyncio

import aiohttp
import pytest
from prometheus_client import CollectorRegistry

from llmjob.runtime.admission_review import Answer
from llmjob.runtime.metrics import Admissions
from llmjob.runtime.server import admission_application, health_application, listening

REVIEW = {
    "apiVersion": "admission.k8s.io/v1",
    "kind": "AdmissionReview",
    "request": {
        "uid": "1",
        "operation": "CREATE",
        "resource": {"group": "", "resource": "pods"},
        "object": {},
    },
}


class Judge:
    """Answers, fails or waits as told; keeps what it was asked."""

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.gate: asyncio.Event | None = None
        self.routes: list[dict[str, str]] = []
        self.asked = asyncio.Event()

    async def __call__(self, route, request):
        self.routes.append(dict(route))
        self.asked.set()
        if self.gate is not None:
            await self.gate.wait()
        if self.error is not None:
            raise self.error
        return Answer(uid=request["uid"], reason="Fits")


@pytest.fixture
def registry():
    return CollectorRegistry()


@pytest.fixture
async def webhook(registry):
    judge = Judge()
    async with listening(admission_application(judge, Admissions(registry)), "127.0.0.1", 0) as port:
        yield judge, f"http://127.0.0.1:{port}"


def counted(registry, outcome, reason):
    labels = {"webhook": "pods", "operation": "CREATE", "outcome": outcome, "reason": reason}
    return registry.get_sample_value("llmjob_admission_requests_total", labels)


async def post(url, body=REVIEW):
    async with aiohttp.ClientSession() as session, session.post(url, json=body) as answer:
        return answer.status, await answer.json(content_type=None) if answer.status == 200 else await answer.text()


async def test_an_answer_is_counted_with_its_outcome(webhook, registry):
    _, url = webhook
    status, body = await post(f"{url}/v1/warn/pods/mutate")
    assert (status, body["response"]) == (200, {"uid": "1", "allowed": True})
    assert counted(registry, "allowed", "Fits") == 1
    assert registry.get_sample_value("llmjob_admission_duration_seconds_count", {"webhook": "pods"}) == 1


async def test_a_bug_is_a_500_so_that_the_failure_policy_decides_and_is_counted(webhook, registry):
    judge, url = webhook
    judge.error = KeyError("bug")
    status, body = await post(f"{url}/v1/warn/pods/validate")
    assert status == 500
    assert "bug" not in body
    assert counted(registry, "error", "InternalError") == 1


async def test_the_route_says_level_resource_verb_and_steering(webhook):
    judge, url = webhook
    await post(f"{url}/v1/strict/pods/mutate/off")
    assert judge.routes == [{"level": "strict", "resource": "pods", "verb": "mutate", "steering": "off"}]


@pytest.mark.parametrize(
    "path", ["/v1/off/pods/mutate", "/v1/warn/pods", "/v1/warn/pods/mutate/on", "/v2/warn/pods/mutate"]
)
async def test_other_paths_are_not_found(webhook, path):
    _, url = webhook
    assert (await post(url + path))[0] == 404


async def test_a_broken_review_is_counted_as_an_error(webhook, registry):
    _, url = webhook
    status, _ = await post(f"{url}/v1/warn/pods/mutate", {"kind": "AdmissionReview"})
    assert status == 400
    labels = {"webhook": "pods", "operation": "", "outcome": "error", "reason": "BrokenReview"}
    assert registry.get_sample_value("llmjob_admission_requests_total", labels) == 1


async def test_a_request_under_way_is_answered_before_the_server_stops(registry):
    judge = Judge()
    judge.gate = asyncio.Event()
    serving = listening(admission_application(judge, Admissions(registry)), "127.0.0.1", 0)
    port = await serving.__aenter__()
    asked = asyncio.ensure_future(post(f"http://127.0.0.1:{port}/v1/warn/pods/mutate"))
    await judge.asked.wait()
    stopping = asyncio.ensure_future(serving.__aexit__(None, None, None))
    await asyncio.sleep(0.05)
    assert not stopping.done()
    judge.gate.set()
    assert (await asked)[0] == 200
    await stopping
    with pytest.raises(aiohttp.ClientConnectorError):
        await post(f"http://127.0.0.1:{port}/v1/warn/pods/mutate")


async def test_a_kept_connection_ends_with_an_answer_not_before_the_next_request(registry):
    serving = listening(admission_application(Judge(), Admissions(registry)), "127.0.0.1", 0, farewell=0.5)
    port = await serving.__aenter__()
    url = f"http://127.0.0.1:{port}/v1/warn/pods/mutate"
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=1)) as session:
        async with session.post(url, json=REVIEW) as answer:
            assert "Connection" not in answer.headers
        stopping = asyncio.ensure_future(serving.__aexit__(None, None, None))
        await asyncio.sleep(0)
        for _ in range(2):  # on the kept connection, and on a new one
            async with session.post(url, json=REVIEW) as answer:
                assert (answer.status, answer.headers["Connection"]) == (200, "close")
        assert not stopping.done()
        await stopping


async def test_probes_say_what_is_wrong_and_metrics_are_text(registry):
    Admissions(registry)
    wrong: list[str] = ["views not complete yet"]
    application = health_application(registry, lambda: wrong[0] if wrong else None)
    async with listening(application, "127.0.0.1", 0) as port, aiohttp.ClientSession() as session:

        async def get(path):
            async with session.get(f"http://127.0.0.1:{port}{path}") as answer:
                return answer.status, await answer.text()

        assert await get("/readyz") == (503, "views not complete yet\n")
        assert (await get("/livez"))[0] == 200
        wrong.clear()
        assert (await get("/readyz"))[0] == 200
        assert "llmjob_admission_requests_total" in (await get("/metrics"))[1]


@pytest.mark.parametrize(
    "change",
    [
        {"operation": []},
        {"operation": "PATCH"},
        {"object": {"metadata": {"annotations": 5}}},
        {"object": {"metadata": {"labels": []}}},
        {"object": {"metadata": 5}},
        {"operation": "UPDATE", "oldObject": {"metadata": {"annotations": "x"}}},
    ],
)
async def test_what_the_api_server_never_sends_is_broken_not_our_bug(webhook, change):
    judge, url = webhook
    body = {**REVIEW, "request": {**REVIEW["request"], **change}}
    assert (await post(f"{url}/v1/warn/pods/mutate", body))[0] == 400
    assert judge.routes == []


async def test_a_body_that_is_not_what_its_encoding_says_is_broken(webhook):
    _, url = webhook
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{url}/v1/warn/pods/mutate", data=b"no gzip", headers=headers) as answer,
    ):
        assert answer.status == 400
