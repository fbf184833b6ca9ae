"""How a container ended: out of a GPU's memory, out of the host's, a fault of the GPU, or something else.

A GPU out of memory is exit code 1 as a rule, never `OOMKilled`, which is the host's memory: only the last lines of the
log tell, where the pod's owner lets Kubernetes keep them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from llmjob.observation.claim import Claim
from llmjob.observation.signatures import LOOK_ALIKES, SIGNATURES, Cause

# Kubernetes keeps at most 4,096 bytes of a termination message, 2,048 of a log.
_CONSIDERED: Final = 4096
_HOST_REASON: Final = "OOMKilled"


@dataclass(frozen=True, slots=True)
class Ending:
    """Why a container ended, and what its text claims where that is a GPU's exhausted memory."""

    cause: Cause
    claim: Claim | None = None


def read_ending(terminated: Mapping[str, Any]) -> Ending:
    """Read `state.terminated` (or `lastState.terminated`) of a container status; whatever is odd in it is no error."""
    if terminated.get("reason") == _HOST_REASON:
        return Ending(Cause.HOST_OUT_OF_MEMORY)
    if terminated.get("exitCode") == 0:
        return Ending(Cause.COMPLETED)
    message = terminated.get("message")
    return read_text(message) if isinstance(message, str) else Ending(Cause.OTHER)


def read_text(text: str) -> Ending:
    """Read the end of a failed container's text, its last 4,096 characters.

    Of exhausted memories the last counts, as the last error ends the program; a fault counts where there is neither.
    Of several lines about the same one that says how much was asked for speaks for all: ranks fail one after another.
    """
    cause: Cause | None = None
    claim: Claim | None = None
    for line in text[-_CONSIDERED:].splitlines():
        other = next((found for found in LOOK_ALIKES if found.pattern.search(line)), None)
        if other is not None:
            if other.cause is Cause.HOST_OUT_OF_MEMORY or (other.cause is not None and cause is None):
                cause = other.cause
            continue
        found = _claim(line)
        if found is not None:
            cause = Cause.GPU_OUT_OF_MEMORY
            claim = found if claim is None or found.asked is not None or claim.asked is None else claim
    return Ending(cause or Cause.OTHER, claim if cause is Cause.GPU_OUT_OF_MEMORY else None)


def _claim(line: str) -> Claim | None:
    for signature in SIGNATURES:
        match = signature.pattern.search(line)
        if match is not None:
            return Claim.of(signature.name, line, match.start())
    return None
