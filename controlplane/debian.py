"""Programs out of Debian's packages, unpacked into the cache; nothing is installed."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from controlplane import cache


class Unavailable(Exception):
    """The package cannot be had here; the message says why."""


def program(package: str, binary: Path) -> Path:
    """The package's `binary` (its path in the package) from the cache, fetched by apt where that has none.

    Raises:
        Unavailable: where the cache has none and there is no apt, or none that has the package.
    """
    root = cache.root() / package
    with cache.builder_lock(root):  # its own, for a build of Kubernetes takes long
        return cached(package, binary) or _fetch(root, package) / binary


def cached(package: str, binary: Path) -> Path | None:
    """The program where the cache has it."""
    found = [
        entry / binary for entry in sorted((cache.root() / package).glob("*")) if os.access(entry / binary, os.X_OK)
    ]
    return found[-1] if found else None


def _fetch(root: Path, package: str) -> Path:
    if shutil.which("apt-get") is None or shutil.which("dpkg") is None:
        raise Unavailable(f"there is no apt-get and no dpkg to fetch {package}")
    with tempfile.TemporaryDirectory(prefix="fetching-", dir=root) as name:
        work = Path(name)
        if _apt(work, "download", package) is not None:  # the machine has no package lists: make private ones
            lists = work / "lists"
            (lists / "partial").mkdir(parents=True)
            said = _apt(work, "update", lists=lists) or _apt(work, "download", package, lists=lists)
            if said is not None:
                raise Unavailable(f"apt-get cannot fetch {package}:\n{said}")
        [archive] = work.glob(f"{package}_*.deb")
        subprocess.run(["dpkg", "-x", str(archive), str(work / "unpacked")], check=True)
        entry = root / archive.name.split("_")[1]
        (work / "unpacked").rename(entry)
    return entry


def _apt(directory: Path, *arguments: str, lists: Path | None = None) -> str | None:
    """What apt-get complained of; None where it succeeded."""
    options = ["-qq", "-o", "APT::Sandbox::User="]  # its unprivileged user cannot write here
    if lists is not None:
        options += ["-o", f"Dir::State::Lists={lists}"]
    done = subprocess.run(
        ["apt-get", *options, *arguments], cwd=directory, capture_output=True, text=True, check=False
    )  # fmt: skip
    return None if done.returncode == 0 else done.stderr[-2000:]
