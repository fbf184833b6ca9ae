"""Where a role's pods may run, in Kubernetes' own words."""

from typing import Annotated, Literal

from pydantic import Field

from llmjob.api.base import WHOLE, ApiModel, stated

Key = Annotated[str, Field(min_length=1, max_length=317)]
Value = Annotated[str, Field(max_length=63)]
NodeLabels = Annotated[dict[str, Value], Field(max_length=32)]


class NodeSelectorRequirement(ApiModel):
    """One expression over a node's labels or fields."""

    key: Key = Field(description="Label or field.")
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"] = Field(
        description="How key and values relate."
    )
    values: Annotated[list[Value], Field(max_length=16)] | None = stated("Values, none for Exists and DoesNotExist.")


Requirements = Annotated[list[NodeSelectorRequirement], Field(max_length=16)]


class NodeSelectorTerm(ApiModel):
    """Expressions that must all hold; an empty term matches no node."""

    match_expressions: Requirements | None = stated("Over the node's labels.")
    match_fields: Requirements | None = stated("Over the node's fields.")


class NodeSelector(ApiModel):
    """Terms of which one must match."""

    node_selector_terms: Annotated[list[NodeSelectorTerm], Field(min_length=1, max_length=8)] = Field(
        description="One of these must match."
    )


class NodeAffinity(ApiModel):
    """Node affinity; only what is required decides where pods may run."""

    required_during_scheduling_ignored_during_execution: NodeSelector | None = stated(
        "The terms of which a node must match one."
    )


class Affinity(ApiModel):
    """Affinity of the pods."""

    node_affinity: NodeAffinity | None = stated("Affinity to nodes.")


class Toleration(ApiModel):
    """A taint that the pods tolerate."""

    key: Annotated[str, Field(max_length=317)] | None = stated("Taint key; empty with Exists tolerates all.")
    operator: Literal["Exists", "Equal"] | None = stated("Equal unless stated.")
    value: Value | None = stated("Taint value.")
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = stated("All unless stated.")
    toleration_seconds: Annotated[int, Field(ge=-(2**31), le=2**31 - 1), WHOLE] | None = stated(
        "How long NoExecute is tolerated."
    )


class Scheduling(ApiModel):
    """Where the role's pods may run; without it every GPU class counts as eligible."""

    node_selector: NodeLabels | None = stated("Labels that a node must carry.")
    affinity: Affinity | None = stated("The pods' affinity; only required node affinity decides where they may run.")
    tolerations: Annotated[list[Toleration], Field(max_length=32)] | None = stated("Taints the pods tolerate.")
    runtime_class_name: Annotated[str, Field(min_length=1, max_length=253)] | None = stated("The pods' RuntimeClass.")
