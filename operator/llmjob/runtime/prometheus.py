"""Questions to a Prometheus, bounded in time and size."""

import asyncio
import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self
from urllib.parse import urlsplit

import aiohttp

from llmjob.observation.series import BadAnswer, Series, read_matrix

_TIMEOUT: Final = 15.0
_LARGEST: Final = 32 * 2**20
_FIRST_ERROR: Final = 400
_LONGEST: Final = 200


class PrometheusError(Exception):
    """No answer, a refusal, or an answer that is none of Prometheus'; the message says which."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PrometheusAccess:
    """Where a Prometheus is, and the credentials for it; files are read at each use.

    Raises:
        ValueError: for what is no address of HTTP.
    """

    url: str
    ca_file: str | None = None
    token_file: str | None = None

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError(f"{self.url!r} is no address; write it like http://prometheus.example:9090")

    def bearer(self) -> str:
        """The token of this moment, empty where none is given."""
        return Path(self.token_file).read_text(encoding="utf-8").strip() if self.token_file else ""


class Prometheus:
    """A session with a Prometheus, or what speaks its HTTP API; use it as an asynchronous context manager."""

    def __init__(self, access: PrometheusAccess, *, timeout: float = _TIMEOUT, largest: int = _LARGEST) -> None:
        self._access, self._timeout, self._largest = access, timeout, largest
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        try:
            context = ssl.create_default_context(cafile=self._access.ca_file)
            token = self._access.bearer()
        except (OSError, UnicodeDecodeError) as error:
            raise PrometheusError(f"credentials for Prometheus cannot be read: {error}") from error
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=context),
            headers={"Accept": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {}),
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
        try:
            return read_matrix(await self._ask("query_range", asked))
        except BadAnswer as error:
            raise PrometheusError(f"{self._access.url} gave no answer of Prometheus: {error}") from error

    async def _ask(self, what: str, form: Mapping[str, str]) -> object:
        if self._session is None:
            raise RuntimeError("the session with Prometheus is not open")
        place = f"{self._access.url.rstrip('/')}/api/v1/{what}"
        try:
            async with self._session.post(place, data=form) as answer:
                content = await self._bounded(answer)
                if answer.status >= _FIRST_ERROR:
                    said = _reason(content)
                    raise PrometheusError(f"{place}: {answer.status} {answer.reason}{said}")
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise PrometheusError(f"{place}: no answer ({error or type(error).__name__})") from error
        try:
            return await asyncio.to_thread(json.loads, content)
        except ValueError as error:
            raise PrometheusError(f"{place}: the answer is no JSON") from error

    async def _bounded(self, answer: aiohttp.ClientResponse) -> bytes:
        content = bytearray()
        async for chunk in answer.content.iter_any():
            content += chunk
            if len(content) > self._largest:
                raise PrometheusError(f"{self._access.url}: the answer is larger than {self._largest >> 20} MiB")
        return bytes(content)


def _reason(content: bytes) -> str:
    """What Prometheus says of its refusal; nothing where it is a page of something else."""
    try:
        said = json.loads(content)
    except ValueError:
        return ""
    reason = said.get("error") if isinstance(said, dict) else None
    return f": {str(reason)[:_LONGEST]}" if reason else ""
