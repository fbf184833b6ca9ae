"""Where pods may run: node selector, required affinity, tolerations and runtime class, as the scheduler has them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheduling:
    """A pod's constraints as Kubernetes writes them (`affinity` and `tolerations` are the API's JSON).

    `ignore_taints` is set where tolerations are not known (an LLMJob without `scheduling`).
    """

    node_selector: Mapping[str, str] = field(default_factory=dict)
    affinity: Mapping[str, object] | None = None
    tolerations: Sequence[Mapping[str, object]] = ()
    runtime_class: str | None = None
    ignore_taints: bool = False


ANYWHERE = Scheduling(ignore_taints=True)
