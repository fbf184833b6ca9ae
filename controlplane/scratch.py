"""A temporary directory that goes with its process, or with the next start where the process was killed."""

import fcntl
import shutil
import tempfile
import time
from pathlib import Path
from typing import Final, TextIO

PREFIX: Final = "llmjob-controlplane-"
_LOCK: Final = "in-use"
_YOUNG_SECONDS: Final = 60.0


class Scratch:
    """A directory under the system's temporary one, locked while its process lives."""

    def __init__(self, parent: Path | None = None) -> None:
        sweep(Path(tempfile.gettempdir()) if parent is None else parent)
        self.path = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
        self._lock: TextIO = (self.path / _LOCK).open("w")
        fcntl.flock(self._lock, fcntl.LOCK_EX)

    def remove(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)
        self._lock.close()


def sweep(parent: Path) -> None:
    """Remove what killed processes left: directories of ours whose lock nobody holds."""
    for directory in parent.glob(f"{PREFIX}*"):
        try:
            with (directory / _LOCK).open("r+") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(directory, ignore_errors=True)
        except FileNotFoundError:  # just being made, or left at that very moment
            if _age(directory) > _YOUNG_SECONDS:
                shutil.rmtree(directory, ignore_errors=True)
        except OSError:  # in use, or another user's
            continue


def _age(directory: Path) -> float:
    try:
        return time.time() - directory.stat().st_mtime
    except OSError:
        return 0.0
