"""The image, built as the Dockerfile says, run as a container runs it, and by the chart on the real control plane."""

import re
import shutil
import tempfile
from collections.abc import Iterator
from email.parser import HeaderParser
from importlib.util import cache_from_source
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from controlplane import bubblewrap
from controlplane.installation import NAMESPACE, RELEASE, Installation
from controlplane.kubelet import image as kubelet
from controlplane.sandbox import Sandbox
from controlplane.start import ControlPlane
from tests.image import builder
from tests.image.builder import LINKER, Image
from tests.image.dockerfile import ROOT

MiB = 2**20


@pytest.fixture(scope="module")
def image() -> Iterator[Image]:
    """Built in memory where the machine has a tmpfs for that."""
    memory = Path("/dev/shm")
    directory = Path(tempfile.mkdtemp(prefix="llmjob-image-", dir=memory if memory.is_dir() else None))
    try:
        yield builder.build(directory, Sandbox.find(bubblewrap.ensure()))
    finally:
        shutil.rmtree(directory)


def distributions(root: Path) -> dict[str, str]:
    """Name and version of every distribution below."""
    headers = [HeaderParser().parsestr(file.read_text()) for file in root.rglob("*.dist-info/METADATA")]
    return {canonicalize_name(header["Name"]): header["Version"] for header in headers}


def locked() -> dict[str, str]:
    """What the lock pins for this Python and machine."""
    lines = re.findall(r"^(\S+==.*?)\s*\\$", (ROOT / "requirements" / "runtime.txt").read_text(), re.MULTILINE)
    pinned = [Requirement(line) for line in lines]
    return {
        canonicalize_name(one.name): str(one.specifier).removeprefix("==")
        for one in pinned
        if one.marker is None or one.marker.evaluate()
    }


def test_it_holds_the_lock_and_llmjob_and_nothing_else(image: Image) -> None:
    assert distributions(image.root) == {**locked(), "llmjob-operator": "0.1.0"}


def test_no_installer_is_left(image: Image) -> None:
    names = {path.name for path in image.root.rglob("*") if path.name in {"pip", "ensurepip", "setuptools", "pip3"}}
    assert names == set()


def test_of_the_repository_it_holds_the_package_and_nothing_else(image: Image) -> None:
    [package] = image.root.rglob("site-packages/llmjob")
    assert files(package) == files(ROOT / "operator" / "llmjob")
    assert not list((image.root / "src").iterdir())


def files(directory: Path) -> set[str]:
    """Paths of all files but bytecode."""
    found = {path.relative_to(directory) for path in directory.rglob("*") if path.is_file()}
    return {str(path) for path in found if path.suffix != ".pyc"}


def test_nothing_in_it_can_be_written_by_its_user_or_raises_rights(image: Image) -> None:
    files = [path for path in (image.root / "opt").rglob("*") if not path.is_symlink()]
    assert [path for path in files if path.stat().st_mode & 0o6022] == []


def test_every_module_is_compiled_and_its_bytecode_trusted_without_a_look_at_file_times(image: Image) -> None:
    version = next((image.root / "opt/llmjob/lib").iterdir()).name.removeprefix("python").replace(".", "")
    modules = list((image.root / "opt").rglob("*.py"))
    assert len(modules) > 1000
    for module in modules:
        compiled = Path(cache_from_source(str(module)))
        assert f"cpython-{version}" in compiled.name
        assert compiled.read_bytes()[4:8] == b"\x01\x00\x00\x00", compiled  # unchecked hash, PEP 552


def test_the_standard_library_that_a_start_imports_is_compiled(image: Image) -> None:
    compiled = {path.name.split(".")[0] for path in (image.root / "usr/local").rglob("*.pyc")}
    assert {"base_events", "ssl", "selectors", "dataclasses"} <= compiled
    assert len(compiled) > 150


def test_its_size_is_what_the_documentation_says(image: Image) -> None:
    [said] = re.findall(r"`/opt/llmjob` has (\d+) MiB", (ROOT / "docs" / "image.md").read_text())
    size = builder.size(image.root / "opt")
    assert size == pytest.approx(int(said) * MiB, rel=0.05), f"{size / MiB:.0f} MiB"


def test_the_command_says_its_version(image: Image) -> None:
    done = image.run("--version")
    assert (done.returncode, done.stdout, done.stderr) == (0, "llmjob 0.1.0\n", "")


def test_estimates_work_without_a_home_a_cluster_or_a_writable_root(image: Image) -> None:
    done = image.run("estimate", "--model", "Qwen/Qwen2.5-7B", "--max-model-len", "8192", "-o", "json")
    assert (done.returncode, done.stderr) == (0, "")
    assert '"parameters": 7615616512' in done.stdout


def test_the_chart_s_pods_and_its_test_run_from_it(image: Image) -> None:
    """The chart's commands are on the image's PATH, its user and mounts suit it, and admission answers."""
    inside = kubelet.Image(
        directories={f"/{name}": image.root / name for name in ("usr/local", "opt")},
        variables={**LINKER, **image.stage.environment},
    )
    with ControlPlane.start() as control_plane:
        agent = control_plane.node_agent(inside)
        release = Installation(control_plane, {"inventory": {"complete": True}})
        release.install()
        for component in ("webhook", "controller"):
            for replica in release.replicas(component):
                words = Path(f"/proc/{agent.pid(replica.name, component)}/cmdline").read_text().split("\0")
                assert words[:3] == ["/opt/llmjob/bin/python", "/opt/llmjob/bin/llmjob", component]
        assert "Traceback" not in release.tail()
        assert "Succeeded" in control_plane.helm("test", RELEASE, "--namespace", NAMESPACE).stdout
        assert "Admission answers (201): " in agent.log(f"{RELEASE}-test", "test")
