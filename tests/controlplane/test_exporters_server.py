"""Several exporters in one process, on a clock of their own."""

import http.client
import socket
import struct
import threading
import time
import urllib.error
import urllib.request
from http import HTTPStatus
from urllib.parse import urlsplit

import pytest

from controlplane.exporters import DCGM, Card, Server


class Echo:
    """Writes the time and what the client accepts."""

    def metrics(self, seconds: float, accept: str) -> tuple[str, str]:
        return "text/x-echo", f"{seconds:.0f} {accept}\n"


class Down:
    """Answers nobody yet."""

    def metrics(self, seconds: float, accept: str) -> None:
        del seconds, accept


def fetch(url: str, accept: str = "a/b") -> tuple[str, str]:
    with urllib.request.urlopen(urllib.request.Request(url, headers={"Accept": accept}), timeout=5) as answer:
        return answer.headers["Content-Type"], answer.read().decode()


def test_each_exporter_has_an_address_and_gets_the_clock_and_what_the_client_accepts() -> None:
    with Server({"one": Echo()}, clock=lambda: 42.0) as server:
        two = server.add("two", DCGM(node="n", cards=(Card(index=0, uuid="u", model="m", memory=1),)))
        assert fetch(server.url("one")) == ("text/x-echo", "42 a/b\n")
        assert fetch(two)[0] == "text/plain; charset=utf-8"


def test_an_exporter_that_was_removed_is_not_found() -> None:
    with Server({"one": Echo()}) as server:
        server.remove("one")
        with pytest.raises(urllib.error.HTTPError) as caught:
            fetch(server.url("one"))
        caught.value.close()
        assert caught.value.code == HTTPStatus.NOT_FOUND


def test_an_exporter_that_is_down_is_unavailable() -> None:
    with Server({"one": Down()}) as server:
        with pytest.raises(urllib.error.HTTPError) as caught:
            fetch(server.url("one"))
        caught.value.close()
        assert caught.value.code == HTTPStatus.SERVICE_UNAVAILABLE


def test_the_clock_starts_with_the_server_and_runs_as_fast_as_asked() -> None:
    with Server(speed=1e6) as server:
        first = server.clock()
        assert 0 <= first < server.clock()
        assert server.clock() > 1


def test_a_stopped_server_answers_nobody() -> None:
    with Server({"one": Echo()}) as server:
        url = server.url("one")
    with pytest.raises(urllib.error.URLError):
        fetch(url)


def test_a_client_that_is_killed_between_two_scrapes_is_nothing_to_tell_of(capfd: pytest.CaptureFixture[str]) -> None:
    before = set(threading.enumerate())
    with Server({"one": Echo()}) as server:
        serving = set(threading.enumerate())
        parts = urlsplit(server.url("one"))
        client = http.client.HTTPConnection(parts.netloc, timeout=5)
        client.request("GET", parts.path)
        assert client.getresponse().read()
        assert isinstance(client.sock, socket.socket)
        client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # reset, as by a kill
        client.close()
        deadline = time.monotonic() + 5
        while set(threading.enumerate()) - serving - before and time.monotonic() < deadline:
            time.sleep(0.01)
        assert not set(threading.enumerate()) - serving - before
    assert capfd.readouterr().err == ""
