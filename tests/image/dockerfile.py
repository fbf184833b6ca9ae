"""Reads the Dockerfile and .dockerignore of this repository: the instructions that it uses, and no other."""

import json
import re
import shlex
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).resolve().parents[2]
KNOWN = {"ENV", "WORKDIR", "COPY", "RUN", "ARG", "LABEL", "USER", "ENTRYPOINT"}


@dataclass
class Stage:
    base: str
    name: str
    instructions: list[tuple[str, str]] = field(default_factory=list)

    def values(self, instruction: str) -> list[str]:
        return [value for name, value in self.instructions if name == instruction]

    @property
    def environment(self) -> dict[str, str]:
        return self._pairs("ENV")

    @property
    def labels(self) -> dict[str, str]:
        return self._pairs("LABEL")

    @property
    def user(self) -> str:
        return (self.values("USER") or ["0"])[-1]

    @property
    def workdir(self) -> str:
        return (self.values("WORKDIR") or ["/"])[-1]

    @property
    def entrypoint(self) -> list[str]:
        return [str(word) for word in json.loads((self.values("ENTRYPOINT") or ["[]"])[-1])]

    def _pairs(self, instruction: str) -> dict[str, str]:
        words = [word for value in self.values(instruction) for word in shlex.split(value)]
        return dict(word.split("=", 1) for word in words)


def read(path: Path = ROOT / "Dockerfile") -> tuple[dict[str, str], list[Stage]]:
    """The arguments before the first stage, and the stages."""
    lines = [line for line in path.read_text().splitlines() if not line.lstrip().startswith("#")]
    text = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    arguments: dict[str, str] = {}
    stages: list[Stage] = []
    for line in filter(None, text.splitlines()):
        name, value = line.split(None, 1)
        if name == "FROM":
            base, _, alias = value.partition(" AS ")
            stages.append(Stage(base=base.replace("${BASE}", arguments["BASE"]), name=alias))
        elif name == "ARG" and not stages:
            arguments.update([value.split("=", 1)])
        else:
            assert name in KNOWN, f"{name} is not known here: teach the tests what it does"
            stages[-1].instructions.append((name, value.strip()))
    return arguments, stages


def sent(path: str, patterns: Path = ROOT / ".dockerignore") -> bool:
    """Whether a file of the checkout is part of what a builder gets; the last pattern that matches counts."""
    inside = True
    places = [str(place) for place in (PurePosixPath(path), *PurePosixPath(path).parents)]
    for line in patterns.read_text().splitlines():
        if not line or line.startswith("#"):
            continue
        pattern = line.removeprefix("!")
        forms = {pattern, pattern.removeprefix("**/")}
        if any(fnmatch(place, form) for place in places for form in forms if _as_deep(place, form)):
            inside = line.startswith("!")
    return inside


def _as_deep(place: str, pattern: str) -> bool:
    """fnmatch's `*` crosses slashes, .dockerignore's does not, `**` apart."""
    return pattern.startswith("**/") or place.count("/") == pattern.count("/")
