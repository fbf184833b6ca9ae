"""LLMJob v1alpha1 as pydantic models."""

from typing import Annotated, ClassVar, Final, Literal

from pydantic import Field

from llmjob.api.base import ApiModel, Rule, RuledModel, stated
from llmjob.api.model import Model
from llmjob.api.patterns import NAME
from llmjob.api.scheduling import Scheduling
from llmjob.api.tasks import FineTuning, Inference, Parallelism, Topology

__all__ = ["LLMJob", "Metadata", "Model", "Spec"]

# The same quantities as Spec's properties, in CEL. The schema's defaults fill parallelism before rules are held.
_DEGREE: Final = "has(self.fineTuning) && has(self.fineTuning.sharding) && has(self.fineTuning.sharding.degree)"
_DATA: Final = (
    f"(has(self.parallelism.data) ? self.parallelism.data : ({_DEGREE} ? self.fineTuning.sharding.degree : 1))"
)
_SHARDS: Final = "self.parallelism.tensor * self.parallelism.pipeline * self.parallelism.context"
_PODS: Final = "(has(self.topology) && has(self.topology.podsPerInstance) ? self.topology.podsPerInstance : 1)"
_STATED: Final = "has(self.topology) && has(self.topology.gpusPerPod)"
_PRODUCT: Final = f"{_PODS} * self.topology.gpusPerPod"

_ONE_TASK: Final = Rule(
    cel="has(self.inference) != has(self.fineTuning)",
    holds=lambda spec: (spec.inference is None) != (spec.fine_tuning is None),
    message="exactly one of inference and fineTuning must be set (`inference: {}` counts as set)",
    fields=("inference", "fineTuning"),
)
_DEGREE_DIVIDES: Final = Rule(
    cel=f"!({_DEGREE} && has(self.parallelism.data)) || self.parallelism.data % self.fineTuning.sharding.degree == 0",
    holds=lambda spec: spec.data_parallel % (spec.sharding_degree or 1) == 0,
    message="fineTuning.sharding.degree must divide parallelism.data; the rest are replicas",
    fields=("fineTuning.sharding.degree", "parallelism.data"),
)
_GPUS_ADD_UP: Final = Rule(
    cel=f"!({_STATED}) || {_PRODUCT} == {_SHARDS} * {_DATA} || (has(self.inference) && {_PRODUCT} == {_SHARDS})",
    holds=lambda spec: spec.stated_gpus is None or spec.stated_gpus in spec.instance_sizes,
    message="topology.podsPerInstance × topology.gpusPerPod must be the product of parallelism's tensor × pipeline × "
    "context × data (for inference also without data)",
    fields=("topology.podsPerInstance", "topology.gpusPerPod", "parallelism"),
)
_PODS_DIVIDE: Final = Rule(
    cel=f"{_STATED} || ({_SHARDS} * (has(self.inference) ? 1 : {_DATA})) % {_PODS} == 0",
    holds=lambda spec: spec.stated_gpus is not None or spec.instance_gpus % spec.pods_per_instance == 0,
    message="topology.podsPerInstance must divide the product of parallelism's tensor × pipeline × context × data "
    "(for inference without data)",
    fields=("topology.podsPerInstance", "parallelism"),
)


class Spec(RuledModel):
    """What is asked for."""

    rules: ClassVar[tuple[Rule, ...]] = (_ONE_TASK, _DEGREE_DIVIDES, _GPUS_ADD_UP, _PODS_DIVIDE)

    model: Model = Field(
        description="Which model: at least one of id, config and parameters. The architecture comes from config, else "
        "from the id where it is known, else from parameters or the number in the id."
    )
    inference: Inference | None = stated(
        "Serve the model. `inference: {}` is valid: the engine's defaults, one sequence at a time."
    )
    fine_tuning: FineTuning | None = stated("Train the model. `fineTuning: {}` is valid: full fine-tuning with AdamW.")
    parallelism: Parallelism = stated(
        "Degrees of parallelism; the GPUs of an instance are tensor × pipeline × context × data.",
        default=Parallelism.model_construct(),
    )
    topology: Topology | None = stated("How an instance's GPUs are spread over pods.")
    scheduling: Scheduling | None = stated("Where the pods may run; unset, every GPU class counts as eligible.")
    enforcement: Literal["Audit", "Warn", "Enforce", "Strict"] | None = stated(
        "Tightens the namespace's enforcement level for this job; it cannot loosen it."
    )

    @property
    def sharding_degree(self) -> int | None:
        """GPUs that share one copy of a trained model, where stated."""
        sharding = self.fine_tuning.sharding if self.fine_tuning else None
        return sharding.degree if sharding else None

    @property
    def data_parallel(self) -> int:
        """Data-parallel ranks: stated, else the sharding degree in fine-tuning, else 1."""
        return self.parallelism.data or self.sharding_degree or 1

    @property
    def pods_per_instance(self) -> int:
        """Pods of one instance."""
        return (self.topology.pods_per_instance if self.topology else None) or 1

    @property
    def gpus_per_pod(self) -> int:
        """GPUs a pod: stated, else the instance's GPUs (in inference without data) over its pods."""
        stated_here = self.topology.gpus_per_pod if self.topology else None
        return stated_here or self.instance_gpus // self.pods_per_instance

    @property
    def stated_gpus(self) -> int | None:
        """GPUs of an instance as topology states them, None where it leaves gpusPerPod open."""
        stated_here = self.topology.gpus_per_pod if self.topology else None
        return self.pods_per_instance * stated_here if stated_here else None

    @property
    def instance_gpus(self) -> int:
        """GPUs of an instance as parallelism has them; in inference without data-parallel ranks."""
        return self._shards * (1 if self.inference is not None else self.data_parallel)

    @property
    def instance_sizes(self) -> frozenset[int]:
        """What topology may state: engines run data-parallel ranks in one pod or in several."""
        return frozenset({self.instance_gpus, self._shards * self.data_parallel})

    @property
    def _shards(self) -> int:
        return self.parallelism.tensor * self.parallelism.pipeline * self.parallelism.context


class Metadata(ApiModel):
    """What is read of an object's metadata."""

    name: Annotated[str, Field(max_length=63, pattern=NAME)]
    namespace: str | None = None


class LLMJob(ApiModel):
    """An LLM job: how much GPU memory it needs, on which GPUs it fits, and how that compares with what it uses."""

    metadata: Metadata
    spec: Spec = Field(
        description="What is asked for: a model, exactly one task (inference or fineTuning), and how it is spread over "
        "GPUs."
    )
