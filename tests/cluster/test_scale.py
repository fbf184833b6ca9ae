"""The scale benchmark runs on the real control plane; its figures at 5,000 nodes are for `make bench-scale`."""

import json

import pytest

from benchmarks.scale.__main__ import main


def test_cold_starts_without_and_with_nodes_are_measured_in_one_run(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--nodes", "50", "-o", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["nodes"] == 50
    assert found["nodeBytes"] > 15_000
    assert found["processes"].keys() == {"webhook", "controller"}
    for starts in found["processes"].values():
        for start in starts.values():
            assert 0 < start["ready_cpu_seconds"] <= start["settled_cpu_seconds"]
            assert 30 * 2**20 < start["settled_bytes"] <= start["peak_bytes"]
        assert starts["large"]["peak_bytes"] > starts["empty"]["peak_bytes"]
