"""The fields of a pod that the node agent knows; it refuses a pod with any other by the field's name.

Known is what it does, what it demands of every container because its sandbox cannot be otherwise, and, one by one, what
it takes and does not do.
"""

from collections.abc import Iterator
from typing import Any, Final

from controlplane.kubelet.api import Object
from controlplane.kubelet.downward import Unsupported

_DONE: Final = None
_IGNORED: Final = None
"""Takes the field and does nothing; each has its reason beside it."""

_ITEMS: Final = [{"key": _DONE, "path": _DONE, "mode": _DONE}]
_FIELDS: Final = [{"path": _DONE, "fieldRef": {"apiVersion": _DONE, "fieldPath": _DONE}}]
_SOURCES: Final = [
    {
        "serviceAccountToken": {"path": _DONE, "expirationSeconds": _DONE, "audience": _DONE},
        "downwardAPI": {"items": _FIELDS},
        "secret": {"name": _DONE, "items": _ITEMS, "optional": _DONE},
        "configMap": {"name": _DONE, "items": _ITEMS, "optional": _DONE},
    }
]
_VOLUMES: Final = [
    {
        "name": _DONE,
        # One of each container's own: two containers of a pod do not share it.
        "emptyDir": {"medium": {"", "Memory"}, "sizeLimit": _DONE},
        "secret": {"secretName": _DONE, "items": _ITEMS, "optional": _DONE, "defaultMode": _DONE},
        "configMap": {"name": _DONE, "items": _ITEMS, "optional": _DONE, "defaultMode": _DONE},
        "projected": {"sources": _SOURCES, "defaultMode": _DONE},
    }
]
_PROBE: Final = {
    "httpGet": {"path": _DONE, "port": _DONE, "host": _DONE, "scheme": _DONE},
    "initialDelaySeconds": _DONE,
    "periodSeconds": _DONE,
    "timeoutSeconds": _DONE,
    "successThreshold": _DONE,
    "failureThreshold": _DONE,
}
_SECCOMP: Final = _IGNORED  # the sandbox has no filter of system calls
_CONTAINER: Final = {
    "name": _DONE,
    "image": _DONE,
    "imagePullPolicy": _IGNORED,  # nothing is pulled
    "command": _DONE,
    "args": _DONE,
    "env": _DONE,  # each valueFrom is looked at where it is read
    "ports": _DONE,
    "resources": {
        "limits": _IGNORED,
        "requests": _IGNORED,
    },  # the scheduler counts them, nobody holds the process to them
    "volumeMounts": [{"name": _DONE, "mountPath": _DONE, "readOnly": _DONE}],
    "startupProbe": _PROBE,
    "readinessProbe": _PROBE,
    "livenessProbe": _PROBE,
    "lifecycle": {"preStop": {"sleep": {"seconds": _DONE}}},
    "terminationMessagePath": {"/dev/termination-log"},  # no file is there: only the log can be a message
    "terminationMessagePolicy": _DONE,
    "securityContext": {
        "runAsUser": _DONE,
        "runAsGroup": _DONE,
        "runAsNonRoot": _DONE,
        "allowPrivilegeEscalation": _DONE,
        "readOnlyRootFilesystem": _DONE,
        "capabilities": {"drop": _DONE},
        "seccompProfile": _SECCOMP,
    },
}
_POD: Final = {
    "containers": [_CONTAINER],
    "volumes": _VOLUMES,
    "securityContext": {
        "runAsUser": _DONE,
        "runAsGroup": _DONE,
        "runAsNonRoot": _DONE,
        "fsGroup": _DONE,
        "seccompProfile": _SECCOMP,
    },
    "restartPolicy": _DONE,
    "terminationGracePeriodSeconds": _DONE,
    "serviceAccountName": _DONE,
    "serviceAccount": _DONE,
    "automountServiceAccountToken": _DONE,
    # Done by others before the pod is here.
    "nodeName": _DONE,
    "nodeSelector": _DONE,
    "affinity": _DONE,
    "tolerations": _DONE,
    "topologySpreadConstraints": _DONE,
    "schedulerName": _DONE,
    "priority": _DONE,
    "priorityClassName": _DONE,
    "preemptionPolicy": _DONE,
    "imagePullSecrets": _IGNORED,  # nothing is pulled
    "enableServiceLinks": _IGNORED,  # no variable tells of a Service but the API server's
    "dnsPolicy": _IGNORED,  # there is no DNS
}


_DEMANDED: Final[dict[str, Any]] = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}
"""What the sandbox gives every container. One that does not ask for it would be another on a cluster."""


def check(pod: Object) -> None:
    """Raise Unsupported where a pod has a field that the node agent does not know, or lacks what it demands."""
    spec = pod["spec"]
    for field in _unknown(spec, _POD, "spec"):
        raise Unsupported(f"{field}: the node agent does not do that")
    empty = {volume["name"] for volume in spec.get("volumes", []) if "emptyDir" in volume}
    for container in spec["containers"]:
        context = {**spec.get("securityContext", {}), **container.get("securityContext", {})}
        at = f"spec.containers[{container['name']}]"
        for field, demanded in _DEMANDED.items():
            if context.get(field) != demanded:
                raise Unsupported(f"{at}.securityContext.{field}: here it is always {demanded}; the pod has to say so")
        if context.get("runAsNonRoot") and context.get("runAsUser") == 0:
            raise Unsupported(f"{at}.securityContext: runAsNonRoot, and runAsUser is 0")
        for mount in container.get("volumeMounts", []):
            if mount["name"] in empty and mount.get("readOnly"):
                raise Unsupported(f"{at}.volumeMounts[{mount['name']}].readOnly: an emptyDir is writable here")


def _unknown(found: Any, known: Any, path: str) -> Iterator[str]:  # noqa: ANN401 - JSON, and its shape
    """Paths of all that `known` lacks: a dict has keys, a list one shape for every item, a set values."""
    if isinstance(known, dict):
        for key, value in found.items():
            if key in known:
                yield from _unknown(value, known[key], f"{path}.{key}")
            else:
                yield f"{path}.{key}"
    elif isinstance(known, list):
        for number, item in enumerate(found):
            yield from _unknown(item, known[0], f"{path}[{item.get('name', number)}]")
    elif isinstance(known, set) and found not in known:
        yield f"{path} {found!r}"
