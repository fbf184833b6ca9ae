"""Where pods may run: node selector, required affinity, tolerations and runtime class, as the scheduler has them.

Source: k8s.io/component-helpers/scheduling/corev1 (node affinity) and k8s.io/api/core/v1 (tolerations).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from llmjob.fleet.node import mapping, sequence

# Taints that say how a node is, not whom it is for: a cordoned or starting node keeps its class.
_PASSING: Final = ("node.kubernetes.io/", "node.cloudprovider.kubernetes.io/", "karpenter.sh/")
_REPELLING: Final = ("NoSchedule", "NoExecute")
_LONGEST_INTEGER: Final = 20


@dataclass(frozen=True, slots=True)
class Taint:
    """A node's taint."""

    key: str
    value: str
    effect: str

    @property
    def repels(self) -> bool:
        """Whether it keeps pods away for longer than a node's start, upgrade or fault lasts."""
        return self.effect in _REPELLING and not self.key.startswith(_PASSING)


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

    def admits(self, labels: Mapping[str, str], taints: Sequence[Taint], name: str | None = None) -> bool:
        """Whether a node with these labels and taints may take the pod. `name` None: a node that is yet to come."""
        if any(labels.get(key) != value for key, value in self.node_selector.items()):
            return False
        if not self.tolerates(taints):
            return False
        required = required_terms(self.affinity)
        return required is None or any(_term_matches(term, labels, name) for term in required)

    def tolerates(self, taints: Sequence[Taint]) -> bool:
        repelling = [taint for taint in taints if taint.repels]
        return self.ignore_taints or all(
            any(_tolerated(taint, toleration) for toleration in self.tolerations) for taint in repelling
        )

    def keys(self) -> Iterator[str]:
        """Every label key that the answer depends on; metadata.name where node names matter."""
        yield from self.node_selector
        for term in required_terms(self.affinity) or ():
            for requirement in (*sequence(mapping(term).get("matchExpressions")), *_fields(term)):
                yield str(mapping(requirement).get("key"))


ANYWHERE = Scheduling(ignore_taints=True)


def required_terms(affinity: Mapping[str, object] | None) -> list[object] | None:
    """The terms of the required node affinity, of which one must match; None where nothing is required."""
    node_affinity = mapping(mapping(affinity).get("nodeAffinity"))
    required = node_affinity.get("requiredDuringSchedulingIgnoredDuringExecution")
    return None if required is None else sequence(mapping(required).get("nodeSelectorTerms"))


def is_empty(term: object) -> bool:
    """Whether a term has neither expressions nor fields; such a term matches no node."""
    return not sequence(mapping(term).get("matchExpressions")) and not _fields(term)


def _fields(term: object) -> list[object]:
    return sequence(mapping(term).get("matchFields"))


def _term_matches(term: object, labels: Mapping[str, str], name: str | None) -> bool:
    if is_empty(term):
        return False
    expressions = sequence(mapping(term).get("matchExpressions"))
    named = {"metadata.name": name} if name is not None else {}
    return all(_holds(expression, labels) for expression in expressions) and all(
        _holds(expression, named) for expression in _fields(term)
    )


def _holds(expression: object, labels: Mapping[str, str]) -> bool:  # noqa: PLR0911, one return an operator
    requirement = mapping(expression)
    key, values = str(requirement.get("key")), sequence(requirement.get("values"))
    present = key in labels
    match requirement.get("operator"):
        case "In":
            return present and labels[key] in values
        case "NotIn":
            # As the scheduler has it, a node without the label passes.
            return bool(values) and not (present and labels[key] in values)
        case "Exists":
            return present and not values
        case "DoesNotExist":
            return not present and not values
        case "Gt" | "Lt" as operator if len(values) == 1:
            here, bound = _integer(labels.get(key)), _integer(values[0])
            if here is None or bound is None:
                return False
            return here > bound if operator == "Gt" else here < bound
    return False


def _integer(value: object) -> int | None:
    if not isinstance(value, str) or len(value) > _LONGEST_INTEGER or not value.isascii():
        return None
    digits = value[1:] if value[:1] in ("-", "+") else value
    return int(value) if digits.isdigit() else None


def _tolerated(taint: Taint, toleration: Mapping[str, object]) -> bool:
    key, effect = toleration.get("key") or "", toleration.get("effect") or ""
    operator = toleration.get("operator") or "Equal"
    if effect not in ("", taint.effect):
        return False
    if key == "":
        return operator == "Exists"
    if key != taint.key:
        return False
    # An operator we do not know may well tolerate: too many eligible classes deny nobody.
    return operator != "Equal" or (toleration.get("value") or "") == taint.value
