"""The image, built as the Dockerfile says, run as a container runs it: both processes on the real control plane."""

import re
import shutil
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from email.parser import HeaderParser
from importlib.util import cache_from_source
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from controlplane import bubblewrap
from controlplane.ports import free_ports
from controlplane.process import Process, wait_until
from controlplane.sandbox import Mount, Sandbox
from controlplane.start import ControlPlane
from llmjob.api.crd import crd_yaml
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
    size = builder.size(image.root / "opt")
    print(f"/opt/llmjob: {size / MiB:.0f} MiB")  # noqa: T201, shown with -s
    assert size < 220 * MiB


def test_the_command_says_its_version(image: Image) -> None:
    done = image.run("--version")
    assert (done.returncode, done.stdout, done.stderr) == (0, "llmjob 0.1.0\n", "")


def test_estimates_work_without_a_home_a_cluster_or_a_writable_root(image: Image) -> None:
    done = image.run("estimate", "--model", "Qwen/Qwen2.5-7B", "--max-model-len", "8192", "-o", "json")
    assert (done.returncode, done.stderr) == (0, "")
    assert '"parameters": 7615616512' in done.stdout


def test_both_processes_become_ready_on_the_cluster(image: Image, control_plane: ControlPlane, tmp_path: Path) -> None:
    files = tmp_path / "files"
    files.mkdir()
    control_plane.authority.write_server(files / "tls.crt", files / "tls.key", ("127.0.0.1",))
    shutil.copy(control_plane.kubeconfig, files / "kubeconfig")
    for path in (files, *files.iterdir()):
        path.chmod(0o755)
    # Under helm's name, so that whoever installs the chart here afterwards finds no conflict.
    apply = ("apply", "--server-side", "--force-conflicts", "--field-manager=helm", "-f", "-")
    control_plane.kubectl(*apply, stdin=crd_yaml())
    admission, webhook_metrics, controller_metrics = free_ports(3)
    common = ["--kubeconfig", "/files/kubeconfig", "--host", "127.0.0.1", "--metrics-port"]
    tls = ["--port", str(admission), "--tls-cert", "/files/tls.crt", "--tls-key", "/files/tls.key"]
    commands = {
        webhook_metrics: ["webhook", *common, str(webhook_metrics), *tls],
        controller_metrics: ["controller", *common, str(controller_metrics)],
    }
    mounts = (Mount(target="/files", source=files),)
    environment = {**LINKER, **image.stage.environment}
    processes = {
        port: Process(command[0], image.command(command, mounts), tmp_path / f"{command[0]}.log", environment)
        for port, command in commands.items()
    }
    try:
        for port, process in processes.items():
            wait_until(lambda port=port: ready(port), f"a ready {process.name}", (process,), 60)  # type: ignore[misc]
        assert "Traceback" not in "".join(process.tail(1000) for process in processes.values())
    finally:
        for process in processes.values():
            process.kill()


def ready(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5) as answer:
            return answer.status == 200
    except (urllib.error.URLError, OSError):
        return False
