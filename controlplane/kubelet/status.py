"""The status of a pod, as the kubelet writes it."""

from collections.abc import Mapping, Sequence
from typing import Final

from controlplane.kubelet.api import Object
from controlplane.kubelet.container import Container
from controlplane.kubelet.state import now

_OURS: Final = ("PodReadyToStartContainers", "Initialized", "ContainersReady", "Ready")


def pod_status(
    pod: Object, containers: Sequence[Container], *, address: str, waiting: str | None, ended: bool
) -> Object:
    """The new status beside the one that the pod has; conditions keep their time where they stay as they are.

    `waiting` says why no container runs yet, `ended` that none will again.
    """
    before = pod.get("status", {})
    ready = bool(containers) and not ended and all(item.state.ready for item in containers)
    truths = {
        "PodReadyToStartContainers": bool(containers),
        "Initialized": True,
        "ContainersReady": ready,
        "Ready": ready,
    }
    kept = [item for item in before.get("conditions", []) if item["type"] not in _OURS]
    conditions = kept + [_condition(before, kind, truth=truth, ended=ended) for kind, truth in truths.items()]
    status: Object = {
        "phase": _phase(containers, ended=ended),
        "conditions": conditions,
        "hostIP": "127.0.0.1",
        "hostIPs": [{"ip": "127.0.0.1"}],
        "podIP": address,
        "podIPs": [{"ip": address}],
        "startTime": before.get("startTime") or now(),
        "containerStatuses": [_container(item) for item in containers] or _waiting(pod, waiting),
    }
    return status


def _phase(containers: Sequence[Container], *, ended: bool) -> str:
    if not containers:
        return "Pending"
    if not ended:
        return "Running"
    codes = [item.state.state.get("terminated", {}).get("exitCode", 137) for item in containers]
    return "Failed" if any(codes) else "Succeeded"


def _condition(before: Mapping[str, object], kind: str, *, truth: bool, ended: bool) -> Object:
    old = next((item for item in _list(before.get("conditions")) if item["type"] == kind), None)
    state = "True" if truth else "False"
    since = old["lastTransitionTime"] if old is not None and old["status"] == state else now()
    found: Object = {"type": kind, "status": state, "lastProbeTime": None, "lastTransitionTime": since}
    if not truth and kind in {"ContainersReady", "Ready"}:
        found["reason"] = "PodCompleted" if ended else "ContainersNotReady"
    return found


def _list(found: object) -> list[Object]:
    return found if isinstance(found, list) else []


def _container(container: Container) -> Object:
    state = container.state
    return {
        "name": container.name, "image": container.spec["image"], "imageID": "", "ready": state.ready,
        "started": state.started, "restartCount": state.restarts, "state": state.state, "lastState": state.last,
    }  # fmt: skip


def _waiting(pod: Object, message: str | None) -> list[Object]:
    waiting = {"reason": "ContainerCreating", **({"message": message} if message else {})}
    return [
        {
            "name": item["name"], "image": item["image"], "imageID": "", "ready": False, "started": False,
            "restartCount": 0, "state": {"waiting": waiting}, "lastState": {},
        }
        for item in pod["spec"]["containers"]
    ]  # fmt: skip
