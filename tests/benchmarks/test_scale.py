"""The scale benchmark's own parts; a whole run of it on a real control plane is in tests/cluster."""

import json
import os
import subprocess
import time
from pathlib import Path

import pytest

from benchmarks.scale.__main__ import main
from benchmarks.scale.cold_start import ColdStart, age_seconds, cpu_seconds, resident
from benchmarks.scale.large_cluster import CARDS, heavy_node
from benchmarks.scale.report import render
from controlplane.commands import KWOK_ANNOTATION
from llmjob.fleet.projection import project

EMPTY = ColdStart(
    ready_seconds=0.5,
    ready_cpu_seconds=0.4,
    settled_cpu_seconds=0.4,
    peak_bytes=64 * 2**20,
    settled_bytes=60 * 2**20,
)
LARGE = ColdStart(
    ready_seconds=2.0,
    ready_cpu_seconds=1.0,
    settled_cpu_seconds=6.0,
    peak_bytes=640 * 2**20,
    settled_bytes=300 * 2**20,
)


def test_the_table_has_both_clusters_side_by_side_with_their_ratio() -> None:
    lines = {
        line.split("  ")[0]: line.split() for line in render(5000, 20480, {"webhook": (EMPTY, LARGE)}).splitlines()
    }
    assert lines["webhook: ready after"][-5:] == ["0.50", "s", "2.00", "s", "4.0x"]
    assert lines["webhook: CPU until idle"][-5:] == ["0.40", "s", "6.00", "s", "15.0x"]
    assert lines["webhook: peak memory"][-5:] == ["64", "MiB", "640", "MiB", "10.0x"]
    assert lines["webhook: memory when idle"][-5:] == ["60", "MiB", "300", "MiB", "5.0x"]
    assert "A node is 20.0 KiB of JSON." in render(5000, 20480, {})


def test_a_node_is_as_heavy_as_a_real_one_and_nobody_manages_it() -> None:
    nodes = [heavy_node(number) for number in range(len(CARDS))]
    assert all(len(json.dumps(node)) > 12_000 for node in nodes)
    assert all(KWOK_ANNOTATION not in node["metadata"]["annotations"] for node in nodes)
    assert len({node["metadata"]["name"] for node in nodes}) == len(nodes)


def test_four_nodes_of_five_have_gpus_that_llmjob_sees() -> None:
    assert [project(heavy_node(number)) is not None for number in range(10)] == [True, True, True, True, False] * 2


def test_memory_is_the_kernel_s_word_in_bytes() -> None:
    pid = os.getpid()
    ballast = bytearray(64 * 2**20)
    assert resident(pid, "VmRSS") > len(ballast)
    del ballast
    assert resident(pid, "VmHWM") - resident(pid, "VmRSS") > 60 * 2**20  # the kernel counts a little loosely
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    assert resident(pid, "VmRSS") == pytest.approx(pages * os.sysconf("SC_PAGE_SIZE"), rel=0.01)
    with pytest.raises(ValueError, match="has no VmNothing"):
        resident(pid, "VmNothing")


def test_cpu_time_is_user_and_system_time_in_seconds() -> None:
    while os.times().system < 0.2:
        os.urandom(2**20)
    assert cpu_seconds(os.getpid()) == pytest.approx(sum(os.times()[:2]), abs=0.05)


def test_a_process_is_as_old_as_the_time_since_its_fork() -> None:
    begun = time.monotonic()
    with subprocess.Popen(["sleep", "60"]) as child:
        while time.monotonic() - begun < 0.3:
            time.sleep(0.01)
        assert age_seconds(child.pid) == pytest.approx(time.monotonic() - begun, abs=0.1)
        child.kill()


def test_a_cluster_without_nodes_is_no_large_one(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--nodes", "0"])
    assert "--nodes must be at least 1" in capsys.readouterr().err
