import os
import sys
from pathlib import Path

import pytest

from controlplane.process import Process, ProcessFailed, wait_until
from controlplane.scratch import PREFIX, Scratch, sweep


def shell(tmp_path: Path, script: str) -> Process:
    return Process("child", ["/bin/sh", "-c", script], tmp_path / "log")


def test_a_child_that_ends_before_it_is_ready_is_reported_with_the_end_of_its_log(tmp_path: Path) -> None:
    child = shell(tmp_path, "echo first; echo the cause; exit 3")
    with pytest.raises(ProcessFailed, match=r"child ended with 3; the end of its log:\nfirst\nthe cause"):
        wait_until(lambda: False, "ready", (child,), 10)


def test_a_child_that_is_never_ready_is_reported_with_its_log(tmp_path: Path) -> None:
    child = shell(tmp_path, "echo still starting; exec sleep 60")
    try:
        wait_until(lambda: "still" in child.tail(), "output", (child,), 10)
        with pytest.raises(ProcessFailed, match=r"an answer not within 0 s\n--- child\nstill starting"):
            wait_until(lambda: False, "an answer", (child,), 0)
    finally:
        child.kill()


def test_a_child_that_ignores_the_request_to_stop_is_killed(tmp_path: Path) -> None:
    child = shell(tmp_path, "trap '' TERM; echo ready; while :; do sleep 0.1; done")
    wait_until(lambda: "ready" in child.tail(), "output", (child,), 10)
    child.stop(timeout=0.2)
    assert not child.running


def test_a_restart_is_a_new_process_that_goes_on_in_the_same_log(tmp_path: Path) -> None:
    child = shell(tmp_path, "echo once; exec sleep 60")
    wait_until(lambda: child.tail() == "once", "output", (child,), 10)
    before = child.pid
    child.restart()
    wait_until(lambda: child.tail() == "once\nonce", "output again", (child,), 10)
    assert child.pid != before
    child.kill()


def test_a_child_lives_in_its_own_session(tmp_path: Path) -> None:
    child = shell(tmp_path, "exec sleep 60")
    assert os.getsid(child.pid) == child.pid
    child.kill()


def test_a_directory_left_by_a_killed_process_is_swept(tmp_path: Path) -> None:
    left = tmp_path / f"{PREFIX}left"
    left.mkdir()
    (left / "in-use").touch()
    sweep(tmp_path)
    assert not left.exists()


def test_a_directory_in_use_or_just_being_made_is_not_swept(tmp_path: Path) -> None:
    used = Scratch(tmp_path)
    young = tmp_path / f"{PREFIX}young"
    young.mkdir()
    sweep(tmp_path)
    assert used.path.exists()
    assert young.exists()
    used.remove()
    assert not used.path.exists()


def test_the_python_that_runs_us_starts_the_leash(tmp_path: Path) -> None:
    child = Process("child", [sys.executable, "-c", "import os; print(os.getppid())"], tmp_path / "log")
    wait_until(lambda: child.tail() == str(os.getpid()), "the parent's number", (), 10)
    child.stop()
