"""The only I/O with the API server besides Kopf's watches: list in chunks, get, watch one object, write."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Any, Final, Self

import aiohttp

from llmjob.runtime.access import Access

CHUNK: Final = 500
_TIMEOUT: Final = 30.0
# The API server takes the field manager's name from it.
AGENT: Final = "llmjob"
_WRONG_REQUESTS: Final = frozenset({400, 413, 415, 422})
_NOT_FOUND: Final = 404
_FIRST_ERROR: Final = 400
_LONGEST: Final = 300
# A watch ends after a minute and begins anew with a LIST, so that a connection that died silently hides nothing longer.
_WATCHED: Final = 60
_GRACE: Final = 15
_PAUSE: Final = 0.5
# Clocks that differ by less are taken for the same: an answer says whole seconds only, and is on its way for some.
_SAME: Final = timedelta(minutes=1)

Object = Mapping[str, Any]


class ClusterError(Exception):
    """The API server gave no answer or refused; `status` is the HTTP status, None where there was no answer."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status

    @property
    def refused(self) -> bool:
        """Whether the same request would be refused again: what it says is wrong, not the moment."""
        return self.status in _WRONG_REQUESTS

    @property
    def absent(self) -> bool:
        """Whether there is no such object, or no such kind."""
        return self.status == _NOT_FOUND


class Cluster:
    """A session with the API server; use it as an asynchronous context manager, inside one event loop."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._ssl: ssl.SSLContext | None = None
        self._session: aiohttp.ClientSession | None = None
        self._behind = timedelta()

    def now(self) -> datetime:
        """The time: by this machine's clock, unless the API server's last answer told another by more than a minute."""
        return datetime.now(UTC) + self._behind

    async def __aenter__(self) -> Self:
        try:
            self._ssl = self._access.ssl_context()
        except OSError as error:
            raise ClusterError(f"credentials for the API server cannot be read: {error}") from error
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=self._ssl, limit=16),
            headers={"Accept": "application/json", "User-Agent": AGENT},
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def list(self, path: str, selector: str | None = None) -> AsyncIterator[Object]:
        """Every object of a collection, or those that a label selector chooses, by chunks of 500."""
        chosen = {"limit": str(CHUNK)} | ({"labelSelector": selector} if selector else {})
        token: str | None = None
        while True:
            query = chosen | ({"continue": token} if token else {})
            page = await self._ask("GET", path, query=query)
            for item in page.get("items") or ():
                yield item
            token = (page.get("metadata") or {}).get("continue")
            if not token:
                return

    async def get(self, path: str, *, timeout: float = _TIMEOUT) -> Object | None:  # noqa: ASYNC109, a bound of HTTP
        """One object; None where there is none (404)."""
        try:
            return await self._ask("GET", path, timeout=timeout)
        except ClusterError as error:
            if error.absent:
                return None
            raise

    async def watch_one(self, path: str, name: str) -> AsyncIterator[Object | None]:
        """The object of that name in a collection: now, and after each change; None while there is none.

        Needs the verbs list and watch on that name only: the API server takes the name from the field selector.

        Raises:
            ClusterError: when the watch fails; begin anew.
        """
        named = {"fieldSelector": f"metadata.name={name}"}
        while True:
            page = await self._ask("GET", path, query=named)
            yield next(iter(page.get("items") or ()), None)
            version = str((page.get("metadata") or {}).get("resourceVersion", ""))
            query = {**named, "watch": "true", "resourceVersion": version, "timeoutSeconds": str(_WATCHED)}
            async with self._request("GET", path, query=query, timeout=_WATCHED + _GRACE) as answer:
                async for line in _lines(answer.content):
                    event = _object(line)
                    if event.get("type") == "ERROR":
                        break
                    yield None if event.get("type") == "DELETED" else event.get("object")
            await asyncio.sleep(_PAUSE)

    async def create(self, path: str, content: Object) -> Object:
        """Create an object in a collection."""
        return await self._ask("POST", path, body=content, content="application/json")

    async def merge(self, path: str, patch: Object) -> Object:
        """Merge-patch an object; a resourceVersion in the patch makes it hold for that version only (409)."""
        return await self._ask("PATCH", path, body=patch, content="application/merge-patch+json")

    async def patch(self, path: str, operations: Sequence[Object]) -> Object:
        """JSON-patch an object; a resourceVersion put in makes it hold for that version only (409)."""
        return await self._ask("PATCH", path, body=operations, content="application/json-patch+json")

    async def _ask(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Object | Sequence[Object] | None = None,
        content: str | None = None,
        timeout: float = _TIMEOUT,  # noqa: ASYNC109
    ) -> Object:
        async with self._request(method, path, query=query, body=body, content=content, timeout=timeout) as answer:
            return _object(await answer.text())

    @asynccontextmanager
    async def _request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Object | Sequence[Object] | None = None,
        content: str | None = None,
        timeout: float = _TIMEOUT,  # noqa: ASYNC109
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        if self._session is None:
            raise RuntimeError("the cluster's session is not open")
        headers = {"Content-Type": content} if content else {}
        try:
            bearer = self._access.bearer()
            if bearer:
                headers["Authorization"] = f"Bearer {bearer}"
            async with self._session.request(
                method, self._access.server.rstrip("/") + path, params=query, json=body, headers=headers,
                timeout=aiohttp.ClientTimeout(total=timeout),
            ) as answer:  # fmt: skip
                self._compare_clocks(answer.headers.get("Date"))
                if answer.status >= _FIRST_ERROR:
                    said = (await answer.text())[:_LONGEST]
                    raise ClusterError(f"{method} {path}: {answer.status} {answer.reason}: {said}", answer.status)
                yield answer
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise ClusterError(f"{method} {path}: no answer ({error or type(error).__name__})") from error
        except ValueError as error:
            raise ClusterError(f"{method} {path}: the answer is no JSON object ({error})") from error

    def _compare_clocks(self, told: str | None) -> None:
        """`told` is the Date of an answer."""
        try:
            behind = parsedate_to_datetime(told or "").astimezone(UTC) - datetime.now(UTC)
        except (ValueError, OverflowError):
            return
        self._behind = behind if abs(behind) > _SAME else timedelta()


async def _lines(content: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    """Lines of any length: one of a watch is a whole object."""
    kept = b""
    async for chunk in content.iter_any():
        *lines, kept = (kept + chunk).split(b"\n")
        for line in lines:
            yield line


def _object(text: str | bytes) -> Object:
    found = json.loads(text)
    if not isinstance(found, dict):
        raise ValueError(f"it is a {type(found).__name__}")  # noqa: TRY004, as json has it
    return found
