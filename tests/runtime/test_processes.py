"""How the two processes end, as whoever starts them sees it: exit code and last line."""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from llmjob.runtime import processes
from llmjob.runtime.access import Access

ROOT = Path(__file__).resolve().parents[2]


def run(*arguments: str) -> tuple[int, str]:
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("KUBE", "LLMJOB"))}
    environment["PYTHONPATH"] = str(ROOT / "operator")
    answer = subprocess.run(
        [sys.executable, "-m", "llmjob", *arguments],
        capture_output=True, text=True, timeout=60, env=environment, check=False,
    )  # fmt: skip
    return answer.returncode, answer.stderr.strip().splitlines()[-1]


@pytest.fixture
def kubeconfig(tmp_path):
    path = tmp_path / "kubeconfig"
    content = {
        "apiVersion": "v1", "kind": "Config", "current-context": "x",
        "clusters": [{"name": "c", "cluster": {"server": "http://127.0.0.1:9"}}],
        "users": [{"name": "u", "user": {}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
    }  # fmt: skip
    path.write_text(json.dumps(content))
    return str(path)


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


def test_a_loop_that_fails_ends_the_whole_process_as_our_bug(monkeypatch):
    monkeypatch.setattr(processes, "find_access", lambda _: Access(server="http://127.0.0.1:9"))
    monkeypatch.setattr(processes, "_log_lines", lambda _: None)

    async def bad() -> None:
        raise RuntimeError("bug")

    async def process(_: Access, stop: processes.Stop) -> None:
        loop = asyncio.ensure_future(processes._forever(bad, stop))
        await asyncio.Event().wait()
        await loop

    with pytest.raises(processes.LoopFailed):
        processes._run(process, None, "text")
