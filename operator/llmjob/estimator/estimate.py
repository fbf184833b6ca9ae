"""estimate(): the one entry to the estimator."""

from collections.abc import Sequence
from dataclasses import replace

from llmjob.estimator.architecture import Architecture
from llmjob.estimator.degrees import impossible, meaningless, spreads_wider, uncounted
from llmjob.estimator.gpu import GPU
from llmjob.estimator.interval import Interval
from llmjob.estimator.left_open import assumed, left_open, with_method, without_length
from llmjob.estimator.model import Model, ModelSource
from llmjob.estimator.plausible import implausible
from llmjob.estimator.result import Estimate, Unknown
from llmjob.estimator.simple import estimate_simple
from llmjob.estimator.spelling import spell_out
from llmjob.estimator.task import Inference, Task

_SHOWN = 200


def estimate(model: Model, task: Task, gpu: GPU | None = None) -> Estimate | Unknown:
    """Estimate the GPU memory of the worst rank; pure.

    Without a GPU none is assumed: terms that depend on it are ranges. A name the estimator does not know gives
    Unknown with the field that holds it, never a guess; so do degrees of parallelism that the model cannot have, and
    figures beyond every GPU.
    """
    spelled = spell_out(model, task)
    if isinstance(spelled, Unknown):
        return spelled
    model, asked = spelled
    task = with_method(model, asked)
    wrong = impossible(model.architecture, task)
    if wrong is not None:
        return wrong
    architecture = model.architecture
    answer = estimate_simple(model, task) if architecture is None else _estimate(model, architecture, task, gpu)
    if isinstance(answer, Unknown):
        return answer
    maybe_less = (*uncounted(model, task), *left_open(asked, task, model))
    answer = _warned(
        answer, (*maybe_less, *assumed(task), *meaningless(architecture, task), *spreads_wider(model, task))
    )
    return implausible(model, task, answer) or (_unsure(answer) if maybe_less else answer)


def _estimate(model: Model, architecture: Architecture, task: Task, gpu: GPU | None) -> Estimate:
    if not isinstance(task, Inference):
        from llmjob.estimator.training import estimate_training  # noqa: PLC0415, serving needs none of the ledger

        return _warned(estimate_training(model, architecture, task, gpu), _unread(model, architecture))
    if task.engine in (None, "vLLM"):
        from llmjob.estimator.serving import estimate_serving  # noqa: PLC0415, other engines need no vLLM profile

        answer = estimate_serving(model, architecture, task, gpu)
    else:
        from llmjob.estimator.engines import estimate_engine  # noqa: PLC0415

        answer = without_length(task, estimate_engine(model, architecture, task, gpu))
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
    if config is None or model.quantization not in (None, config.method):
        return ()
    found = []
    if config.rules.unread:
        found.append(
            f"{config.rules.unread} entries of quantization_config's lists of modules cannot be read or name no module"
            " that is known: the bounds are wide"
        )
    if config.loose:
        found.append(f"of {config.method} the bits of a weight are known and little else: the bounds are wide")
    return tuple(found)


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
