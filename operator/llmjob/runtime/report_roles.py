"""A job's roles for the report: status, pods, use and the fleet joined."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from llmjob.decision.outcome import Estimates
from llmjob.decision.smaller import smaller_class
from llmjob.estimator.result import Estimate
from llmjob.estimator.task import Inference
from llmjob.fleet.fleet import Fleet
from llmjob.fleet.gpu_class import GPUClass, gpu_of
from llmjob.names import DEFAULT_ROLE
from llmjob.observation import recorded
from llmjob.observation.course import RoleKey
from llmjob.observation.observed import fills_the_card
from llmjob.observation.report import Actual, Role, Smaller
from llmjob.runtime.views import SeenJob
from llmjob.workloads.llmjob import requests_from_llmjob
from llmjob.workloads.request import AnyRequest, Request


@dataclass(frozen=True, slots=True)
class Use:
    """What Prometheus says: the comparable use, and the fullest GPU's bytes, by role; empty where it says nothing.

    `at` is the moment of the report, in Unix seconds.
    """

    at: float
    actual: Mapping[RoleKey, Actual] = field(default_factory=dict)
    used: Mapping[RoleKey, int] = field(default_factory=dict)


def roles_of_job(seen: SeenJob, running: Mapping[RoleKey, Counter[str]], use: Use, fleet: Fleet) -> Iterator[Role]:
    """Every role of the job's spec, of its status where the spec cannot be read; `running` are its pods by class."""
    status = seen.content.get("status")
    status = status if isinstance(status, Mapping) else {}
    asked: dict[str, AnyRequest] = {item.role: item for item in requests_from_llmjob(seen.job)} if seen.job else {}
    written = dict(recorded.roles_of(status))
    for name in asked or written or (DEFAULT_ROLE,):
        key = (seen.namespace, seen.name, name)
        yield _role(key, status, written.get(name, {}), asked.get(name), running.get(key, Counter()), use, fleet)


def _role(
    key: RoleKey,
    status: recorded.Object,
    written: recorded.Object,
    request: AnyRequest | None,
    pods: Counter[str],
    use: Use,
    fleet: Fleet,
) -> Role:
    classes = {item.name: item for item in fleet.classes()}
    name = min(pods, key=lambda item: _size(item, classes), default=recorded.reference_class(written))
    gpu_class = classes.get(name) if name else None
    per_pod = (request.gpus_per_pod if request else None) or 1
    now = use.at if recorded.goes_on(status) else None
    actual = use.actual.get(key) or recorded.actual_of(written, fills_the_card=_fills(request, gpu_class), now=now)
    usable = gpu_class.usable.lower if gpu_class and gpu_class.usable else recorded.usable_of(written, name)
    return Role(
        namespace=key[0],
        name=key[1],
        role=key[2],
        model=recorded.text_of(status, "model", "name") or recorded.text_of(status, "summary", "model"),
        task=recorded.text_of(status, "summary", "task"),
        reason=recorded.text_of(status, "summary", "reason"),
        gpu_class=name,
        usable=usable,
        runs=tuple(sorted((item, count * per_pod) for item, count in pods.items())),
        predicted=recorded.predicted_on(written, name),
        actual=actual,
        used=use.used.get(key) or recorded.used_of(written),
        exhausted=recorded.exhausted(status),
        searched=gpu_class is not None and isinstance(request, Request),
        smaller=_smaller(request, fleet, gpu_class, actual),
    )


def _size(name: str, classes: Mapping[str, GPUClass]) -> tuple[float, str]:
    found = classes.get(name)
    return (found.usable.lower if found and found.usable else float("inf"), name)


def _fills(request: AnyRequest | None, gpu_class: GPUClass | None) -> bool:
    if not isinstance(request, Request) or not isinstance(request.task, Inference):
        return False
    made = Estimates(request.model, request.task).on(gpu_of(gpu_class) if gpu_class else None)
    return fills_the_card(request.task.engine, made if isinstance(made, Estimate) else None)


def _smaller(
    request: AnyRequest | None, fleet: Fleet, running: GPUClass | None, actual: Actual | None
) -> Smaller | None:
    if actual is None or running is None or not isinstance(request, Request):
        return None
    found = smaller_class(request, fleet, running, actual.peak)
    if found is None or found.gpu_class.usable is None:
        return None
    return Smaller(gpu_class=found.gpu_class.name, need=found.need, usable=found.gpu_class.usable.lower)
