"""How the two processes end, as whoever starts them sees it: exit code and last line."""

import json
import os
import socket
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def started(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("KUBE", "LLMJOB"))}
    environment["PYTHONPATH"] = str(ROOT / "operator")
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, timeout=60, env=environment, check=False
    )


def run(*arguments: str) -> tuple[int, str]:
    answer = started("-m", "llmjob", *arguments)
    return answer.returncode, answer.stderr.strip().splitlines()[-1]


def written(tmp_path: Path, url: str) -> str:
    """A kubeconfig for a server without credentials."""
    path = tmp_path / "kubeconfig"
    content = {
        "apiVersion": "v1", "kind": "Config", "current-context": "x",
        "clusters": [{"name": "c", "cluster": {"server": url}}],
        "users": [{"name": "u", "user": {}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
    }  # fmt: skip
    path.write_text(json.dumps(content))
    return str(path)


@pytest.fixture
def kubeconfig(tmp_path):
    return written(tmp_path, "http://127.0.0.1:9")


def test_without_a_cluster_the_controller_ends_with_69_and_says_what_to_give():
    code, said = run("controller", "--metrics-port", "0")
    line = json.loads(said)
    assert (code, line["level"]) == (69, "critical")
    assert "--kubeconfig" in line["message"]


def test_settings_with_a_mistake_end_the_webhook_with_64_and_name_the_key(kubeconfig, tmp_path):
    settings = tmp_path / "settings.yaml"
    settings.write_text("enabeld: true")
    code, said = run(
        "webhook", "--kubeconfig", kubeconfig, "--settings", str(settings), "--metrics-port", "0", "--port", "0",
        "--host", "127.0.0.1", "--tls-cert", "absent.crt", "--tls-key", "absent.key", "--log-format", "text",
    )  # fmt: skip
    assert code == 64
    assert "enabeld is unknown" in said


@pytest.fixture
def api_server(tmp_path):
    """An API server with nothing in it; yields a kubeconfig."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(b'{"items": []}')

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    serving = threading.Thread(target=server.serve_forever, args=(0.01,))
    serving.start()
    yield written(tmp_path, f"http://127.0.0.1:{server.server_port}")
    server.shutdown()
    serving.join()
    server.server_close()


WEBHOOK = (
    "webhook", "--port", "0", "--host", "127.0.0.1", "--tls-cert", "absent.crt", "--tls-key", "absent.key",
)  # fmt: skip


@pytest.mark.parametrize(
    ("loop", "command"),
    [
        ("controller.Controller.run", ("controller",)),
        ("certificates.tls.Certificate.watch", WEBHOOK),
        ("feed.Feed.keep_listing", WEBHOOK),
    ],
)
def test_a_loop_that_fails_ends_the_process_with_70(api_server, loop, command):
    module, kind, method = loop.rsplit(".", 2)
    broken = (
        f"from llmjob.cli.main import run\nfrom llmjob.runtime.{module} import {kind}\n"
        f"async def bad(*_):\n    raise RuntimeError('a bug')\n"
        f"{kind}.{method} = bad\nrun()"
    )
    answer = started("-c", broken, *command, "--kubeconfig", api_server, "--metrics-port", "0", "--log-format", "text")
    assert answer.returncode == 70
    assert "a bug; stopping" in answer.stderr
    assert "RuntimeError: a bug" in answer.stderr


def test_a_port_that_is_taken_ends_the_process_with_69_and_is_named(kubeconfig):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, said = run(
            "controller", "--kubeconfig", kubeconfig, "--metrics-port", str(port), "--host", "127.0.0.1",
        )  # fmt: skip
    assert code == 69
    assert f"cannot listen on 127.0.0.1, port {port}" in json.loads(said)["message"]
