"""What would make a job fit: one step, or two where one is not enough; each verified by estimating anew."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from llmjob.estimator.estimate import estimate
from llmjob.estimator.gpu import GPU
from llmjob.estimator.interval import fits
from llmjob.estimator.model import Model
from llmjob.estimator.result import Estimate
from llmjob.estimator.task import FineTuning, Inference, Sharding, Task
from llmjob.estimator.vocabulary import SHARDS_STATES

_MOST = 3
_DEGREES = (2, 4, 8, 16)
_LESS = 90  # percent
_SHORTEST = 512  # tokens; a shorter context helps nobody
_SIXTEEN_BIT = (None, "FP16", "BF16", "FP32")
_SHARDED = "FSDP"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A field of the LLMJob's spec, the value that makes it fit, and a phrase for people.

    Where several fields must change together, all stand in `field` and `value`, joined by commas.
    """

    field: str
    value: str
    message: str


Possible = Callable[[Task], bool]
# Whether a changed model and task need little enough.
Enough = Callable[[Model, Task], bool]
_Option = tuple[Change, Model, Task]


def advise(model: Model, task: Task, gpu: GPU, possible: Possible) -> tuple[Change, ...]:
    """At most three changes, each of which makes the job fit this GPU surely (by its upper bound).

    Single steps first; pairs only where no single one is enough. `possible` says whether a task's degrees of
    parallelism fit the job's pods and the nodes. Nothing where the job fits as it is.
    """
    return _changes(model, task, possible, lambda changed, asked: _fits(changed, asked, gpu))


def lessen(model: Model, task: Task, gpu: GPU, possible: Possible) -> tuple[Change, ...]:
    """At most three changes of a job that ran out of this GPU's memory, whatever was expected of it.

    After each of them nine tenths at most are expected of what was expected before, or of what there is where that is
    less. Bounds play no part: they are as wide after a change as before.
    """
    before = estimate(model, task, gpu)
    if not isinstance(before, Estimate):
        return ()
    most = min(_expected(before, gpu)) * _LESS // 100

    def less(changed: Model, asked: Task) -> bool:
        after = estimate(changed, asked, gpu)
        return isinstance(after, Estimate) and _expected(after, gpu)[0] <= most

    return _changes(model, task, possible, less)


def _expected(answer: Estimate, gpu: GPU) -> tuple[int, int]:
    """What is expected, and what there is: of the engine's budget where it has one, which then fills the card."""
    budget = answer.budget
    if budget is not None and budget.available is not None:
        return budget.needed.expected, budget.available.lower
    return answer.per_gpu.expected, gpu.usable.lower


def _changes(model: Model, task: Task, possible: Possible, enough: Enough) -> tuple[Change, ...]:
    if enough(model, task):
        return ()
    found: list[Change] = []
    for options in _options(model, task, possible):
        change = _mildest(tuple(options), enough)
        if change is not None:
            found.append(change)
        if len(found) == _MOST:
            break
    return tuple(found or _pairs(model, task, possible, enough))


def _pairs(model: Model, task: Task, possible: Possible, enough: Enough) -> Iterator[Change]:
    """The strongest step of one kind together with the mildest of another that then fits; none is left of the first."""
    paired: set[frozenset[str]] = set()
    for options in _options(model, task, possible):
        steps = tuple(options)
        if not steps:
            continue
        first, changed, asked = steps[-1]
        for others in _options(changed, asked, possible):
            second = _mildest(tuple(others), enough)
            if second is None or frozenset((first.field, second.field)) in paired:
                continue
            paired.add(frozenset((first.field, second.field)))
            yield Change(
                field=f"{first.field},{second.field}",
                value=f"{first.value},{second.value}",
                message=f"{first.message} with {second.message}",
            )
            if len(paired) == _MOST:
                return


def _mildest(options: Sequence[_Option], enough: Enough) -> Change | None:
    """The first option that is enough, by bisection: each needs less than the one before it."""
    low, high = 0, len(options) - 1
    if high < 0 or not enough(options[high][1], options[high][2]):
        return None
    while low < high:
        middle = (low + high) // 2
        if enough(options[middle][1], options[middle][2]):
            high = middle
        else:
            low = middle + 1
    return options[low][0]


def _options(model: Model, task: Task, possible: Possible) -> Iterator[Iterator[_Option]]:
    """Kinds of change, the least intrusive first; of each kind the mildest step first."""
    if isinstance(task, Inference):
        path = "spec.inference"
        yield _tensor(model, task, possible)
        yield _quantization(model, task)
        yield _halved(
            model,
            "concurrency",
            f"{path}.concurrency",
            task.concurrency,
            1,
            lambda number: replace(task, concurrency=number),
        )
        yield _halved(
            model,
            "a longest sequence of",
            f"{path}.maxModelLen",
            _length(model, task),
            _SHORTEST,
            lambda number: replace(task, max_model_len=number),
        )
        return
    path = "spec.fineTuning"
    yield _halved(
        model,
        "micro batch",
        f"{path}.microBatchSize",
        task.micro_batch_size,
        1,
        lambda number: replace(task, micro_batch_size=number),
    )
    yield _sharding(model, task, possible)
    yield _method(model, task)
    yield _halved(
        model,
        "a sequence length of",
        f"{path}.sequenceLength",
        task.sequence_length,
        _SHORTEST,
        lambda number: replace(task, sequence_length=number),
    )


def _tensor(model: Model, task: Inference, possible: Possible) -> Iterator[_Option]:
    for degree in _DEGREES:
        asked = replace(task, parallelism=replace(task.parallelism, tensor=degree))
        if degree > task.parallelism.tensor and _divides(model, degree) and possible(asked):
            yield (
                Change(field="spec.parallelism.tensor", value=str(degree), message=f"tensor parallel {degree}"),
                model,
                asked,
            )


def _quantization(model: Model, task: Inference) -> Iterator[_Option]:
    quantized = model.architecture is not None and model.architecture.quantization is not None
    if model.quantization is not None or quantized or model.dtype not in _SIXTEEN_BIT:
        return
    for name, phrase in (("FP8", "FP8 weights"), ("AWQ", "AWQ 4-bit weights")):
        change = Change(field="spec.model.quantization", value=name, message=phrase)
        yield change, replace(model, quantization=name), task


def _sharding(model: Model, task: FineTuning, possible: Possible) -> Iterator[_Option]:
    """More ranks that share one copy; every field that says otherwise changes with them."""
    stated = task.sharding or Sharding()
    shards = stated.strategy in SHARDS_STATES
    strategy = stated.strategy if shards else _SHARDED
    now = (stated.degree or task.parallelism.data) if shards else 1
    for degree in _DEGREES:
        asked = replace(
            task,
            sharding=Sharding(strategy=strategy, degree=stated.degree and degree),
            parallelism=replace(task.parallelism, data=degree),
        )
        if degree <= now or not possible(asked):
            continue
        fields = {
            "spec.fineTuning.sharding.strategy": None if shards else strategy,
            "spec.fineTuning.sharding.degree": stated.degree and degree,
            "spec.parallelism.data": degree,
        }
        changed = {name: value for name, value in fields.items() if value is not None}
        change = Change(
            field=",".join(changed),
            value=",".join(str(value) for value in changed.values()),
            message=f"{strategy} over {degree} GPUs",
        )
        yield change, model, asked


def _method(model: Model, task: FineTuning) -> Iterator[_Option]:
    """LoRA instead of full fine-tuning, QLoRA instead of either."""
    order = ("Full", "LoRA", "QLoRA")
    now = task.method or "Full"
    for method in order[order.index(now) + 1 :] if now in order else ():
        change = Change(field="spec.fineTuning.method", value=method, message=f"{method} fine-tuning")
        yield change, model, replace(task, method=method)


_Change = Callable[[int], Task]


def _halved(model: Model, words: str, field: str, value: int | None, least: int, changed: _Change) -> Iterator[_Option]:
    """The same task with a count halved again and again, down to `least`."""
    while value is not None and value > least:
        value = max(least, value // 2)
        yield Change(field=field, value=str(value), message=f"{words} {value}"), model, changed(value)


def _divides(model: Model, degree: int) -> bool:
    """Whether tensor parallelism of this degree can be: every layer's heads are dealt out evenly."""
    layers = model.architecture.layers if model.architecture else ()
    return all(run.block.mixer is None or run.block.mixer.heads % degree == 0 for run in layers)


def _length(model: Model, task: Inference) -> int | None:
    return task.max_model_len or (model.architecture.max_model_len if model.architecture else None)


def _fits(model: Model, task: Task, gpu: GPU) -> bool:
    """Both tests of a verdict: everything on the GPU, and the engine's budget on it."""
    answer = estimate(model, task, gpu)
    if not isinstance(answer, Estimate) or not fits(answer.per_gpu, gpu.usable):
        return False
    budget = answer.budget
    return budget is None or budget.available is None or fits(budget.needed, budget.available)
