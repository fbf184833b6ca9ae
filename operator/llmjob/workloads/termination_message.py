"""The last lines of a GPU container's log as its termination message, where the pod's owner wants that: how an
exhausted GPU reaches the pod's status.
"""

from collections.abc import Mapping
from typing import Any, Final

from llmjob.names import LOGS, TERMINATION_MESSAGE
from llmjob.workloads.gpu_resources import container_asks_for_gpu

# What the API server fills in before admission; a policy of the owner's own is not touched.
_DEFAULT: Final = "File"


def wants_logs(pod: Mapping[str, Any]) -> bool:
    """Whether the pod's own annotation asks for it."""
    annotations = (pod.get("metadata") or {}).get("annotations")
    return isinstance(annotations, Mapping) and annotations.get(TERMINATION_MESSAGE) == LOGS


def fall_back_to_logs(pod: Mapping[str, Any]) -> tuple[dict[str, Any], ...]:
    """The JSON patch that lets GPU containers without a message of their own show the end of their log."""
    spec = pod.get("spec")
    return tuple(
        {
            "op": "add",
            "path": f"/spec/{kind}/{index}/terminationMessagePolicy",
            "value": "FallbackToLogsOnError",
        }
        for kind in ("initContainers", "containers")
        for index, container in enumerate(_items(spec, kind))
        if isinstance(container, Mapping)
        and container_asks_for_gpu(container)
        and container.get("terminationMessagePolicy", _DEFAULT) == _DEFAULT
    )


def _items(spec: object, kind: str) -> list[Any]:
    found = spec.get(kind) if isinstance(spec, Mapping) else None
    return found if isinstance(found, list) else []
