"""How many GPUs one instance of a role takes, and how they spread over pods."""

from dataclasses import dataclass

from llmjob.estimator.result import Unknown
from llmjob.estimator.task import FineTuning, Inference, Task
from llmjob.names import Reason


@dataclass(frozen=True, slots=True)
class Topology:
    """GPUs of one instance = `pods_per_instance` × `gpus_per_pod`."""

    pods_per_instance: int
    gpus_per_pod: int


def topology_of(task: Task, pods_per_instance: int | None, gpus_per_pod: int | None) -> Topology | Unknown:
    """The topology of a task whose stated numbers are None where unset.

    An instance is tensor × pipeline × context × data GPUs. Engines run data-parallel ranks in one pod or in several,
    so for inference the product without data is accepted too, and is the default. Unknown (BadInput) where the
    numbers contradict each other.
    """
    degrees = task.parallelism
    shared = degrees.tensor * degrees.pipeline * degrees.context
    whole = shared * degrees.data
    instance = shared if isinstance(task, Inference) else whole
    if isinstance(task, FineTuning) and task.sharding and task.sharding.degree and degrees.data % task.sharding.degree:
        message = (
            f"a sharding degree of {task.sharding.degree} does not divide parallelism.data = {degrees.data}: "
            "set one of the two so that it does"
        )
        return _bad("spec.fineTuning.sharding.degree", message)
    pods = pods_per_instance or 1
    if gpus_per_pod is None:
        if instance % pods:
            message = (
                f"an instance of {instance} GPUs (from parallelism) cannot be spread evenly over "
                f"topology.podsPerInstance = {pods}: change one of the two"
            )
            return _bad("spec.topology.podsPerInstance", message)
        return Topology(pods, instance // pods)
    if pods * gpus_per_pod not in (instance, whole):
        products = " or ".join(str(product) for product in sorted({instance, whole}))
        message = (
            f"topology.podsPerInstance × gpusPerPod = {pods * gpus_per_pod}, but parallelism makes an instance of "
            f"{products} GPUs: change topology or parallelism so that they agree"
        )
        return _bad("spec.topology.gpusPerPod", message)
    return Topology(pods, gpus_per_pod)


def _bad(field: str, message: str) -> Unknown:
    return Unknown(reason=Reason.BAD_INPUT, field=field, message=message)
