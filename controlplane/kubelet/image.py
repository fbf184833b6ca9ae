"""What stands in for the operator's image: a Python and the environment in which llmjob is installed."""

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from controlplane.kubelet.downward import Unsupported
from controlplane.sandbox import Mount

NAME: Final = "llmjob-operator"


@dataclass(frozen=True, slots=True)
class Image:
    """An environment of Python, seen at its own path inside; /usr is every sandbox's."""

    environment: Path

    @property
    def mounts(self) -> tuple[Mount, ...]:
        """The environment, and the Python that it was made of where that is not below /usr."""
        python = Path(os.path.realpath(self.environment / "bin" / "python")).parents[1]
        paths = [self.environment] if python.is_relative_to("/usr") else [python, self.environment]
        return tuple(Mount(target=str(path), source=path) for path in paths)

    @property
    def path(self) -> str:
        """PATH in the image."""
        return f"{self.environment / 'bin'}:/usr/local/bin:/usr/bin"

    def check(self, name: str) -> None:
        """Raise Unsupported where a container asks for another image."""
        repository = name.partition("@")[0].rpartition("/")[2].partition(":")[0]
        if repository != NAME:
            raise Unsupported(f"image {name!r}: this node has {NAME} only")


def own() -> Image:
    """The environment that runs us."""
    return Image(Path(sys.prefix))
