"""Runs of a pod's containers, as the kubelet reports them: when each began, when and why it ended."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Final

from llmjob.observation.out_of_memory import Ending, read_ending

_STATUSES: Final = ("initContainerStatuses", "containerStatuses")


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run of a container; `number` counts its restarts. Moments in Unix seconds, None where not told.

    `ending` is None while it runs.
    """

    container: str
    number: int
    started: float | None = None
    finished: float | None = None
    ending: Ending | None = None

    @property
    def lasted(self) -> float:
        """Seconds from begin to end; 0 where they are not told."""
        return max(0.0, self.finished - self.started) if self.started and self.finished else 0.0


def runs_of(pod: Mapping[str, object]) -> tuple[Run, ...]:
    """Those a pod's status tells of: of each container the present one and the one before. Odd shapes give nothing."""
    status = _mapping(pod.get("status"))
    return tuple(run for kind in _STATUSES for item in _items(status.get(kind)) for run in _runs(item))


def _runs(status: Mapping[str, object]) -> Iterator[Run]:
    name, count = str(status.get("name") or ""), status.get("restartCount")
    restarts = count if isinstance(count, int) else 0
    state, last = _mapping(status.get("state")), _mapping(status.get("lastState"))
    running, ended, before = (_mapping(item) for item in (state.get("running"), state.get("terminated"),
                                                           last.get("terminated")))  # fmt: skip
    if before:
        # While a restart is waited for, the kubelet has moved the end to lastState and not counted the restart yet.
        yield _ended(name, restarts - 1 if running or ended else restarts, before)
    if ended:
        yield _ended(name, restarts, ended)
    if running:
        yield Run(container=name, number=restarts, started=_moment(running.get("startedAt")))


def _ended(name: str, number: int, terminated: Mapping[str, object]) -> Run:
    code, reason, message = (terminated.get(key) for key in ("exitCode", "reason", "message"))
    return Run(
        container=name,
        number=number,
        started=_moment(terminated.get("startedAt")),
        finished=_moment(terminated.get("finishedAt")),
        ending=_ending(code if isinstance(code, int) else None, str(reason or ""), str(message or "")),
    )


@lru_cache(maxsize=512)
def _ending(code: int | None, reason: str, message: str) -> Ending:
    """Remembered: reading takes milliseconds, and a pod's every change shows the same text again."""
    return read_ending({"exitCode": code, "reason": reason, "message": message})


def _moment(value: object) -> float | None:
    try:
        return datetime.fromisoformat(str(value)).timestamp()
    except (ValueError, OverflowError):
        return None


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}


def _items(value: object) -> list[Mapping[str, object]]:
    if not isinstance(value, Sequence) or isinstance(value, str):
        return []
    return [item for item in value if isinstance(item, Mapping)]
