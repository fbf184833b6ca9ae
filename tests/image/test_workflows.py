"""The workflow files of a public CI, as far as they can be proven without one."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from controlplane.tools import HELM, KUBERNETES_VERSIONS
from tests.image import dockerfile
from tests.image.dockerfile import ROOT

FILES = sorted((ROOT / ".github" / "workflows").glob("*"))
WORKFLOWS: dict[str, dict[Any, Any]] = {path.stem: yaml.safe_load(path.read_text()) for path in FILES}
JOBS = [(name, job) for name, workflow in WORKFLOWS.items() for job in workflow["jobs"]]
SIGNING = {"contents": "read", "packages": "write", "id-token": "write"}


def steps(workflow: str, job: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = WORKFLOWS[workflow]["jobs"][job].get("steps", [])
    return found


def script(workflow: str, job: str, name: str) -> str:
    return next(str(step["run"]) for step in steps(workflow, job) if step.get("name") == name)


def all_scripts() -> list[str]:
    return [step["run"] for name, job in JOBS for step in steps(name, job) if "run" in step]


def test_there_is_one_to_test_and_one_to_release() -> None:
    assert set(WORKFLOWS) == {"test", "release"}
    assert set(WORKFLOWS["test"][True]) == {"push", "pull_request", "workflow_call"}  # YAML 1.1 reads `on` as true
    assert WORKFLOWS["release"][True] == {"push": {"tags": ["v*"]}}


def test_every_make_target_that_is_used_exists() -> None:
    there_are = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    used = {target for text in all_scripts() for target in re.findall(r"\bmake ([a-z-]+)", text)}
    assert used == {"check", "verify", "install", "test-fast", "test"}
    assert used <= there_are


def test_every_action_is_pinned_by_commit_and_says_its_version() -> None:
    lines = [line.strip().removeprefix("- ") for path in FILES for line in path.read_text().splitlines()]
    uses = [line for line in lines if line.startswith("uses:")]
    assert len(uses) > 10
    for line in uses:
        assert re.fullmatch(r"uses: (\./\S+|[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+)", line), line


def test_one_action_has_one_version() -> None:
    pinned = set(re.findall(r"([\w-]+/[\w-]+)@([0-9a-f]{40} # \S+)", "".join(path.read_text() for path in FILES)))
    assert len(pinned) == len({name for name, _version in pinned}) == 4


@pytest.mark.parametrize("workflow", WORKFLOWS)
def test_a_workflow_may_read_the_repository_and_nothing_else(workflow: str) -> None:
    assert WORKFLOWS[workflow]["permissions"] == {"contents": "read"}


def test_only_the_jobs_that_publish_and_sign_may_do_that() -> None:
    stated = {(name, job): WORKFLOWS[name]["jobs"][job].get("permissions") for name, job in JOBS}
    assert {place: rights for place, rights in stated.items() if rights not in (None, {"contents": "read"})} == {
        ("release", "image"): SIGNING,
        ("release", "chart"): SIGNING,
    }


@pytest.mark.parametrize(("workflow", "job"), JOBS)
def test_no_job_keeps_the_token_in_its_checkout_or_runs_for_hours(workflow: str, job: str) -> None:
    for step in steps(workflow, job):
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False
    if "uses" not in WORKFLOWS[workflow]["jobs"][job]:
        assert WORKFLOWS[workflow]["jobs"][job]["timeout-minutes"] <= 120


@pytest.mark.parametrize("text", all_scripts())
def test_a_script_takes_values_from_its_environment_only_and_is_valid(text: str) -> None:
    assert "${{" not in text  # what somebody named a branch or a tag would run as code
    done = subprocess.run(["bash", "-n"], input=text, text=True, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_every_python_and_kubernetes_that_we_name_is_tested() -> None:
    classifiers = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["classifiers"]
    named = [found[1] for line in classifiers if (found := re.search(r"Python :: (3\.\d+)$", line))]
    jobs = WORKFLOWS["test"]["jobs"]
    assert jobs["fast"]["strategy"]["matrix"]["python"] == named
    assert jobs["cluster"]["strategy"]["matrix"]["kubernetes"] == list(KUBERNETES_VERSIONS)


def test_nothing_is_published_before_all_tests_passed_and_the_tag_is_the_version() -> None:
    jobs = WORKFLOWS["release"]["jobs"]
    assert jobs["test"]["uses"] == "./.github/workflows/test.yaml"
    assert jobs["image"]["needs"] == ["version", "test"]
    assert jobs["chart"]["needs"] == ["version", "image"]


@pytest.mark.parametrize(("tag", "code"), [("v{}", 0), ("v9.9.9", 1)], ids=["the version", "another"])
def test_a_tag_that_is_not_the_version_ends_the_release(tag: str, code: int, tmp_path: Path) -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    outputs = tmp_path / "outputs"
    done = run(
        script("release", "version", "The tag, the package and the chart name one version"),
        ROOT,
        {"GITHUB_REF_NAME": tag.format(version), "GITHUB_OUTPUT": str(outputs)},
    )
    assert done.returncode == code, done.stderr
    assert (outputs.read_text() if outputs.exists() else "") == ("" if code else f"version={version}\n")


def test_the_published_chart_names_the_published_image_by_digest(tmp_path: Path) -> None:
    values = tmp_path / "charts" / "llmjob" / "values.yaml"
    values.parent.mkdir(parents=True)
    values.write_text((ROOT / "charts" / "llmjob" / "values.yaml").read_text())
    before = yaml.safe_load(values.read_text())
    digest = "sha256:" + "0123456789abcdef" * 4
    text = script("release", "chart", "The chart names this image by its digest")
    done = run(text, tmp_path, {"REGISTRY": "registry.example/team", "DIGEST": digest})
    assert done.returncode == 0, done.stderr
    changed = {"registry": "registry.example/team", "digest": digest}
    assert yaml.safe_load(values.read_text()) == {**before, "image": {**before["image"], **changed}}


def test_the_image_is_built_on_the_base_s_digest_with_sbom_and_provenance_and_signed_by_digest() -> None:
    build = script("release", "image", "Build and push with SBOM and provenance, the base by its digest")
    assert '--build-arg "BASE=$base@$base_digest"' in build
    assert "--sbom=true --provenance=mode=max" in build
    given = set(re.findall(r'--build-arg "(\w+)=', build))
    _arguments, stages = dockerfile.read()
    known = {"BASE", *(value.partition("=")[0] for stage in stages for value in stage.values("ARG"))}
    assert given == known
    sign = 'cosign sign --yes "$REGISTRY/llmjob-operator@$DIGEST"'
    assert script("release", "image", "Sign") == sign


def test_what_was_pushed_runs_by_its_digest_before_it_is_signed() -> None:
    name = "What was pushed runs as the chart runs it"
    text = script("release", "image", name)
    assert '"$REGISTRY/llmjob-operator@$DIGEST"' in text
    assert {'"--read-only"', '"--cap-drop"'} <= set(text.replace("(", " ").split())
    order = [step.get("name") for step in steps("release", "image")]
    assert order.index(name) < order.index("Sign")


def test_the_chart_is_packaged_by_the_helm_that_the_tests_use() -> None:
    name = "Helm of the version that the tests use"
    assert f"cd {HELM.directory.relative_to(ROOT)} &&" in script("release", "chart", name)
    assert HELM.packages["helm"] in script("release", "chart", name)
    order = [step.get("name") for step in steps("release", "chart")]
    assert order.index(name) < order.index("Package and push")


def test_no_registry_is_named() -> None:
    for path in FILES:
        assert not re.search(r"\b(ghcr|quay|docker|gcr|pypi)\.(io|com|org)\b", path.read_text())


def run(text: str, directory: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """A step's script as a runner starts it."""
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", text]
    path = {"PATH": f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin"}
    return subprocess.run(
        command, cwd=directory, env={**path, **environment}, capture_output=True, text=True, check=False
    )
