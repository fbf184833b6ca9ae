"""What a job leaves open in ways that can make its need much smaller: nothing is denied on such a part.

Each kindest value is one that users do run: adapters instead of all weights, short sequences, experts spread over the
data-parallel ranks.
"""

from dataclasses import replace
from typing import Final

from llmjob.estimator.architecture import Architecture
from llmjob.estimator.interval import Interval
from llmjob.estimator.model import Model
from llmjob.estimator.result import ComponentName, Estimate
from llmjob.estimator.sequence import cache_scheme
from llmjob.estimator.task import FineTuning, Inference, Sharding, Task
from llmjob.estimator.vocabulary import TRAINED_DEQUANTIZED

_BY_LENGTH: Final = frozenset({ComponentName.KV_CACHE, ComponentName.ACTIVATIONS, ComponentName.LOGITS})


def with_method(model: Model, task: Task) -> Task:
    """The task with a method: as stated, else the one that its other fields or the checkpoint speak of, else Full."""
    if not isinstance(task, FineTuning) or task.method is not None:
        return task
    checkpoint = model.architecture.quantization if model.architecture else None
    quantized = checkpoint is not None and checkpoint.method not in TRAINED_DEQUANTIZED
    if task.quantized is not None or model.quantization is not None or quantized:
        return replace(task, method="QLoRA")
    return replace(task, method="LoRA" if task.adapter is not None else "Full")


def left_open(asked: Task, counted: Task, model: Model) -> tuple[str, ...]:
    """Warnings of what is open in what was asked; where there is one, nothing is sure to be needed."""
    if isinstance(asked, FineTuning) and isinstance(counted, FineTuning):
        if asked.method is not None:
            return ()
        return (f"fineTuning.method is not stated: {counted.method} counts, and nothing is denied on it",)
    found = []
    if asked.parallelism.data > 1 and asked.parallelism.expert == 1 and _has_experts(model):
        found.append("parallelism.expert is not stated: experts may be spread over the data-parallel ranks")
    scheme = cache_scheme(model, asked) if isinstance(asked, Inference) else None
    if scheme not in {None, "FP8"}:
        found.append(f"the checkpoint's KV cache scheme {scheme} is not known: state kvCacheDtype")
    return tuple(found)


def assumed(task: Task) -> tuple[str, ...]:
    """Warnings of what is open in fine-tuning and only widens the bounds: the lower one holds whatever it is."""
    if not isinstance(task, FineTuning):
        return ()
    found = []
    if task.method == "Freeze":
        found.append("which layers Freeze trains is not stated: all of them count, and none is sure")
    if task.objective not in {None, "SFT", "Pretrain"}:
        found.append(f"{task.objective} counts as SFT: a reference model, a reward model or rollouts come on top")
    sharding = task.sharding or Sharding()
    ranks = (sharding.degree or task.parallelism.data) * task.parallelism.context
    if sharding.strategy is None and ranks > 1:
        found.append(
            f"fineTuning.sharding.strategy is not stated: the bounds span DDP and FSDP over {ranks} ranks; state it"
        )
    return tuple(found)


def without_length(task: Task, answer: Estimate) -> Estimate:
    """For engines that allocate as sequences grow: without a stated length only weights and runtime are sure."""
    if not isinstance(task, Inference) or task.engine in (None, "vLLM"):
        return answer
    if task.max_model_len is not None or task.input_length is not None or task.output_length is not None:
        return answer
    open_bytes = sum(part.memory.lower for part in answer.components if part.name in _BY_LENGTH)
    parts = tuple(
        replace(part, memory=replace(part.memory, lower=0)) if part.name in _BY_LENGTH else part
        for part in answer.components
    )
    budget = answer.budget
    return replace(
        answer,
        components=parts,
        per_gpu=replace(answer.per_gpu, lower=max(0, answer.per_gpu.lower - open_bytes)),
        budget=budget and replace(budget, needed=_less(budget.needed, open_bytes)),
        warnings=(*answer.warnings, "no length is stated: the model's longest counts, and nothing is denied on it"),
    )


def _less(needed: Interval, amount: int) -> Interval:
    return replace(needed, lower=max(0, needed.lower - amount))


def _has_experts(model: Model) -> bool:
    known: Architecture | None = model.architecture
    parameters = known.parameters if known else model.parameters
    active = known.active_parameters if known else model.active_parameters
    return active is not None and parameters is not None and active < parameters
