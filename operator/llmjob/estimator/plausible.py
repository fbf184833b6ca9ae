"""Figures that no model and no GPU comes near: a slip in the input, never an answer."""

from collections.abc import Iterator
from typing import Final

from llmjob.estimator.interval import Interval
from llmjob.estimator.model import Model, ModelSource
from llmjob.estimator.result import Estimate, Unknown
from llmjob.estimator.task import Inference, Task
from llmjob.names import Reason

_MOST_BYTES: Final = 2**60
"""1 EiB on one GPU, and what a Quantity's 64 bits hold."""
_MOST_PARAMETERS: Final = 10**16
"""Ten thousand times the largest published models, of 10^12 parameters."""
_TOO_MUCH: Final = "this needs more than 1 EiB of GPU memory: correct"


def implausible(model: Model, task: Task, answer: Estimate) -> Unknown | None:
    """Unknown that names the field where a figure is beyond every model or GPU."""
    stated = "spec.model.parameters" if model.source is not ModelSource.CONFIG else "spec.model.config"
    for field, count in ((stated, answer.parameters), ("spec.model.activeParameters", answer.active_parameters)):
        if count > _MOST_PARAMETERS:
            return _bad(field, f"more than {_MOST_PARAMETERS:.0e} parameters are no model: correct it")
    if max(_bytes(answer)) <= _MOST_BYTES:
        return None
    if isinstance(task, Inference):
        return _bad("spec.inference", f"{_TOO_MUCH} batchSize, concurrency or a length")
    return _bad("spec.fineTuning", f"{_TOO_MUCH} microBatchSize or sequenceLength")


def _bytes(answer: Estimate) -> Iterator[int]:
    yield answer.per_gpu.upper
    yield answer.kv_bytes_per_token or 0
    yield from (component.memory.upper for component in answer.components)
    yield from (interval.upper for interval in _measures(answer))


def _measures(answer: Estimate) -> tuple[Interval, ...]:
    found = answer.measures
    return (found.allocated, found.reserved, found.process) if found else ()


def _bad(field: str, message: str) -> Unknown:
    return Unknown(reason=Reason.BAD_INPUT, field=field, message=message)
