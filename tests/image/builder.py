"""Builds the image without a container engine: every RUN of the Dockerfile in bubblewrap, this machine read-only.

The base image is played by this Python's own installation, laid out as the official image lays it out.
"""

import os
import shlex
import shutil
import stat
import subprocess
import sys
import sysconfig
import zipfile
from dataclasses import dataclass
from pathlib import Path

from controlplane.sandbox import Mount, Sandbox
from tests.image import dockerfile
from tests.image.dockerfile import ROOT, Stage

WRITABLE = ("usr/local", "opt", "src", "tmp")
# The official image lists its libpython in the linker's cache; here it is told.
LINKER = {"LD_LIBRARY_PATH": "/usr/local/lib"}
PASSED_ON = ("PIP_", "SSL_CERT_", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy")


@dataclass(frozen=True)
class Image:
    """The last stage's files and settings."""

    root: Path
    stage: Stage
    sandbox: Sandbox

    def command(self, arguments: list[str]) -> list[str]:
        """The command line that runs the image as a container: its user, a read-only root, /tmp empty."""
        user, group = (int(number) for number in self.stage.user.split(":"))
        own = (
            Mount(target="/usr/local", source=self.root / "usr/local"),
            Mount(target="/opt", source=self.root / "opt"),
            Mount(target="/tmp"),
        )
        command = [self.executable(self.stage.entrypoint[0]), *self.stage.entrypoint[1:], *arguments]
        return self.sandbox.command(command, user=user, group=group, hostname="image", mounts=own)

    def executable(self, name: str) -> str:
        """Where PATH of the image has it."""
        for directory in self.stage.environment["PATH"].split(":"):
            if (self.root / directory.lstrip("/") / name).exists():
                return f"{directory}/{name}"
        raise AssertionError(f"{name} is not on the image's PATH")

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(list(arguments)),
            env={**LINKER, **self.stage.environment},
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
        )


def build(directory: Path, sandbox: Sandbox) -> Image:
    """Do what the Dockerfile says, in `directory`."""
    _arguments, stages = dockerfile.read()
    roots: dict[str, Path] = {}
    for number, stage in enumerate(stages):
        root = directory / f"stage-{number}"
        for name in WRITABLE:
            (root / name).mkdir(parents=True)
        lay_out_base(root / "usr/local")
        roots[stage.name] = root
        _run_stage(stage, root, roots, sandbox)
    return Image(root, stages[-1], sandbox)


def lay_out_base(local: Path) -> None:
    """This Python as the official image has it under /usr/local: no bytecode, no tests, pip beside it."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    library = local / "lib" / version
    standard = Path(sysconfig.get_path("stdlib", vars={"installed_base": sys.base_prefix, "base": sys.base_prefix}))
    ignored = shutil.ignore_patterns("test", "tests", "idle_test", "__pycache__", "site-packages", "dist-packages")
    shutil.copytree(standard, library, ignore=ignored, symlinks=True)
    for shared in Path(sys.base_prefix, "lib").glob("libpython*.so*"):
        shutil.copy2(shared, local / "lib", follow_symlinks=False)
    (library / "site-packages").mkdir()
    [wheel, *_] = [
        *(standard / "ensurepip" / "_bundled").glob("pip-*.whl"),
        *Path("/usr/share/python-wheels").glob("pip-*.whl"),
    ]
    with zipfile.ZipFile(wheel) as packed:
        packed.extractall(library / "site-packages")
    (local / "bin").mkdir()
    shutil.copy2(Path(sys.base_prefix, "bin", version).resolve(), local / "bin" / version)
    for name in ("python", "python3"):
        (local / "bin" / name).symlink_to(version)


def _run_stage(stage: Stage, root: Path, roots: dict[str, Path], sandbox: Sandbox) -> None:
    workdir = "/"
    environment = {"PATH": "/usr/local/bin:/usr/bin:/bin"}
    for name, value in stage.instructions:
        if name == "ENV":
            environment.update(word.split("=", 1) for word in shlex.split(value))
        elif name == "WORKDIR":
            workdir = value
        elif name == "COPY":
            _copy(value, root, workdir, roots)
        elif name == "RUN":
            _run(value, root, workdir, environment, sandbox)


def _copy(value: str, root: Path, workdir: str, roots: dict[str, Path]) -> None:
    *sources, target = shlex.split(value)
    from_stage = sources.pop(0).removeprefix("--from=") if sources[0].startswith("--from=") else None
    destination = root / str(Path(workdir, target)).lstrip("/")
    for source in sources:
        if from_stage is not None:
            shutil.copytree(roots[from_stage] / source.lstrip("/"), destination, symlinks=True, dirs_exist_ok=True)
            continue
        path = ROOT / source
        files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
        into = ROOT / source if path.is_dir() else path.parent
        sent = [file for file in files if dockerfile.sent(str(file.relative_to(ROOT)))]
        assert sent, f".dockerignore keeps {source} from the builder"
        for file in sent:
            place = destination / file.relative_to(into)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(file, place)


def _run(script: str, root: Path, workdir: str, environment: dict[str, str], sandbox: Sandbox) -> None:
    passed = {name: value for name, value in os.environ.items() if name.startswith(PASSED_ON)}
    mounts = [Mount(target=f"/{name}", source=root / name, writable=True) for name in WRITABLE]
    mounts += [Mount(target="/etc", source=Path("/etc")), Mount(target="/dev/shm")]
    links = passed.get("PIP_FIND_LINKS", "")
    if Path(links).is_dir() and links:
        mounts.append(Mount(target=links, source=Path(links)))
    command = ["/bin/sh", "-ec", f"cd {shlex.quote(workdir)}\n{script}"]
    done = subprocess.run(
        sandbox.command(command, user=0, group=0, hostname="build", mounts=tuple(mounts)),
        env={**passed, **LINKER, "HOME": "/tmp", **environment},
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, f"RUN {script}\n{done.stdout[-3000:]}{done.stderr[-3000:]}"


def size(directory: Path) -> int:
    """Bytes of all regular files below."""
    return sum(entry.stat().st_size for path in directory.rglob("*") if stat.S_ISREG((entry := path).lstat().st_mode))
