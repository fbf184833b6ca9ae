"""Serves exporters over HTTP: one path each, all in one process, on a clock of their own."""

import sys
import threading
import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Protocol, Self


class Exporter(Protocol):
    """Writes its metrics of a moment of the course."""

    def metrics(self, seconds: float, accept: str) -> tuple[str, str] | None:
        """The content type and the text at that many seconds, for a client that accepts `accept`; None while down."""


class _HTTP(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - as its base class has it
        """Say nothing of a client that went away: a Prometheus that is killed resets its connections."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class Server:
    """Serves exporters at `url(name)` until stopped; a context manager.

    `clock` tells the courses' time in seconds; without one it starts with the server and runs `speed` times as fast
    as the wall's.
    """

    def __init__(
        self,
        exporters: Mapping[str, Exporter] | None = None,
        *,
        speed: float = 1.0,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self._exporters = dict(exporters or {})
        started = time.monotonic()
        self.clock = clock or (lambda: (time.monotonic() - started) * speed)
        self._http = _HTTP(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def url(self, name: str) -> str:
        """Where that exporter's metrics are."""
        host, port = self._http.server_address[:2]
        return f"http://{host!s}:{port}/{name}/metrics"

    def add(self, name: str, exporter: Exporter) -> str:
        """Serve one more, or another in a name's place; its address."""
        self._exporters[name] = exporter
        return self.url(name)

    def remove(self, name: str) -> None:
        """Serve it no longer: a scrape of it fails, as that of a pod that is gone."""
        del self._exporters[name]

    def stop(self) -> None:
        """Close the port."""
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                name = self.path.removeprefix("/").removesuffix("/metrics")
                exporter = server._exporters.get(name)
                if exporter is None:
                    self.send_error(HTTPStatus.NOT_FOUND)
                    return
                answer = exporter.metrics(server.clock(), self.headers.get("Accept", ""))
                if answer is None:
                    self.send_error(HTTPStatus.SERVICE_UNAVAILABLE)
                    return
                kind, text = answer
                body = text.encode()
                self.send_response(HTTPStatus.OK)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name in the base class
                """Say nothing: it is scraped every second."""

        return Handler
