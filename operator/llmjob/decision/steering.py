"""Steering by exclusion: keep pods off the cards that are surely too small, and off nothing else.

`NotIn` matches nodes without the key, so pools scaled to zero, cards not seen yet and label faults keep working; ORed
`In` terms would not, because autoscalers and queues drop required terms one by one.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from llmjob.decision.verdict import Exclusion
from llmjob.fleet.dialects import STEERING_KEYS
from llmjob.fleet.gpu_class import GPUClass
from llmjob.fleet.node import mapping, sequence
from llmjob.fleet.scheduling import is_empty, required_terms

_MOST_EXPRESSIONS: Final = 8


def exclusions(classes: Iterable[tuple[GPUClass, bool]]) -> tuple[Exclusion, ...]:
    """What to exclude, from every class of the fleet and whether its memory makes it too small.

    For each dialect the first key that too small classes carry. A value is excluded only if every class that carries
    it is too small. The order of the classes does not matter.
    """
    small: dict[str, set[str]] = {}
    other: dict[str, set[str]] = {}
    for gpu_class, too_small in classes:
        for key, values in gpu_class.steering_keys.items():
            (small if too_small else other).setdefault(key, set()).update(values)
    found: list[Exclusion] = []
    for keys in STEERING_KEYS:
        for key in keys:
            excluded = small.get(key, set()) - other.get(key, set())
            if excluded:
                found.append(Exclusion(key=key, values=tuple(sorted(excluded))))
                break
    return tuple(found[:_MOST_EXPRESSIONS])


def steer(pod_spec: Mapping[str, object], excluded: Iterable[Exclusion]) -> list[dict[str, object]] | None:
    """The node selector terms of the pod's required affinity with the exclusions added; None where nothing changes.

    Each exclusion is ANDed into every non-empty term (an empty term matches nothing and would then match), or makes
    one new term. Doing it again changes nothing.
    """
    added: list[dict[str, object]] = [
        {"key": item.key, "operator": "NotIn", "values": list(item.values)} for item in excluded
    ]
    if not added:
        return None
    terms = required_terms(mapping(pod_spec.get("affinity")))
    if terms is None:
        return [{"matchExpressions": added}]
    steered = [_narrowed(term, added) for term in terms]
    return steered if steered != terms else None


def _narrowed(term: object, added: Iterable[dict[str, object]]) -> dict[str, object]:
    here = dict(mapping(term))
    if is_empty(here):
        return here
    expressions = sequence(here.get("matchExpressions"))
    missing = [expression for expression in added if not any(_implies(known, expression) for known in expressions)]
    return {**here, "matchExpressions": [*expressions, *missing]} if missing else here


def _implies(known: object, wanted: Mapping[str, object]) -> bool:
    """Whether an expression of the term excludes as much already."""
    there = mapping(known)
    same = there.get("key") == wanted["key"] and there.get("operator") == "NotIn"
    return same and set(map(str, sequence(wanted["values"]))) <= set(map(str, sequence(there.get("values"))))
