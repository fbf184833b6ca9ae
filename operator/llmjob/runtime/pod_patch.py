"""The JSON patch of a pod at CREATE: what was decided, for people; exclusions, for the scheduler. A second pass adds
nothing.
"""

from collections.abc import Mapping
from typing import Any, Final

from llmjob.decision.steering import steer
from llmjob.decision.verdict import Verdict
from llmjob.estimator.interval import Interval
from llmjob.names import DECIDED_LABEL, INPUT_HASH_ANNOTATION, NEED_ANNOTATION, VERDICT_ANNOTATION
from llmjob.quantity import gib

Operation = dict[str, Any]
_DECIDED: Final = "true"
_REQUIRED: Final = "requiredDuringSchedulingIgnoredDuringExecution"


def patch_of(pod: Mapping[str, Any], verdict: Verdict, *, steering: bool) -> tuple[Operation, ...]:
    """The operations that write annotations, the label and, where steering acts, the exclusions."""
    annotations = {VERDICT_ANNOTATION: str(verdict.reason), INPUT_HASH_ANNOTATION: verdict.input_hash}
    if verdict.need is not None:
        annotations[NEED_ANNOTATION] = printed_need(verdict.need)
    gone = () if verdict.need is not None else (NEED_ANNOTATION,)
    operations = _entries(pod, "annotations", annotations, gone)
    operations += _entries(pod, "labels", {DECIDED_LABEL: _DECIDED})
    if steering and verdict.exclusions and _steerable(pod):
        operations += _affinity(pod, verdict)
    return tuple(operations)


def printed_need(need: Interval) -> str:
    """Need per GPU for people: "19.4Gi (18.6Gi-20.9Gi)"."""
    return f"{gib(need.expected)}Gi ({gib(need.lower)}Gi-{gib(need.upper)}Gi)"


def _entries(
    pod: Mapping[str, Any], kind: str, wanted: Mapping[str, str], gone: tuple[str, ...] = ()
) -> list[Operation]:
    metadata = pod.get("metadata") or {}
    there = metadata.get(kind)
    path = f"/metadata/{kind}"
    if not isinstance(there, Mapping):
        created: list[Operation] = [] if "metadata" in pod else [{"op": "add", "path": "/metadata", "value": {}}]
        return [*created, {"op": "add", "path": path, "value": dict(wanted)}]
    operations: list[Operation] = [
        {"op": "add", "path": f"{path}/{_escaped(key)}", "value": value}
        for key, value in wanted.items()
        if there.get(key) != value
    ]
    return operations + [{"op": "remove", "path": f"{path}/{_escaped(key)}"} for key in gone if key in there]


def _affinity(pod: Mapping[str, Any], verdict: Verdict) -> list[Operation]:
    """Write the steered terms, and the objects above them that the pod lacks."""
    spec = pod.get("spec") or {}
    value: Any = steer(spec, verdict.exclusions)
    if value is None:
        return []
    path, there = "/spec", spec
    keys = ("affinity", "nodeAffinity", _REQUIRED, "nodeSelectorTerms")
    for depth, key in enumerate(keys):
        path, there = f"{path}/{key}", there.get(key)
        if not isinstance(there, Mapping):
            for missing in reversed(keys[depth + 1 :]):
                value = {missing: value}
            break
    return [{"op": "add", "path": path, "value": value}]


def _steerable(pod: Mapping[str, Any]) -> bool:
    """Not pods that have their node already, and not a DaemonSet's, which belong to one node each."""
    owners = (pod.get("metadata") or {}).get("ownerReferences")
    of_daemon_set = isinstance(owners, list) and any(
        isinstance(owner, Mapping) and owner.get("kind") == "DaemonSet" for owner in owners
    )
    return not (pod.get("spec") or {}).get("nodeName") and not of_daemon_set


def _escaped(key: str) -> str:
    """A key in a JSON pointer (RFC 6901)."""
    return key.replace("~", "~0").replace("/", "~1")
