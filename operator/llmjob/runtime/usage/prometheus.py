"""Questions to a Prometheus, bounded in time and size."""

import asyncio
import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self
from urllib.parse import urlsplit, urlunsplit

import aiohttp

from llmjob.observation.series import BadAnswer, Series, read_matrix

_TIMEOUT: Final = 15.0
_LARGEST: Final = 32 * 2**20
# A redirect would carry the token elsewhere, and mostly ends at a login page.
_FIRST_ERROR: Final = 300
_LONGEST: Final = 200


class PrometheusError(Exception):
    """No answer, a refusal, or an answer that is none of Prometheus'; the message says which."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PrometheusAccess:
    """Where a Prometheus is, and the credentials for it; files are read at each use. `tenant` is a header of its own.

    Raises:
        ValueError: for what is no address of HTTP.
    """

    url: str
    ca_file: str | None = None
    token_file: str | None = None
    tenant: tuple[str, str] | None = None

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        # Reading the port checks it.
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.port == 0:
            raise ValueError(f"{self.url!r} is no address; write it like http://prometheus.example:9090")
        if parts.query or parts.fragment:
            raise ValueError(f"{self.url!r}: give scheme, host, port and path only")

    @property
    def shown(self) -> str:
        """The address for messages, without a password in it."""
        parts = urlsplit(self.url)
        return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2])).rstrip("/")

    def bearer(self) -> str:
        """The token of this moment, empty where none is given.

        Raises:
            OSError, ValueError: when it cannot be read, or is no token.
        """
        token = Path(self.token_file).read_text(encoding="utf-8").strip() if self.token_file else ""
        if not (token.isascii() and token.isprintable()):
            raise ValueError(f"{self.token_file} holds no token")
        return token


class Prometheus:
    """A session with a Prometheus, or what speaks its HTTP API; use it as an asynchronous context manager."""

    def __init__(self, access: PrometheusAccess, *, timeout: float = _TIMEOUT, largest: int = _LARGEST) -> None:
        self._access, self._timeout, self._largest = access, timeout, largest
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        try:
            context = ssl.create_default_context(cafile=self._access.ca_file)
            token = self._access.bearer()
        except (OSError, ValueError) as error:
            raise PrometheusError(f"credentials for Prometheus cannot be read: {error}") from error
        headers = {"Accept": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=context),
            headers=headers | dict([self._access.tenant] if self._access.tenant else ()),
            timeout=aiohttp.ClientTimeout(total=self._timeout),
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def over_time(self, expression: str, *, start: float, end: float, step: float) -> list[Series]:
        """An expression at every step, times in Unix seconds.

        Raises:
            PrometheusError: saying what is wrong.
        """
        asked = {"query": expression, "start": f"{start:.3f}", "end": f"{end:.3f}", "step": f"{step:.3f}"}
        return await self._series("query_range", asked)

    async def lately(self, expression: str) -> list[Series]:
        """The samples that a range selector chooses, as they were scraped.

        Raises:
            PrometheusError: saying what is wrong.
        """
        return await self._series("query", {"query": expression})

    async def _series(self, what: str, form: Mapping[str, str]) -> list[Series]:
        try:
            return await asyncio.to_thread(read_matrix, await self._ask(what, form))
        except BadAnswer as error:
            raise PrometheusError(f"{self._access.shown} gave no answer of Prometheus: {error}") from error

    async def _ask(self, what: str, form: Mapping[str, str]) -> object:
        if self._session is None:
            raise RuntimeError("the session with Prometheus is not open")
        path, shown = f"api/v1/{what}", self._access.shown
        try:
            async with self._session.post(
                f"{self._access.url.rstrip('/')}/{path}", data=form, allow_redirects=False
            ) as answer:
                content = await self._bounded(answer)
                if answer.status >= _FIRST_ERROR:
                    said = _reason(content)
                    raise PrometheusError(f"{shown}/{path}: {answer.status} {answer.reason}{said}")
        except TimeoutError as error:
            raise PrometheusError(f"{shown}/{path}: no answer within {self._timeout:g} s") from error
        except (aiohttp.ClientError, OSError) as error:
            raise PrometheusError(f"{shown}/{path}: no answer ({error or type(error).__name__})") from error
        try:
            return await asyncio.to_thread(json.loads, content)
        except (ValueError, RecursionError) as error:
            raise PrometheusError(f"{shown}/{path}: the answer is no JSON") from error

    async def _bounded(self, answer: aiohttp.ClientResponse) -> bytes:
        content = bytearray()
        async for chunk in answer.content.iter_any():
            content += chunk
            if len(content) > self._largest:
                raise PrometheusError(f"{self._access.shown}: the answer is larger than {self._largest:,} bytes")
        return bytes(content)


def _reason(content: bytes) -> str:
    """What Prometheus says of its refusal; nothing where it is a page of something else."""
    try:
        said = json.loads(content)
    except (ValueError, RecursionError):
        return ""
    reason = said.get("error") if isinstance(said, dict) else None
    return f": {str(reason)[:_LONGEST]}" if reason else ""
