"""What the demonstration prints, and whether all that it promised was so."""

import json
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from controlplane.installation import command
from controlplane.truth import Landing

GIB: Final = 2**30


@dataclass(slots=True)
class Report:
    """Titles, output of commands, and checks."""

    checks: list[tuple[bool, str]] = field(default_factory=list)

    def title(self, text: str) -> None:
        print(f"\n━━ {text}", flush=True)

    def say(self, text: str) -> None:
        print(text.rstrip("\n"), flush=True)

    def run(self, arguments: list[str]) -> int:
        """Run the installed llmjob, its output on ours; its exit status."""
        self.say(f"$ llmjob {' '.join(_short(argument) for argument in arguments)}")
        return subprocess.run([command(), *arguments], check=False).returncode

    def document(self, arguments: list[str]) -> dict[str, Any]:
        """Run the installed llmjob quietly; the JSON object that it answers."""
        done = subprocess.run([command(), *arguments], check=True, capture_output=True, text=True)
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def answer(self, arguments: list[str]) -> tuple[int, list[dict[str, Any]]]:
        """Run the installed llmjob with JSON output; its exit status and the array."""
        self.say(f"$ llmjob {' '.join(_short(argument) for argument in arguments)}")
        done = subprocess.run([command(), *arguments], check=False, stdout=subprocess.PIPE, text=True)
        return done.returncode, json.loads(done.stdout or "[]")

    def verdicts(self, found: Iterable[Mapping[str, Any]]) -> None:
        """One line a document: its name, its reason, the classes it fits."""
        for item in found:
            classes = ", ".join(c["name"] for c in item["classes"] if c["outcome"] in {"Fits", "Tight"})
            self.say(f"  {item['name']:<26} {item['reason']:<22} {classes or 'no GPU there is'}")

    def fetch(self, url: str) -> str:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return bytes(answer.read()).decode()

    @contextmanager
    def temporary(self, name: str, content: str) -> Iterator[Path]:
        """A file of that name while the block runs."""
        with tempfile.TemporaryDirectory() as directory:
            path = Path(directory) / name
            path.write_text(content, encoding="utf-8")
            yield path

    def landings(self, found: Iterable[Landing]) -> None:
        for item in found:
            mark = "TOO SMALL" if item.too_small else ""
            need, memory = f"{item.need / GIB:.1f}", f"{item.memory / GIB:.1f}"
            self.say(f"  {item.pod:<26} {need:>6} GiB on {item.node:<8} {memory:>6} GiB  {mark}".rstrip())

    def expect(self, condition: bool, text: str) -> None:  # noqa: FBT001, reads as a sentence
        """Note whether something promised was so."""
        self.checks.append((condition, text))
        print(f"  {'✓' if condition else '✗'} {text}", flush=True)

    def summary(self) -> None:
        self.title("What was shown")
        for condition, text in self.checks:
            print(f"  {'✓' if condition else '✗'} {text}")
        if self.exit_code:
            print("not everything was as promised", file=sys.stderr)

    @property
    def exit_code(self) -> int:
        return 0 if self.checks and all(condition for condition, _text in self.checks) else 1


def _short(argument: str) -> str:
    """Paths as a reader would type them."""
    try:
        return str(Path(argument).relative_to(Path.cwd()))
    except ValueError:
        return argument
