"""Nodes as heavy as those of a real GPU cluster: nobody manages them, they are only there to be listed and watched."""

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from controlplane import nodes
from controlplane.client import Client

CARDS: Final = ((nodes.T4, 4), (nodes.L4, 4), (nodes.A100_80GB, 8), (nodes.H100, 8), (None, 0))
IMAGES: Final = 50
"""How many images a kubelet reports at most (its default for --node-status-max-images)."""
CPU_FEATURES: Final = 60
"""About as many labels as Node Feature Discovery puts on a current server."""
_CONDITIONS: Final = ("MemoryPressure", "DiskPressure", "PIDPressure", "NetworkUnavailable", "Ready")
_SENDERS: Final = 8


def heavy_node(number: int) -> dict[str, Any]:
    """The node of that number: its card by turns, a fifth of all without one."""
    card, count = CARDS[number % len(CARDS)]
    features = {f"feature.node.kubernetes.io/cpu-cpuid.FEATURE{index:02d}": "true" for index in range(CPU_FEATURES)}
    node: dict[str, Any] = nodes.node(f"node-{number:05d}", card, count, extra_labels=features)
    node["metadata"]["annotations"] = {  # kwok's own is gone with the rest
        "nfd.node.kubernetes.io/feature-labels": ",".join(name.partition("/")[2] for name in features),
        "node.alpha.kubernetes.io/ttl": "0",
    }
    node["spec"]["podCIDR"] = f"10.{number // 256}.{number % 256}.0/24"
    node["status"]["images"] = [
        {
            "names": [
                f"registry.example/team/image-{index}@sha256:{index:064x}",
                f"registry.example/team/image-{index}:1",
            ],
            "sizeBytes": 10**9 + index,
        }
        for index in range(IMAGES)
    ]
    node["status"]["conditions"] = [
        {
            "type": kind,
            "status": "True" if kind == "Ready" else "False",
            "reason": "KubeletReports",
            "message": f"the kubelet's word on {kind}",
            "lastHeartbeatTime": "2026-01-01T00:00:00Z",
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        }
        for kind in _CONDITIONS
    ]
    return node


def add(client: Client, count: int) -> int:
    """Create that many; the mean size of a node in bytes, as the API server lists it."""
    made = [heavy_node(number) for number in range(count)]
    with ThreadPoolExecutor(_SENDERS) as senders:
        list(senders.map(lambda node: client.request("POST", "/api/v1/nodes", node), made))
    sample = client.request("GET", "/api/v1/nodes?limit=100")["items"]
    return sum(len(json.dumps(node, separators=(",", ":"))) for node in sample) // len(sample)
