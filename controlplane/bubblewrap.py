"""Where bubblewrap is: installed, else out of Debian's package."""

import shutil
from pathlib import Path
from typing import Final

from controlplane import debian
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
    try:
        return debian.program("bubblewrap", _BINARY)
    except debian.Unavailable as error:
        raise MissingBinaries(f"there is no bwrap: {_ADVICE}; {error}") from None
