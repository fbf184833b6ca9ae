"""Status of an LLMJob: what the controller writes. Memory is a canonical BinarySI Quantity, exact."""

from typing import Annotated, Literal

from pydantic import Field

from llmjob.api.base import ApiModel, stated

Quantity = Annotated[str, Field(max_length=32)]
Name = Annotated[str, Field(max_length=253)]
Message = Annotated[str, Field(max_length=4096)]
Short = Annotated[str, Field(max_length=128)]
# The API server reads bounds as floating point: 2^63 − 1 would become 2^63, which it then refuses in every status.
Number = Annotated[int, Field(ge=0, le=2**53)]


class Summary(ApiModel):
    """What `kubectl get llmjobs` prints."""

    model: Name | None = stated("The model.")
    task: Short | None = stated("Inference or the fine-tuning method.")
    need: Short | None = stated("Need per GPU of the worst role: expected (lower–upper).")
    gpus: Short | None = stated("Pods of an instance × GPUs a pod.")
    reason: Short | None = stated("The verdict's reason.")
    used: Short | None = stated("What was in use at most on the fullest GPU, and what was needed of it.")


class ModelStatus(ApiModel):
    """Which model was found."""

    name: Name | None = stated("Its name.")
    revision: Name | None = stated("Its revision.")
    architecture: Short | None = stated("Its architecture's family, as config.json's model_type.")
    parameters: Number | None = stated("Parameters.")
    active_parameters: Number | None = stated("Parameters that a token activates.")
    source: Short | None = stated("Where its facts came from: Config, Catalogue, Parameters or Name.")


class ComponentStatus(ApiModel):
    """One part of the need, per GPU on the worst rank."""

    name: Short = Field(description="The part.")
    lower: Quantity = Field(description="Bytes that must be there, as a Quantity.")
    expected: Quantity = Field(description="Best estimate, as a Quantity of bytes.")
    upper: Quantity = Field(description="Bytes with slack and the harshest plausible settings, as a Quantity.")
    basis: Short = Field(description="How it is known: Exact, Measured, Modelled or RuleOfThumb.")


class ClassStatus(ApiModel):
    """How one GPU class does."""

    name: Name = Field(description="The GPU class.")
    outcome: Short = Field(description="Fits, Tight, TooLarge or Unknown.")
    lower: Quantity | None = stated("Bytes per GPU that must be there, as a Quantity.")
    expected: Quantity | None = stated("Best estimate of the bytes per GPU, as a Quantity.")
    upper: Quantity | None = stated("Bytes per GPU with slack and the harshest plausible settings, as a Quantity.")
    usable: Quantity | None = stated(
        "Bytes that processes can use of the card, the lower end over its nodes, as a Quantity."
    )
    headroom: Quantity | None = stated("Bytes left: usable less upper, as a Quantity; below zero where it is short.")


class AdviceStatus(ApiModel):
    """One change that would make it fit."""

    field: Name = Field(description="Field to set.")
    value: Name = Field(description="Its value.")
    message: Message = Field(description="In words.")


class ObservedKind(ApiModel):
    """The highest sample of one kind, on the fullest GPU."""

    kind: Short = Field(description="used: all that is in use; need: what the job needs of what its engine took.")
    sampled_max: Quantity = Field(description="The highest sample in bytes, as a Quantity; no peak between samples.")
    source: Short = Field(description="Who says so.")
    error_percent: Annotated[int, Field(ge=-100, le=10**6)] | None = stated(
        "(actual − expected) ÷ expected in percent, where it compares with the estimate."
    )
    last_sample: Short = Field(description="When the newest sample was taken.")


class ObservedStatus(ApiModel):
    """What was observed while it ran, for the input that the role has now."""

    pods: Number = Field(description="Pods of it that ran then.")
    since: Short = Field(description="Since when samples count.")
    kinds: Annotated[list[ObservedKind], Field(max_length=8)] = Field(description="By kind.")


class RoleStatus(ApiModel):
    """One role's estimate and verdict."""

    name: Short = Field(description="The role.")
    input_hash: Short | None = stated("Hash of everything the answer depends on but the fleet.")
    profile: Short | None = stated("Engine or training profile used.")
    reference_class: Name | None = stated("GPU class the estimate is for.")
    components: Annotated[list[ComponentStatus], Field(max_length=16)] | None = stated("The parts of the need.")
    classes: Annotated[list[ClassStatus], Field(max_length=256)] | None = stated("Every eligible GPU class.")
    excluded_classes: Annotated[list[Name], Field(max_length=256)] | None = stated(
        "Classes pods are steered away from."
    )
    advice: Annotated[list[AdviceStatus], Field(max_length=8)] | None = stated("What would make it fit.")
    warnings: Annotated[list[Message], Field(max_length=16)] | None = stated("What to know of the estimate.")
    observed: ObservedStatus | None = stated("What was observed while it ran; changes of 2 %, at most each 10 minutes.")


class ConditionStatus(ApiModel):
    """A condition, as metav1.Condition."""

    type: Short = Field(description="Estimated, Fits, UsageObserved, MemoryExhausted.")
    status: Literal["True", "False", "Unknown"] = Field(description="Whether it holds.")
    reason: Short = Field(description="Why, in one CamelCase word.")
    message: Annotated[str, Field(max_length=4096)] = Field(description="Why, in words.")
    last_transition_time: Short = Field(description="When the status last changed.")
    observed_generation: Number | None = stated("The generation it speaks of.")


class Status(ApiModel):
    """What llmjob says of the job."""

    observed_generation: Number | None = stated("The generation this status speaks of.")
    summary: Summary | None = stated("What the columns print.")
    model: ModelStatus | None = stated("Which model was found.")
    roles: Annotated[list[RoleStatus], Field(max_length=4)] | None = stated("Each role's estimate and verdict.")
    conditions: Annotated[list[ConditionStatus], Field(max_length=8)] | None = stated("What holds of it, by type.")
