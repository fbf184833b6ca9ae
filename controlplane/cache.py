"""The user's cache: where built binaries live, one builder at a time, atomically filled."""

import fcntl
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

GB: Final = 10**9
NEEDED_BYTES: Final = 15 * GB
"""Free disk that a build from nothing asks for: binaries 0.5 GB, Go's module and build caches about 12 GB."""


class NotEnoughDisk(Exception):
    """There is too little free disk to build in."""


def root() -> Path:
    """The cache's directory, outside every checkout: $XDG_CACHE_HOME or ~/.cache."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    # The XDG specification tells to ignore a relative path.
    home = Path(base) if base.startswith("/") else Path.home() / ".cache"
    return home / "llmjob" / "controlplane"


def check_disk(directory: Path, needed: int = NEEDED_BYTES, free: Callable[[Path], int] | None = None) -> None:
    """Raise NotEnoughDisk where `directory`'s file system has fewer than `needed` bytes free."""
    existing = directory
    while not existing.exists():
        existing = existing.parent
    available = shutil.disk_usage(existing).free if free is None else free(existing)
    if available < needed:
        raise NotEnoughDisk(
            f"building the control plane needs {needed / GB:.0f} GB free at {directory}, there are "
            f"{available / GB:.1f}: free some disk, set XDG_CACHE_HOME to a larger one, or set KUBEBUILDER_ASSETS "
            "to a directory that holds the binaries"
        )


@contextmanager
def builder_lock(directory: Path, waiting: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Hold the cache's only builder's lock; `waiting` is called once where another process holds it.

    The kernel drops the lock when its holder dies, so a killed builder blocks nobody.
    """
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / "lock").open("w") as handle:
        told = False
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if not told:
                    waiting()
                    told = True
                time.sleep(0.5)
        yield


def remove_tree(directory: Path) -> None:
    """Remove a directory that Go filled: its module cache is read-only, which plain removal stumbles over."""
    if not directory.exists():
        return
    for parent, _directories, _files in os.walk(directory):
        Path(parent).chmod(0o700)
    shutil.rmtree(directory)
