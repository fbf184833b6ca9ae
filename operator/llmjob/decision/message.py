"""What people read: the need, what there is, the parts, and what would fit; the key fact comes first."""

import unicodedata
from collections.abc import Sequence
from typing import Final

from llmjob.decision.fact import Case, fact
from llmjob.decision.outcome import Judged
from llmjob.decision.verdict import Advice, Verdict
from llmjob.estimator.result import Basis, ComponentName, Estimate, Unknown
from llmjob.names import Reason
from llmjob.quantity import MiB, gib
from llmjob.workloads.request import Request

# A Warning header above 256 characters may be cut; bytes are the safer measure.
_LONGEST_LINE: Final = 256
_LONGEST_NAME: Final = 16
_SMALLEST_PART: Final = 50 * MiB
_PARTS: Final = {
    ComponentName.WEIGHTS: "weights",
    ComponentName.ADAPTERS: "adapters",
    ComponentName.GRADIENTS: "gradients",
    ComponentName.OPTIMIZER_STATES: "optimizer states",
    ComponentName.ACTIVATIONS: "activations",
    ComponentName.LOGITS: "logits",
    ComponentName.KV_CACHE: "KV cache",
    ComponentName.CUDA_GRAPHS: "CUDA graphs",
    ComponentName.COMMUNICATION: "communication",
    ComponentName.RUNTIME: "runtime",
    ComponentName.ALLOCATOR_SLACK: "allocator slack",
}


def of(
    reason: Reason,
    *,
    request: Request,
    estimate: Estimate,
    judged: Sequence[Judged],
    reference: Judged | None,
    advice: Sequence[Advice],
) -> str:
    """The message of a verdict; GiB with one decimal, `usable` as its lower end."""
    text = fact(Case(request=request, estimate=estimate, judged=judged, reference=reference), reason)
    if reason is not Reason.GPU_COUNT_MISMATCH:
        text += f". {parts(estimate)}"
    if advice:
        text += f". Fits with: {'; '.join(item.message for item in advice)}"
    return text


def of_unknown(unknown: Unknown) -> str:
    """Why there is no estimate, by the field that caused it."""
    return f"{unknown.field}: {unknown.message}" if unknown.field else unknown.message


def warning_line(verdict: Verdict) -> str:
    """One line for a Warning header, the key fact in the first 120 characters."""
    name = verdict.name
    if len(name) > _LONGEST_NAME:
        # Both ends: the names of a workload's pods differ in their last characters.
        name = f"{name[:6]}…{name[7 - _LONGEST_NAME :]}"
    return single_line(f"{name}: {verdict.message}" if name else verdict.message)


def single_line(text: str) -> str:
    """A text as a Warning header may carry it: one line of at most 256 bytes without control characters."""
    line = " ".join("".join(" " if unicodedata.category(char)[0] in "CZ" else char for char in text).split())
    if len(line.encode()) <= _LONGEST_LINE:
        return line
    cut = line.encode()[: _LONGEST_LINE - len("…".encode())].decode(errors="ignore")
    return f"{cut.rsplit(' ', 1)[0] if ' ' in cut[_LONGEST_LINE // 2 :] else cut}…"


def parts(estimate: Estimate) -> str:
    """`Weights 14.2 (exact), KV cache 2.0`: the parts in GiB, those below 50 MiB left out."""
    shown = [
        f"{_PARTS[part.name]} {gib(part.memory.expected)}{' (exact)' if part.basis is Basis.EXACT else ''}"
        for part in estimate.components
        if part.memory.expected >= _SMALLEST_PART
    ]
    text = ", ".join(shown) or "no part above 0.05 GiB"
    return text[0].upper() + text[1:]
