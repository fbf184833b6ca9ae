import io

import pytest

from controlplane.progress import Progress, elapsed
from controlplane.report import Report


@pytest.mark.parametrize(("seconds", "text"), [(0.4, "0s"), (59.4, "59s"), (60, "1m00s"), (190.2, "3m10s")])
def test_elapsed_time_reads_as_minutes_and_seconds(seconds: float, text: str) -> None:
    assert elapsed(seconds) == text


def test_a_step_says_what_is_built_what_remains_and_how_long_it_took() -> None:
    stream = io.StringIO()
    progress = Progress(steps=("etcd 1", "kwok 2"), stream=stream)
    with progress.step(0):
        pass
    assert stream.getvalue() == "[1/2] etcd 1 ... (then kwok 2)\n[1/2] etcd 1 done in 0s\n"


def test_a_long_step_shows_that_it_lives() -> None:
    stream = io.StringIO()
    progress = Progress(steps=("etcd 1",), stream=stream, heartbeat=0.01)
    with progress.step(0):
        while "(in all" not in stream.getvalue():
            pass


def test_quiet_says_nothing() -> None:
    stream = io.StringIO()
    with Progress(steps=("etcd 1",), stream=stream, quiet=True).step(0):
        pass
    assert stream.getvalue() == ""


def test_the_exit_status_is_0_only_when_everything_was_so(capsys: pytest.CaptureFixture[str]) -> None:
    report = Report()
    assert report.exit_code == 1  # nothing was shown
    report.expect(condition=True, text="this")
    assert report.exit_code == 0
    report.expect(condition=False, text="that")
    assert report.exit_code == 1
    report.summary()
    assert "✗ that" in capsys.readouterr().out
