"""What the operator's image is on this node: directories of the machine, and variables."""

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from controlplane.kubelet.downward import Unsupported
from controlplane.sandbox import Mount

NAME: Final = "llmjob-operator"


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """By their paths inside the directories that it has beside every sandbox's /usr; its variables, PATH among them."""

    directories: Mapping[str, Path]
    variables: Mapping[str, str]

    @property
    def mounts(self) -> tuple[Mount, ...]:
        """Its directories, for a sandbox."""
        return tuple(Mount(target=target, source=source) for target, source in self.directories.items())

    def check(self, name: str) -> None:
        """Raise Unsupported where a container asks for another image."""
        repository = name.partition("@")[0].rpartition("/")[2].partition(":")[0]
        if repository != NAME:
            raise Unsupported(f"image {name!r}: this node has {NAME} only")

    def to_json(self) -> str:
        """For `from_json` of another process."""
        directories = {target: str(source) for target, source in self.directories.items()}
        return json.dumps({"directories": directories, "variables": dict(self.variables)})


def from_json(text: str) -> Image:
    """What `to_json` wrote."""
    found = json.loads(text)
    directories = {target: Path(source) for target, source in found["directories"].items()}
    return Image(directories=directories, variables=found["variables"])


def own() -> Image:
    """The environment that runs us and in which llmjob is installed, and its Python where that is not below /usr."""
    environment = Path(sys.prefix)
    python = Path(os.path.realpath(environment / "bin" / "python")).parents[1]
    paths = [environment] if python.is_relative_to("/usr") else [python, environment]
    return Image(
        directories={str(path): path for path in paths},
        variables={"PATH": f"{environment / 'bin'}:/usr/local/bin:/usr/bin"},
    )
