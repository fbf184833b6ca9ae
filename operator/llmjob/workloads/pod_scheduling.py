"""Where a pod may run, read from its spec; odd shapes are left out, as the API server would have refused them.

Only what decides eligibility is kept (required node affinity, not preferences), so that equal needs hash equally.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from llmjob.fleet.scheduling import Scheduling

_REQUIRED: Final = "requiredDuringSchedulingIgnoredDuringExecution"


def scheduling_of(pod: Mapping[str, object]) -> Scheduling:
    """Node selector, required node affinity, tolerations and runtime class of a pod."""
    spec = _mapping(pod.get("spec"))
    node = spec.get("nodeName")
    if isinstance(node, str) and node:
        return _on(node)
    runtime_class = spec.get("runtimeClassName")
    return Scheduling(
        node_selector=_strings(spec.get("nodeSelector")),
        affinity=_affinity(spec.get("affinity")),
        tolerations=tuple(_strings(item) for item in _items(spec.get("tolerations"))),
        runtime_class=runtime_class if isinstance(runtime_class, str) and runtime_class else None,
    )


def _on(node: str) -> Scheduling:
    """A pod that names its node passes the scheduler by: it runs there or nowhere, whatever the node's taints."""
    term = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [node]}]}
    return Scheduling(affinity={"nodeAffinity": {_REQUIRED: {"nodeSelectorTerms": [term]}}}, ignore_taints=True)


def _affinity(value: object) -> Mapping[str, object] | None:
    required = _mapping(_mapping(value).get("nodeAffinity")).get(_REQUIRED)
    if not isinstance(required, Mapping):
        return None
    terms = [
        {
            kind: [_requirement(item) for item in _items(term.get(kind))]
            for kind in ("matchExpressions", "matchFields")
            if kind in term
        }
        for term in _items(required.get("nodeSelectorTerms"))
    ]
    return {"nodeAffinity": {_REQUIRED: {"nodeSelectorTerms": terms}}}


def _requirement(value: Mapping[str, object]) -> Mapping[str, object]:
    values = value.get("values")
    listed = values if isinstance(values, Sequence) and not isinstance(values, str) else ()
    return {**_strings(value), "values": [item for item in listed if isinstance(item, str)]}


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}


def _strings(value: object) -> dict[str, str]:
    return {key: item for key, item in _mapping(value).items() if isinstance(key, str) and isinstance(item, str)}


def _items(value: object) -> list[Mapping[str, object]]:
    if not isinstance(value, Sequence) or isinstance(value, str):
        return []
    return [item for item in value if isinstance(item, Mapping)]
