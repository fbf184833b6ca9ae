"""Lines that say what is being built, for how long, and what remains."""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final, TextIO

HEARTBEAT_SECONDS: Final = 15.0


def elapsed(seconds: float) -> str:
    """`48s`, `3m10s`."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}m{rest:02d}s" if minutes else f"{rest}s"


@dataclass(slots=True)
class Progress:
    """Writes a line when a step starts, every `heartbeat` seconds while it runs, and when it ends."""

    steps: tuple[str, ...]
    stream: TextIO = field(default_factory=lambda: sys.stderr)
    quiet: bool = False
    heartbeat: float = HEARTBEAT_SECONDS
    started: float = field(default_factory=time.monotonic)

    def say(self, text: str) -> None:
        if not self.quiet:
            print(text, file=self.stream, flush=True)

    @contextmanager
    def step(self, index: int) -> Iterator[None]:
        """Time the step of that number (from 0)."""
        label = f"[{index + 1}/{len(self.steps)}] {self.steps[index]}"
        then = self.steps[index + 1 :]
        self.say(f"{label} ..." + (f" (then {', '.join(then)})" if then else ""))
        begun = time.monotonic()
        done = threading.Event()
        beat = threading.Thread(target=self._beat, args=(label, begun, done), daemon=True)
        beat.start()
        try:
            yield
        finally:
            done.set()
            beat.join()
        self.say(f"{label} done in {elapsed(time.monotonic() - begun)}")

    def _beat(self, label: str, begun: float, done: threading.Event) -> None:
        while not done.wait(self.heartbeat):
            now = time.monotonic()
            self.say(f"{label} ... {elapsed(now - begun)} (in all {elapsed(now - self.started)})")
