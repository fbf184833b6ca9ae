"""What would make it fit: at most three changes, each one tried before it is named."""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from itertools import islice
from typing import Final

from llmjob.decision.outcome import Estimates, Judged, judge_class
from llmjob.decision.verdict import Advice, Outcome
from llmjob.estimator.advise import Change, Possible, advise
from llmjob.estimator.gpu import GPU
from llmjob.estimator.model import Model
from llmjob.estimator.result import Estimate
from llmjob.estimator.task import Task
from llmjob.fleet import products
from llmjob.fleet.fleet import Fleet
from llmjob.fleet.gpu_argument import named_class
from llmjob.fleet.gpu_class import GPUClass, Sharing, gpu_of
from llmjob.quantity import gib
from llmjob.workloads.request import Request
from llmjob.workloads.topology import Topology, topology_of

Finder = Callable[[Model, Task, GPU, Possible], tuple[Change, ...]]

_MOST: Final = 3
_TRIES: Final = 5
# Letters whose names begin with a vowel: an L4, an RTX A6000, but a Tesla T4.
_VOWEL_SOUND: Final = frozenset("AEFHILMNORSX")


def advice(
    request: Request, estimates: Estimates, made: Estimate, judged: Sequence[Judged], fleet: Fleet
) -> tuple[Advice, ...]:
    """Up to three changes that do fit: of the job, for the largest eligible class, then a larger GPU."""
    found = list(_changes(request, judged))
    larger = _larger(estimates, made, judged, fleet, request.gpus_per_pod)
    kept = found[: _MOST - 1] if larger else found[:_MOST]
    return (*kept, larger) if larger else tuple(kept)


def _changes(request: Request, judged: Sequence[Judged]) -> Iterator[Advice]:
    """Changes of the job that make it fit the largest eligible card."""
    cards = [item.gpu_class for item in judged if item.gpu_class.usable is not None and not item.outcome.too_few_gpus]
    if not cards:
        return
    largest = max(cards, key=_size)
    gpu = gpu_of(largest)
    if gpu is not None:
        yield from changes_on(request, largest, gpu, advise)


def changes_on(request: Request, gpu_class: GPUClass, gpu: GPU, find: Finder) -> Iterator[Advice]:
    """Changes of the job that the estimator finds on a class's GPU, of those that pods and nodes allow."""
    per_node = gpu_class.gpus_per_node if gpu_class.sharing is Sharing.NONE else 1

    def possible(task: Task) -> bool:
        """Whether the job's pods can have these degrees, on nodes of this class."""
        topology = topology_of(task, request.pods_per_instance, request.stated_gpus_per_pod)
        return isinstance(topology, Topology) and (per_node is None or topology.gpus_per_pod <= per_node)

    for change in find(request.model, request.task, gpu, possible):
        yield Advice(field=change.field, value=change.value, message=change.message)


def _larger(estimates: Estimates, made: Estimate, judged: Sequence[Judged], fleet: Fleet, gpus: int) -> Advice | None:
    """The smallest class on which the job as it is fits: of the fleet first, else of the product table."""
    eligible = {item.gpu_class.name for item in judged}
    others = (item for item in fleet.classes() if item.name not in eligible)
    # The table does not say how many GPUs a node has: where that is what lacks, it cannot help.
    by_count = bool(judged) and all(item.outcome.too_few_gpus for item in judged)
    found = larger_class(
        estimates, others, gpus, above=made.per_gpu.expected - 1, without=None if by_count else eligible
    )
    return use(found) if found is not None else None


def larger_class(
    estimates: Estimates,
    there: Iterable[GPUClass],
    gpus: int,
    *,
    above: int,
    without: Collection[str] | None = (),
) -> GPUClass | None:
    """The smallest class with more than `above` bytes on which the job fits: of those that are there first, else of the
    product table, but those that are `without` (all of it where None).
    """
    candidates = sorted((item for item in there if item.gpus_per_node is None or item.gpus_per_node >= gpus), key=_size)
    if without is not None:
        known = (named for row in products.table() if (named := named_class(row.slug)) is not None)
        candidates += sorted((item for item in known if item.name not in without), key=_size)
    enough = (item for item in candidates if item.usable is not None and item.usable.lower > above)
    tried = islice(enough, _TRIES)
    fitting = (item for item in tried if judge_class(item, estimates, gpus).outcome.outcome is Outcome.FITS)
    return next(fitting, None)


def use(gpu_class: GPUClass) -> Advice:
    """The advice to take a GPU of this class."""
    usable = gpu_class.usable.lower if gpu_class.usable else 0
    name = gpu_class.product
    spelled = len(name) > 1 and not name[1].islower()
    article = "an" if name[:1] in (_VOWEL_SOUND if spelled else "AEIOU") else "a"
    return Advice(field="scheduling", value=gpu_class.name, message=f"{article} {name} ({gib(usable)} GiB)")


def _size(gpu_class: GPUClass) -> tuple[int, str]:
    return (gpu_class.usable.lower if gpu_class.usable else 0, gpu_class.name)
