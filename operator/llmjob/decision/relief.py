"""What helps a job that ran out of a GPU's memory, though it may have been expected to fit."""

from typing import Final

from llmjob.decision.advice import changes_on, larger_class, use
from llmjob.decision.outcome import Estimates
from llmjob.decision.verdict import Advice
from llmjob.estimator.advise import lessen
from llmjob.fleet.fleet import Fleet
from llmjob.fleet.gpu_class import GPUClass, Sharing, gpu_of
from llmjob.workloads.request import Request

_MOST: Final = 3
# Of a shared card nobody promises a part.
_ISOLATED: Final = frozenset({Sharing.NONE, Sharing.MIG})


def relief(request: Request, exhausted: GPUClass, fleet: Fleet) -> tuple[Advice, ...]:
    """Up to three: changes after which less is expected of the job on this class, then a larger GPU where it fits.

    What the log claims plays no part.
    """
    gpu = gpu_of(exhausted)
    if gpu is None:
        return ()
    changes = tuple(changes_on(request, exhausted, gpu, lessen))
    there = (item for item in fleet.classes() if item.sharing in _ISOLATED)
    estimates = Estimates(request.model, request.task)
    larger = larger_class(estimates, there, request.gpus_per_pod, above=gpu.usable.upper)
    return (*changes[: _MOST - 1], use(larger)) if larger is not None else changes
