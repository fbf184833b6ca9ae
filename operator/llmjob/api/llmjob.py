"""LLMJob v1alpha1 as pydantic models."""

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from llmjob.api.base import ApiModel, Rule, Word, broken, stated
from llmjob.api.counts import COUNT_PATTERN
from llmjob.api.scheduling import Scheduling
from llmjob.api.tasks import FineTuning, Inference, Parallelism, Topology

Count = Annotated[str, Field(max_length=24, pattern=COUNT_PATTERN)]
Id = Annotated[
    str,
    Field(max_length=193, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,95}(/[A-Za-z0-9][A-Za-z0-9._-]{0,95})?$"),
]
Revision = Annotated[str, Field(max_length=128, pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]*$")]

_KNOWN_BY = Rule(
    "has(self.id) || has(self.config) || has(self.parameters)",
    "say which model: at least one of id, config and parameters",
    ("id", "config", "parameters"),
)
_NO_PARENT = Rule("!has(self.id) || !self.id.contains('..')", "id is an id, no path: it holds no '..'", ("id",))
_NOT_ZERO = Rule(
    "(!has(self.parameters) || self.parameters.matches('[1-9]')) && "
    "(!has(self.activeParameters) || self.activeParameters.matches('[1-9]'))",
    "parameters and activeParameters are above zero",
    ("parameters", "activeParameters"),
)


class Model(ApiModel):
    """Which model. The architecture comes from config, else from the id where it is known, else from parameters."""

    rules: ClassVar[tuple[Rule, ...]] = (_KNOWN_BY, _NO_PARENT, _NOT_ZERO)

    id: Id | None = stated("Model id such as Qwen/Qwen2.5-7B-Instruct; never a URL or a path.")
    revision: Revision | None = stated("Revision of the id: a branch, tag or commit.")
    parameters: Count | None = stated("Parameter count: 7B, 0.5B, 671B.")
    active_parameters: Count | None = stated("Parameters that a token activates, for mixtures of experts: 37B.")
    config: dict[str, Any] | None = stated("The model's Hugging Face config.json, as published.")
    dtype: Word | None = stated("Data type of the weights: FP32, FP16, BF16; the config's own unless stated.")
    quantization: Word | None = stated("Quantisation of the weights: INT8, FP8, NF4, AWQ, GPTQ, MXFP4, Q4_K_M, ...")

    @model_validator(mode="after")
    def _hold_rules(self) -> Self:
        if self.id is None and self.config is None and self.parameters is None:
            raise broken(_KNOWN_BY)
        if self.id is not None and ".." in self.id:
            raise broken(_NO_PARENT)
        for count in (self.parameters, self.active_parameters):
            if count is not None and not any(digit in count for digit in "123456789"):
                raise broken(_NOT_ZERO)
        return self


_DATA = (
    "(has(self.parallelism.data) ? self.parallelism.data : (has(self.fineTuning) && has(self.fineTuning.sharding) && "
    "has(self.fineTuning.sharding.degree) ? self.fineTuning.sharding.degree : 1))"
)
_SHARDS = "self.parallelism.tensor * self.parallelism.pipeline * self.parallelism.context"
_PODS = "(has(self.topology) && has(self.topology.podsPerInstance) ? self.topology.podsPerInstance : 1)"
_STATED = "has(self.topology) && has(self.topology.gpusPerPod)"
_PRODUCT = f"{_PODS} * (has(self.topology) && has(self.topology.gpusPerPod) ? self.topology.gpusPerPod : 1)"

_ONE_TASK = Rule(
    "has(self.inference) != has(self.fineTuning)",
    "exactly one of inference and fineTuning is set; `inference: {}` counts as set",
    ("inference", "fineTuning"),
)
_DEGREE = Rule(
    "!has(self.fineTuning) || !has(self.fineTuning.sharding) || !has(self.fineTuning.sharding.degree) || "
    "!has(self.parallelism.data) || self.parallelism.data % self.fineTuning.sharding.degree == 0",
    "fineTuning.sharding.degree divides parallelism.data",
    ("fineTuning.sharding.degree", "parallelism.data"),
)
_GPUS = Rule(
    f"{_STATED} ? ({_PRODUCT} == {_SHARDS} * {_DATA} || (has(self.inference) && {_PRODUCT} == {_SHARDS})) : "
    f"(has(self.inference) ? ({_SHARDS}) % {_PODS} == 0 : ({_SHARDS} * {_DATA}) % {_PODS} == 0)",
    "topology.podsPerInstance × topology.gpusPerPod are the GPUs of parallelism: tensor × pipeline × context × data "
    "(for inference also without data)",
    ("topology.gpusPerPod", "parallelism"),
)


class Spec(ApiModel):
    """What is asked for."""

    rules: ClassVar[tuple[Rule, ...]] = (_ONE_TASK, _DEGREE, _GPUS)

    model: Model = Field(description="Which model.")
    inference: Inference | None = stated("Serve the model.")
    fine_tuning: FineTuning | None = stated("Train the model.")
    parallelism: Parallelism = stated("Degrees of parallelism.", default=Parallelism.model_construct())
    topology: Topology | None = stated("How an instance's GPUs are spread over pods.")
    scheduling: Scheduling | None = stated("Where the pods may run.")
    enforcement: Literal["Audit", "Warn", "Enforce", "Strict"] | None = stated(
        "Tightens the namespace's enforcement level for this job; it cannot loosen it."
    )

    @model_validator(mode="after")
    def _hold_rules(self) -> Self:
        if (self.inference is None) == (self.fine_tuning is None):
            raise broken(_ONE_TASK)
        degree = self._sharding_degree()
        if degree and self.parallelism.data and self.parallelism.data % degree:
            raise broken(_DEGREE)
        if not self._gpus_add_up():
            raise broken(_GPUS)
        return self

    def _sharding_degree(self) -> int | None:
        sharding = self.fine_tuning.sharding if self.fine_tuning else None
        return sharding.degree if sharding else None

    @property
    def data_parallel(self) -> int:
        """Data-parallel ranks: stated, else the sharding degree in fine-tuning, else 1."""
        return self.parallelism.data or self._sharding_degree() or 1

    @property
    def pods_per_instance(self) -> int:
        """Pods of one instance."""
        return (self.topology.pods_per_instance if self.topology else None) or 1

    @property
    def gpus_per_pod(self) -> int:
        """GPUs a pod: stated, else the instance's GPUs (in inference without data) over its pods."""
        if self.topology and self.topology.gpus_per_pod:
            return self.topology.gpus_per_pod
        data = 1 if self.inference is not None else self.data_parallel
        return self._shards() * data // self.pods_per_instance

    def _shards(self) -> int:
        return self.parallelism.tensor * self.parallelism.pipeline * self.parallelism.context

    def _gpus_add_up(self) -> bool:
        instance = self._shards() * self.data_parallel
        allowed = {instance, self._shards()} if self.inference is not None else {instance}
        if self.topology and self.topology.gpus_per_pod:
            return self.pods_per_instance * self.topology.gpus_per_pod in allowed
        return (self._shards() if self.inference is not None else instance) % self.pods_per_instance == 0


class Metadata(ApiModel):
    """What is read of an object's metadata."""

    name: Annotated[
        str,
        Field(max_length=63, pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"),
    ]
    namespace: str | None = None
    generation: int | None = None
    uid: str | None = None


class LLMJob(ApiModel):
    """An LLM job: how much GPU memory it needs, on which GPUs it fits, and how that compares with what it uses."""

    metadata: Metadata
    spec: Spec = Field(description="What is asked for.")
