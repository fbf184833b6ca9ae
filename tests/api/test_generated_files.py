"""The generated files stand in the repository as they would be generated now."""

import subprocess
import sys

from tools import generate


def test_the_generated_files_are_current():
    for path, content in generate.generated().items():
        assert path.read_text() == content, f"{path.name}: run `make generate`"


def test_a_difference_fails_the_check_and_is_shown(tmp_path, monkeypatch, capsys):
    file = tmp_path / "crd.yaml"
    file.write_text("old\n")
    monkeypatch.setattr(generate, "ROOT", tmp_path)
    monkeypatch.setattr(generate, "generated", lambda: {file: "new\n"})
    assert generate.main(["--check"]) == 1
    assert file.read_text() == "old\n"
    printed = capsys.readouterr()
    assert "-old" in printed.out
    assert "+new" in printed.out
    assert "make generate" in printed.err


def test_writing_prints_the_change_in_bytes(tmp_path, monkeypatch, capsys):
    file = tmp_path / "docs" / "crd.yaml"
    monkeypatch.setattr(generate, "ROOT", tmp_path)
    monkeypatch.setattr(generate, "generated", lambda: {file: "new\n"})
    assert generate.main([]) == 0
    assert file.read_text() == "new\n"
    assert capsys.readouterr().out == "docs/crd.yaml: 0 -> 4 bytes\n"
    assert generate.main(["--check"]) == 0


def test_importing_the_reader_does_not_build_its_validators():
    code = "import llmjob.api.reader as r; assert not r.LLMJob.__pydantic_complete__"
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONPATH": "operator"}, cwd=generate.ROOT)
