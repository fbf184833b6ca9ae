"""What was seen of one pod so far: the highest use of its fullest GPU, and of its engine's pool."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from llmjob.observation.engine_pool import EnginePool
from llmjob.observation.gpu_use import GPUUse
from llmjob.observation.observed import Kind, Reading
from llmjob.observation.series import Sample

_ENGINE = "{} and the engine"


@dataclass(frozen=True, slots=True)
class PodUse:
    """`used` is of the fullest GPU at any time; `ready` the same since the engine's series began.

    `tokens` is the engine's pool and `usage` the highest share of it that was in use; all None where not known.
    """

    used: Reading | None = None
    ready: Reading | None = None
    began: float | None = None
    tokens: int | None = None
    usage: float = 0.0

    def and_then(self, uses: Iterable[GPUUse], pool: EnginePool | None, since: float) -> "PodUse":
        """With what was seen since a time (Unix seconds), the pod's start or the job's change."""
        seen = [(use.source, sample) for use in uses for sample in use.samples if sample.time >= since]
        found = replace(self, used=_higher(self.used, seen))
        if pool is None:
            return found
        tokens, began = pool.tokens or found.tokens, found.began
        if began is None:
            began = pool.usage[0].time
        elif found.tokens is not None and tokens != found.tokens:
            # The engine came back with another pool: what was in use before is no word on it.
            began, found = pool.usage[-1].time, replace(found, usage=0.0, ready=None)
        ready = [(source, sample) for source, sample in seen if sample.time >= began]
        usage = max((share for time, share in pool.usage if time >= max(began, since)), default=0.0)
        return replace(
            found, began=began, tokens=tokens, ready=_higher(found.ready, ready), usage=max(found.usage, usage)
        )

    @property
    def fills(self) -> bool:
        """Whether its engine has a pool, and so takes what is free."""
        return self.began is not None

    def readings(self, bytes_per_token: int | None) -> dict[Kind, Reading]:
        """By kind. The need is what is in use once the engine is ready, less what of its pool was never in use.

        It is not known without the pool's tokens, or where the KV cache is not linear in tokens (None).
        """
        found = {} if self.used is None else {Kind.USED: self.used}
        if self.ready is not None and self.tokens is not None and bytes_per_token is not None:
            unused = round(self.tokens * bytes_per_token * (1 - self.usage))
            if unused < self.ready.highest:
                source = _ENGINE.format(self.ready.source)
                found[Kind.NEED] = Reading(self.ready.highest - unused, self.ready.last, source)
        return found


def _higher(before: Reading | None, seen: Sequence[tuple[str, Sample]]) -> Reading | None:
    if not seen:
        return before
    source, newest = max(seen, key=lambda found: found[1].time)
    reading = Reading(round(max(sample.value for _, sample in seen)), newest.time, source)
    return reading if before is None else before.and_then(reading)
