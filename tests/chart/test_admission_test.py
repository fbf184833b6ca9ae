"""What `helm test` takes for an answer of the webhook, and what it says where there is none."""

import importlib.util
import itertools
import urllib.request
from pathlib import Path
from types import ModuleType

import pytest

from tools.renders import CHART

DENIED = 'admission webhook "llmjobs.enforce.validate.llmjob.dev" denied the request: needs 4472.2 GiB per GPU'
AWAY = 'Internal error occurred: failed calling webhook "llmjobs.default.validate.llmjob.dev": connection refused'
FORBIDDEN = 'llmjobs.llmjob.dev is forbidden: User "x" cannot create resource "llmjobs"'


@pytest.fixture
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("admission_test_script", CHART / "files" / "admission_test.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(("status", "said"), [(201, '299 - "llmjob-test: needs 4472.2 GiB per GPU"'), (403, DENIED)])
def test_a_warning_of_the_job_or_a_refusal_is_an_answer(script: ModuleType, status: int, said: str) -> None:
    assert script.judged(status, said)


@pytest.mark.parametrize(
    ("status", "said"),
    [(201, ""), (201, '299 - "unknown field \\"spec.x\\""'), (500, AWAY), (403, FORBIDDEN), (0, "timed out")],
)
def test_whatever_others_say_is_none(script: ModuleType, status: int, said: str) -> None:
    assert not script.judged(status, said)


@pytest.mark.parametrize(
    ("host", "url"), [("10.0.0.1", "https://10.0.0.1:443/"), ("fd00::1", "https://[fd00::1]:443/")]
)
def test_it_asks_the_api_server_by_either_family_of_addresses(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, host: str, url: str
) -> None:
    asked: list[str] = []

    def refuse(request: urllib.request.Request, **_: object) -> None:
        asked.append(request.full_url)
        raise OSError("no answer")

    (tmp_path / "token").write_text("t")
    monkeypatch.setattr(script, "ACCOUNT", tmp_path)
    monkeypatch.setattr(script.ssl, "create_default_context", lambda **_: None)
    monkeypatch.setattr(script.urllib.request, "urlopen", refuse)
    for name, value in (("HOST", host), ("PORT", "443")):
        monkeypatch.setenv(f"KUBERNETES_SERVICE_{name}", value)
    monkeypatch.setenv("TEST_NAMESPACE", "default")
    assert script.create() == (0, "no answer")
    assert asked[0].startswith(url)


def test_it_waits_for_a_webhook_that_comes_late(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answers = iter([(500, AWAY), (201, ""), (403, DENIED)])
    monkeypatch.setattr(script, "create", lambda: next(answers))
    monkeypatch.setattr(script.time, "sleep", lambda _: None)
    assert script.main() == 0
    assert "4472.2 GiB" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("answer", "said"),
    [((500, AWAY), "connection refused"), ((403, FORBIDDEN), "forbidden"), ((201, ""), "nobody judged it")],
)
def test_it_fails_in_time_and_says_why(
    script: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    answer: tuple[int, str],
    said: str,
) -> None:
    clock = itertools.count(step=script.PATIENCE_SECONDS / 2)
    monkeypatch.setattr(script.time, "monotonic", lambda: next(clock))
    monkeypatch.setattr(script.time, "sleep", lambda _: None)
    monkeypatch.setattr(script, "create", lambda: answer)
    monkeypatch.setenv("TEST_NAMESPACE", "default")
    assert script.main() == 1
    error = capsys.readouterr().err
    assert "namespace default" in error
    assert said in error
