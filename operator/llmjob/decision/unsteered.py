"""A pod as its owner wrote it: without the exclusions that steering has added to it since.

Admission sees a pod more than once, and after the first time with our own exclusions in it. Judged as it then is, the
cards that are too small would not even count as eligible, and the verdict would be another one.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from llmjob.decision.verdict import Exclusion
from llmjob.fleet.node import mapping, sequence
from llmjob.fleet.scheduling import is_empty, required_terms

_REQUIRED: Final = "requiredDuringSchedulingIgnoredDuringExecution"


def unsteered(pod: Mapping[str, object], added: Iterable[Exclusion]) -> Mapping[str, object]:
    """The pod without expressions that are exactly what steering adds for its role.

    A term that held nothing else matched every node before, so that nothing was required.
    """
    ours = [(item.key, frozenset(item.values)) for item in added]
    spec = mapping(pod.get("spec"))
    affinity = mapping(spec.get("affinity"))
    terms = required_terms(affinity)
    if not ours or terms is None:
        return pod
    bare = [_without(term, ours) for term in terms]
    if bare == terms:
        return pod
    node_affinity = dict(mapping(affinity.get("nodeAffinity")))
    if any(is_empty(after) and not is_empty(mapping(before)) for before, after in zip(terms, bare, strict=True)):
        del node_affinity[_REQUIRED]
    else:
        node_affinity[_REQUIRED] = {"nodeSelectorTerms": bare}
    whole = {key: value for key, value in affinity.items() if key != "nodeAffinity"}
    if node_affinity:
        whole["nodeAffinity"] = node_affinity
    rest = {key: value for key, value in spec.items() if key != "affinity"}
    return {**pod, "spec": {**rest, "affinity": whole} if whole else rest}


def _without(term: object, ours: Iterable[tuple[str, frozenset[str]]]) -> Mapping[str, object]:
    found = mapping(term)
    known = set(ours)
    kept = [item for item in sequence(found.get("matchExpressions")) if _told(item) not in known]
    if len(kept) == len(sequence(found.get("matchExpressions"))):
        return found
    rest = {key: value for key, value in found.items() if key != "matchExpressions"}
    return {**rest, "matchExpressions": kept} if kept else rest


def _told(item: object) -> tuple[str, frozenset[str]] | None:
    """Key and values of a NotIn."""
    expression = mapping(item)
    if expression.get("operator") != "NotIn":
        return None
    return str(expression.get("key")), frozenset(str(value) for value in sequence(expression.get("values")))
