"""Where bubblewrap is: installed, else unpacked from Debian's package into the cache; nothing is installed."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

from controlplane import cache
from controlplane.binaries import MissingBinaries

_BINARY: Final = Path("usr/bin/bwrap")
_ADVICE: Final = "install bubblewrap (apt-get install bubblewrap, dnf install bubblewrap)"


def ensure() -> Path:
    """The bwrap on PATH, else the cache's, fetched by apt where the cache has none.

    Raises:
        MissingBinaries: where there is neither bwrap nor an apt that has it.
    """
    installed = shutil.which("bwrap")
    if installed is not None:
        return Path(installed)
    root = cache.root() / "bubblewrap"
    with cache.builder_lock(root):  # its own, for a build of Kubernetes takes long
        return _cached(root) or _fetch(root)


def _cached(root: Path) -> Path | None:
    found = [entry / _BINARY for entry in sorted(root.glob("*")) if os.access(entry / _BINARY, os.X_OK)]
    return found[-1] if found else None


def _fetch(root: Path) -> Path:
    if shutil.which("apt-get") is None or shutil.which("dpkg") is None:
        raise MissingBinaries(f"there is no bwrap, and no apt-get and dpkg to fetch it: {_ADVICE}")
    with tempfile.TemporaryDirectory(prefix="fetching-", dir=root) as name:
        work = Path(name)
        if _apt(work, "download", "bubblewrap") is not None:  # the machine has no package lists: make private ones
            lists = work / "lists"
            (lists / "partial").mkdir(parents=True)
            said = _apt(work, "update", lists=lists) or _apt(work, "download", "bubblewrap", lists=lists)
            if said is not None:
                raise MissingBinaries(f"there is no bwrap, and apt-get cannot fetch it: {_ADVICE}\n{said}")
        [package] = work.glob("bubblewrap_*.deb")
        version = package.name.split("_")[1]
        subprocess.run(["dpkg", "-x", str(package), str(work / "unpacked")], check=True)
        entry = root / version
        (work / "unpacked").rename(entry)
    return entry / _BINARY


def _apt(directory: Path, *arguments: str, lists: Path | None = None) -> str | None:
    """What apt-get complained of; None where it succeeded."""
    options = ["-qq", "-o", "APT::Sandbox::User="]  # its unprivileged user cannot write here
    if lists is not None:
        options += ["-o", f"Dir::State::Lists={lists}"]
    done = subprocess.run(
        ["apt-get", *options, *arguments], cwd=directory, capture_output=True, text=True, check=False
    )  # fmt: skip
    return None if done.returncode == 0 else done.stderr[-2000:]
