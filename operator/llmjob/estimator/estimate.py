"""estimate(): the one entry to the estimator."""

from collections.abc import Sequence
from dataclasses import replace

from llmjob.estimator.architecture import Architecture
from llmjob.estimator.gpu import GPU
from llmjob.estimator.interval import Interval
from llmjob.estimator.model import Model, ModelSource
from llmjob.estimator.result import Estimate, Unknown
from llmjob.estimator.simple import estimate_simple
from llmjob.estimator.spelling import spell_out
from llmjob.estimator.task import Inference, Task
from llmjob.names import Reason

_SHOWN = 200


def estimate(model: Model, task: Task, gpu: GPU | None = None) -> Estimate | Unknown:
    """Estimate the GPU memory of the worst rank; pure.

    Without a GPU none is assumed: terms that depend on it are ranges. A name the estimator does not know gives
    Unknown with the field that holds it, never a guess; so do degrees of parallelism that the model cannot have.
    """
    spelled = spell_out(model, task)
    if isinstance(spelled, Unknown):
        return spelled
    model, task = spelled
    if model.architecture is None:
        return estimate_simple(model, task)
    impossible = _impossible(model.architecture, task)
    if impossible is not None:
        return impossible
    return _estimate(model, model.architecture, task, gpu)


def _estimate(model: Model, architecture: Architecture, task: Task, gpu: GPU | None) -> Estimate | Unknown:
    if not isinstance(task, Inference):
        from llmjob.estimator.training import estimate_training  # noqa: PLC0415, serving needs none of the ledger

        return _warned(estimate_training(model, architecture, task, gpu), _unread(model, architecture))
    if task.engine in (None, "vLLM"):
        from llmjob.estimator.serving import estimate_serving  # noqa: PLC0415, other engines need no vLLM profile

        answer = estimate_serving(model, architecture, task, gpu)
    else:
        from llmjob.estimator.engines import estimate_engine  # noqa: PLC0415

        answer = estimate_engine(model, architecture, task, gpu)
    warnings = [*model.warnings, *answer.warnings, *_unread(model, architecture)]
    sure = model.source is not ModelSource.NAME
    if task.engine_args:
        sure = False
        shown = " ".join(task.engine_args)[:_SHOWN]
        warnings.append(f"engineArgs are not read yet and may change the need: {shown}")
    if task.speculative is not None:
        warnings.append("speculative decoding is not counted yet: its draft weights and cache come on top")
    answer = replace(answer, warnings=tuple(warnings))
    return answer if sure else _unsure(answer)


def _unread(model: Model, architecture: Architecture) -> tuple[str, ...]:
    """What of the checkpoint's quantization_config was not understood."""
    config = architecture.quantization
    if config is None or not config.kept.unread or model.quantization not in (None, config.method):
        return ()
    return (f"{config.kept.unread} entries of quantization_config's list of unquantised modules cannot be read",)


def _warned(answer: Estimate, warnings: Sequence[str]) -> Estimate:
    return replace(answer, warnings=(*answer.warnings, *warnings)) if warnings else answer


def _unsure(answer: Estimate) -> Estimate:
    """The same without a lower bound: nothing is denied on it."""
    budget = answer.budget
    return replace(
        answer,
        per_gpu=replace(answer.per_gpu, lower=0),
        budget=budget and replace(budget, needed=Interval(0, budget.needed.expected, budget.needed.upper)),
    )


def _impossible(architecture: Architecture, task: Task) -> Unknown | None:
    """Degrees that the model cannot be split by."""
    tensor, pipeline = task.parallelism.tensor, task.parallelism.pipeline
    heads = sorted({run.block.mixer.heads for run in architecture.layers if run.block.mixer is not None})
    for count in heads:
        if count % tensor:
            return _bad(
                "spec.parallelism.tensor",
                f"the model has {count} attention heads, which tensor parallel {tensor} does not divide;"
                f" {_divisors(count)} would",
            )
    if pipeline > architecture.num_layers:
        return _bad(
            "spec.parallelism.pipeline",
            f"the model has {architecture.num_layers} layers, fewer than {pipeline} pipeline stages",
        )
    return None


def _bad(field: str, message: str) -> Unknown:
    return Unknown(reason=Reason.BAD_INPUT, field=field, message=message)


def _divisors(count: int) -> str:
    found = [number for number in (1, 2, 4, 8, 16, 32, 3, 5, 6, 7) if count % number == 0]
    return ", ".join(str(number) for number in sorted(found)[:6])
