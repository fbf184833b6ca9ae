"""The node agent's client of the API server: requests, and collections kept by LIST and WATCH."""

import asyncio
import base64
import json
import logging
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlencode

import aiohttp
from aiohttp.http_exceptions import LineTooLong

Object = dict[str, Any]

MERGE_PATCH: Final = "application/merge-patch+json"
_LONGEST_LINE: Final = 8 * 2**20
_WATCH_SECONDS: Final = 300
_RETRY_SECONDS: Final = 0.5
_log: Final = logging.getLogger(__name__)


class ApiError(Exception):
    """The API server refused or gave no answer; `status` is the HTTP status, 0 where there was no answer."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


class Api:
    """One API server, as one user. Make one with `connect`."""

    def __init__(self, session: aiohttp.ClientSession, server: str) -> None:
        self._session = session
        self.server = server

    async def request(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, *, content: str = "application/json"
    ) -> Object:
        """The decoded answer. Raises ApiError."""
        try:
            data = None if body is None else json.dumps(body).encode()
            headers = {} if body is None else {"Content-Type": content}
            async with self._session.request(
                method, self.server + path, data=data, headers=headers, timeout=aiohttp.ClientTimeout(total=10)
            ) as answer:
                text = await answer.text()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise ApiError(f"{method} {path}: {error or type(error).__name__}") from error
        if answer.status >= HTTPStatus.BAD_REQUEST:
            raise ApiError(f"{method} {path}: {answer.status}: {text[:500]}", answer.status)
        return _object(text)

    async def follow(self, path: str, query: Mapping[str, str], changed: Callable[[dict[str, Object]], None]) -> None:
        """Tell `changed` all objects of a collection, by uid, after every change; for ever, over every outage."""
        while True:
            try:
                await self._list_and_watch(path, query, changed)
            except (ApiError, aiohttp.ClientError, TimeoutError, OSError) as error:
                _log.info("%s: listing again after: %s", path, error or type(error).__name__)
                await asyncio.sleep(_RETRY_SECONDS)

    async def _list_and_watch(
        self, path: str, query: Mapping[str, str], changed: Callable[[dict[str, Object]], None]
    ) -> None:
        listed = await self.request("GET", f"{path}?{urlencode(query)}")
        objects = {item["metadata"]["uid"]: item for item in listed["items"]}
        changed(dict(objects))
        watch = {
            **query, "watch": "true", "allowWatchBookmarks": "false", "timeoutSeconds": str(_WATCH_SECONDS),
            "resourceVersion": listed["metadata"]["resourceVersion"],
        }  # fmt: skip
        async for event in self._events(f"{path}?{urlencode(watch)}"):
            item = event["object"]
            if event["type"] == "ERROR":
                raise ApiError(str(item.get("message")), int(item.get("code", 0)))
            if event["type"] == "DELETED":
                objects.pop(item["metadata"]["uid"], None)
            else:
                objects[item["metadata"]["uid"]] = item
            changed(dict(objects))

    async def _events(self, path: str) -> AsyncIterator[Object]:
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=_WATCH_SECONDS + 30)
        async with self._session.get(self.server + path, timeout=timeout) as answer:
            if answer.status >= HTTPStatus.BAD_REQUEST:
                raise ApiError(f"WATCH {path}: {answer.status}: {(await answer.text())[:500]}", answer.status)
            try:
                async for line in answer.content:
                    yield _object(line)
            except LineTooLong as error:
                raise ApiError(f"WATCH {path}: an event of more than {_LONGEST_LINE} bytes") from error


def _object(text: str | bytes) -> Object:
    try:
        found = json.loads(text)
    except ValueError as error:
        raise ApiError(f"no JSON: {text[:100]!r}: {error}") from error
    if not isinstance(found, dict):
        raise ApiError(f"no JSON object: {text[:100]!r}")
    return found


@asynccontextmanager
async def connect(config: Object) -> AsyncIterator[Api]:
    """Log in by a kubeconfig of this harness: a token, the CA inline."""
    cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
    context = ssl.create_default_context(cadata=base64.b64decode(cluster["certificate-authority-data"]).decode())
    connector = aiohttp.TCPConnector(ssl=context, limit=0)
    headers = {"Authorization": f"Bearer {user['token']}"}
    async with aiohttp.ClientSession(connector=connector, headers=headers, read_bufsize=_LONGEST_LINE) as session:
        yield Api(session, cluster["server"])
