"""HTTP: admission over TLS with explicit routes, health and metrics on a plain port; drained before it stops."""

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from llmjob.runtime.admission_review import Answer, BrokenReview, read_review
from llmjob.runtime.certificates.tls import Certificate
from llmjob.runtime.metrics import Admissions

BODY_LIMIT: Final = 8 * 1024 * 1024
_DRAIN: Final = 10.0
# Clients with a kept connection learn of the end by an answer that closes it: a connection closed while it waits for
# the next request loses that request where both happen at once.
FAREWELL: Final = 2.0
_log: Final = logging.getLogger(__name__)

Review = Mapping[str, Any]
# Path parameters (level, where the path has one, resource, verb, steering) and the parsed request → what is answered.
Judge = Callable[[Mapping[str, str], Review], Awaitable[Answer]]

_LEVELS: Final = "audit|warn|enforce|strict|default"
ROUTES: Final = (
    f"/v1/{{level:{_LEVELS}}}/{{resource:llmjobs}}/{{verb:validate}}",
    f"/v1/{{level:{_LEVELS}}}/{{resource:pods}}/{{verb:validate}}",
    f"/v1/{{level:{_LEVELS}}}/{{resource:pods}}/{{verb:mutate}}",
    f"/v1/{{level:{_LEVELS}}}/{{resource:pods}}/{{verb:mutate}}/{{steering:exclude|off}}",
    "/v1/termination-message/{resource:pods}/{verb:mutate}",
)


class CannotListen(Exception):
    """An address that cannot be served on: taken, or not this machine's."""


def admission_application(judge: Judge, admissions: Admissions) -> web.Application:
    """The webhook: only the routes above; 4xx for what is no AdmissionReview of ours, 500 for our own bugs."""

    async def answer(request: web.Request) -> web.Response:
        started = time.perf_counter()
        resource = request.match_info["resource"]
        operation, outcome, reason = "", "error", ""
        try:
            body = await _body(request)
            review = read_review(body, resource)
            operation = str(review["operation"])
            found = await judge(request.match_info, review)
            outcome, reason = found.outcome, found.reason
            return web.Response(text=found.render(), content_type="application/json")
        except BrokenReview as error:
            reason = "BrokenReview"
            return web.json_response({"error": str(error)}, status=error.status)
        except web.HTTPException:
            reason = "BrokenReview"
            raise
        except Exception:  # noqa: BLE001, a bug must not deny: failurePolicy decides on 500
            reason = "InternalError"
            _log.exception("a bug while answering %s; failurePolicy decides", request.path)
            return web.json_response({"error": "internal error; see the webhook's log"}, status=500)
        finally:
            admissions.count(resource, operation, outcome, reason, time.perf_counter() - started)

    application = web.Application(client_max_size=BODY_LIMIT)
    application.router.add_routes([web.post(route, answer) for route in ROUTES])
    return application


async def _body(request: web.Request) -> object:
    if request.content_type != "application/json":
        raise BrokenReview(f"content type {request.content_type}; send application/json", status=415)
    try:
        raw = await request.read()
    except web.RequestPayloadError as error:
        raise BrokenReview(f"the body cannot be read: {error}") from error
    try:
        return json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise BrokenReview(f"the body is no JSON: {error}") from error


def health_application(registry: CollectorRegistry, ready: Callable[[], str | None]) -> web.Application:
    """/livez, /readyz and /metrics; `ready` says what is wrong, None where nothing is. Who answers at all is alive."""

    async def livez(_: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def readyz(_: web.Request) -> web.Response:
        wrong = ready()
        return web.Response(text=f"{wrong or 'ok'}\n", status=503 if wrong else 200)

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    application = web.Application()
    application.router.add_routes([web.get("/livez", livez), web.get("/readyz", readyz), web.get("/metrics", metrics)])
    return application


@asynccontextmanager
async def listening(
    application: web.Application,
    host: str,
    port: int,
    certificate: Certificate | None = None,
    *,
    farewell: float = 0.0,
) -> AsyncIterator[int]:
    """Serve while the context lasts; yields the port.

    On leaving all requests are answered for `farewell` more seconds, each answer the last of its connection, and then
    those that are still under way.
    """
    leaving = asyncio.Event()

    async def say_farewell(_: web.Request, answer: web.StreamResponse) -> None:
        if leaving.is_set():
            answer.force_close()
            answer.headers["Connection"] = "close"

    application.on_response_prepare.append(say_farewell)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=_DRAIN, handle_signals=False)
    await runner.setup()

    async def leave() -> None:
        leaving.set()
        await asyncio.sleep(farewell)
        await runner.cleanup()

    site = web.TCPSite(runner, host, port, ssl_context=certificate.context if certificate else None, backlog=1024)
    try:
        await site.start()
    except OSError as error:
        await runner.cleanup()
        raise CannotListen(f"cannot listen on {host}, port {port}: {error.strerror or error}") from error
    try:
        yield int(runner.addresses[0][1])
    finally:
        with suppress(asyncio.CancelledError):
            await asyncio.shield(asyncio.ensure_future(leave()))
