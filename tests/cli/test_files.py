"""Files that are given and cannot be read as text are bad input (65), and others beside them still count."""

import json

import pytest

from llmjob.cli import main

JOB = """{"apiVersion": "llmjob.dev/v1alpha1", "kind": "LLMJob", "metadata": {"name": "good"},
 "spec": {"model": {"parameters": "7B"}, "inference": {}}}"""
LATIN = "kind: LLMJob # f\xfcr".encode("latin-1")


def run(monkeypatch, *args):
    monkeypatch.setattr("sys.argv", ["llmjob", *args])
    with pytest.raises(SystemExit) as left:
        main.run()
    return left.value.code


def test_a_file_that_is_no_utf_8_is_bad_input_and_the_others_are_still_read(tmp_path, monkeypatch, capsys):
    (tmp_path / "a.yaml").write_bytes(LATIN)
    (tmp_path / "b.json").write_text(JOB)
    assert run(monkeypatch, "estimate", "-f", str(tmp_path), "-o", "json") == 65
    bad, good = json.loads(capsys.readouterr().out)
    assert bad["unknown"]["reason"] == "BadInput"
    assert "not UTF-8 text (byte 16)" in bad["unknown"]["message"]
    assert (good["name"], good["unknown"]) == ("good", None)


def test_standard_input_that_is_no_utf_8_is_bad_input(tmp_path, monkeypatch, capsys):
    (tmp_path / "stdin").write_bytes(LATIN)
    with (tmp_path / "stdin").open() as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        assert run(monkeypatch, "check", "-f", "-", "--gpu", "l4") == 65
    assert "not UTF-8 text" in capsys.readouterr().out


@pytest.mark.parametrize("option", ["--fleet", "--config"])
def test_so_are_other_files(tmp_path, monkeypatch, capsys, option):
    file = tmp_path / "file"
    file.write_bytes(LATIN)
    args = ["--gpu", "l4"] if option == "--config" else ["--parameters", "7B"]
    assert run(monkeypatch, "check", *args, option, str(file)) == 65
    shown = capsys.readouterr()
    assert "not UTF-8 text" in shown.out + shown.err


def test_a_file_that_is_not_there_is_usage(monkeypatch, tmp_path):
    assert run(monkeypatch, "estimate", "-f", str(tmp_path / "none.yaml")) == 64


def test_what_is_no_node_in_a_fleet_file_is_bad_input_and_odd_memory_a_warning(tmp_path, monkeypatch, capsys):
    file = tmp_path / "fleet.json"
    file.write_text('{"kind": "List", "items": [5]}')
    assert run(monkeypatch, "check", "--parameters", "7B", "--fleet", str(file)) == 65
    assert "items[0]: must be a Node, not 5" in capsys.readouterr().err
    file.write_text('[{"name": "l4", "memory": "80Gi"}]')
    assert run(monkeypatch, "check", "--parameters", "7B", "--fleet", str(file)) == 0
    assert "warning: --fleet" in capsys.readouterr().err
