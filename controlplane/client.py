"""A client of the API server for the harness itself: JSON over TLS with a token, the standard library only."""

import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any


class RequestFailed(Exception):
    """The API server answered with an error; `status` is its code."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status


@dataclass(frozen=True, slots=True)
class Client:
    """Speaks to one API server as one user."""

    url: str
    token: str
    context: ssl.SSLContext

    def request(
        self, method: str, path: str, body: Mapping[str, object] | None = None, *, content: str = "application/json"
    ) -> Any:  # noqa: ANN401 - JSON
        """The decoded answer. Raises RequestFailed, or OSError where there is no answer."""
        request = urllib.request.Request(self.url + path, method=method)
        request.add_header("Authorization", f"Bearer {self.token}")
        request.add_header("Accept", "application/json")
        data = None
        if body is not None:
            request.add_header("Content-Type", content)
            data = json.dumps(body).encode()
        try:
            with urllib.request.urlopen(request, data, timeout=10, context=self.context) as answer:
                text = answer.read()
        except urllib.error.HTTPError as error:
            with error:
                raise RequestFailed(error.code, error.read().decode(errors="replace")[:2000]) from None
        return json.loads(text) if text.startswith((b"{", b"[")) else text.decode()

    def exists(self, path: str) -> bool:
        """Whether a GET succeeds; False too while nobody answers."""
        try:
            self.request("GET", path)
        except RequestFailed as error:
            if error.status in {HTTPStatus.NOT_FOUND, HTTPStatus.FORBIDDEN, HTTPStatus.INTERNAL_SERVER_ERROR}:
                return False
            if error.status in {HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.UNAUTHORIZED}:
                return False
            raise
        except OSError:
            return False
        return True
