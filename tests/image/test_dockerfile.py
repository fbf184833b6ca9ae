import subprocess
import tomllib
from pathlib import PurePosixPath

import pytest

from tests.image import dockerfile
from tests.image.dockerfile import ROOT

ARGUMENTS, STAGES = dockerfile.read()
BUILD, FINAL = STAGES


def test_both_stages_stand_on_the_base_that_the_release_names_by_digest() -> None:
    assert ARGUMENTS == {"BASE": "python:3.13-slim"}
    assert [stage.base for stage in STAGES] == ["python:3.13-slim"] * 2


def test_it_runs_as_the_chart_s_user_without_a_name() -> None:
    assert FINAL.user == "65532:65532"


def test_the_command_is_llmjob() -> None:
    assert FINAL.entrypoint == ["llmjob"]


def test_only_the_built_environment_reaches_the_last_stage() -> None:
    assert FINAL.values("COPY") == ["--from=build /opt/llmjob /opt/llmjob"]


def test_everything_from_outside_is_installed_by_hash() -> None:
    installs = [command for command in BUILD.values("RUN") if " install " in command]
    *outside, own = sorted(installs, key=lambda command: "--no-index" in command)
    assert len(outside) == 2
    assert all("--require-hashes --requirement requirements/" in command for command in outside)
    assert own.endswith("--no-deps --no-index dist/*.whl")


def test_the_labels_name_version_and_revision() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    labels = {name.removeprefix("org.opencontainers.image."): value for name, value in FINAL.labels.items()}
    assert f"VERSION={version}" in FINAL.values("ARG")
    assert labels["title"] == "llmjob-operator"
    assert (labels["version"], labels["revision"], labels["licenses"]) == ("${VERSION}", "${REVISION}", "Apache-2.0")


def test_no_registry_and_no_package_index_is_named() -> None:
    text = (ROOT / "Dockerfile").read_text()
    assert "://" not in text
    assert "/" not in ARGUMENTS["BASE"]


def test_a_builder_gets_what_the_wheel_needs_and_nothing_else() -> None:
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
    sent = {path for path in tracked.stdout.splitlines() if dockerfile.sent(path)}
    package = {path for path in sent if path.startswith("operator/llmjob/")}
    assert "operator/llmjob/cli/main.py" in package
    assert sent - package == {
        "LICENSE",
        "README.md",
        "pyproject.toml",
        "requirements/build.txt",
        "requirements/runtime.txt",
    }


@pytest.mark.parametrize(
    "path",
    [
        "operator/llmjob/__pycache__/names.cpython-313.pyc",
        "operator/llmjob/estimator/__pycache__/x.pyc",
        ".venv/bin/python",
        ".git/HEAD",
        "dist/llmjob_operator-0.1.0-py3-none-any.whl",
        "id_rsa",
    ],
)
def test_what_lies_beside_the_sources_is_not_sent(path: str) -> None:
    assert not dockerfile.sent(path)


def test_the_build_backend_s_lock_pins_what_pyproject_asks_for() -> None:
    [backend] = tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]["requires"]
    assert (ROOT / "requirements" / "build.txt").read_text().startswith(f"{backend} \\\n    --hash=sha256:")


def test_everything_that_is_copied_is_sent() -> None:
    copied = [word for value in BUILD.values("COPY") for word in value.split()[:-1]]
    files = [place for word in copied for place in ([word] if (ROOT / word).is_file() else [f"{word}llmjob/names.py"])]
    assert all(dockerfile.sent(str(PurePosixPath(place))) for place in files)
