import re

import pytest

from controlplane.tools import ETCD, HELM, KUBERNETES, TOOLS, Tool


@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.name)
def test_every_tool_has_a_pinned_version_and_committed_sums(tool: Tool) -> None:
    assert re.fullmatch(r"v\d+\.\d+\.\d+", tool.version)
    assert f"{tool.requirement} {tool.version} h1:" in (tool.directory / "go.sum").read_text()


def test_the_servers_are_told_their_version() -> None:
    version = KUBERNETES.version
    assert f"-X k8s.io/component-base/version.gitVersion={version}" in KUBERNETES.ldflags
    assert f"-X k8s.io/client-go/pkg/version.gitMinor={version.split('.')[1]} " in KUBERNETES.ldflags
    assert HELM.ldflags.endswith(f"internal/version.version={HELM.version}")


def test_staging_modules_have_the_servers_version() -> None:
    staging = KUBERNETES.version.replace("v1.", "v0.")
    for line in (KUBERNETES.directory / "go.mod").read_text().splitlines():
        if line.startswith("replace "):
            assert line.endswith(staging)


def test_a_tool_that_the_module_does_not_require_is_an_error() -> None:
    wrong = Tool(name="etcd", requirement="example.invalid/x", packages={})
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
