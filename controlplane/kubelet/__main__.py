"""`python -m controlplane.kubelet`: the node agent, one node's kubelet and the cluster's Service proxy.

It registers a Node without GPUs, tainted so that only pods made for it land there, and runs them until it is killed;
its containers end with it.
"""

import argparse
import asyncio
import itertools
import json
import logging
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import aiohttp

from controlplane.kubelet.api import MERGE_PATCH, ApiError, Object, connect
from controlplane.kubelet.host import Host
from controlplane.kubelet.image import Image, from_json
from controlplane.kubelet.node import NAME, lease, node, status
from controlplane.kubelet.pod import Pod
from controlplane.kubelet.service_proxy import ServiceProxy, endpoints
from controlplane.sandbox import Sandbox

_log: Final = logging.getLogger("controlplane.kubelet")
_HEARTBEAT_SECONDS: Final = 10.0
_FIRST_ADDRESS: Final = 2
_LEASES: Final = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"


class Agent:
    """Keeps the node's pods and the Services' listeners as the API server has them."""

    def __init__(self, host: Host, network: str) -> None:
        self._host = host
        self._addresses = (f"{network}.{number}" for number in itertools.count(_FIRST_ADDRESS))
        self._pods: dict[str, Pod] = {}
        self._services: list[Object] = []
        self._proxy = ServiceProxy()
        self._moved = asyncio.Event()
        self._ending: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """For ever."""
        api = self._host.api
        await self._register()
        await asyncio.gather(
            self._heartbeat(),
            self._keep_proxy(),
            api.follow("/api/v1/pods", {"fieldSelector": f"spec.nodeName={NAME}"}, self._set_pods),
            api.follow("/api/v1/services", {}, self._set_services),
        )

    def _set_pods(self, found: dict[str, Object]) -> None:
        for uid in set(self._pods) - set(found):
            task = asyncio.ensure_future(self._pods.pop(uid).gone())
            self._ending.add(task)
            task.add_done_callback(self._ending.discard)
        for uid, pod in found.items():
            if uid in self._pods:
                self._pods[uid].update(pod)
            elif pod.get("status", {}).get("phase") not in {"Succeeded", "Failed"}:
                self._pods[uid] = Pod(pod, self._host, next(self._addresses), self._moved.set)
        self._moved.set()

    def _set_services(self, found: dict[str, Object]) -> None:
        self._services = list(found.values())
        self._moved.set()

    async def _keep_proxy(self) -> None:
        while True:
            await self._moved.wait()
            self._moved.clear()
            await self._proxy.set(endpoints(self._services, self._pods.values()))

    async def _register(self) -> None:
        api = self._host.api
        for path, body in (("/api/v1/nodes", node()), (_LEASES, lease(_moment()))):
            try:
                await api.request("POST", path, body)
            except ApiError as error:
                if error.status != HTTPStatus.CONFLICT:
                    raise
        await api.request("PATCH", f"/api/v1/nodes/{NAME}/status", {"status": status(_moment())}, content=MERGE_PATCH)

    async def _heartbeat(self) -> None:
        while True:
            await asyncio.sleep(_HEARTBEAT_SECONDS)
            moment = _moment()
            try:
                await self._host.api.request(
                    "PATCH", f"{_LEASES}/{NAME}", {"spec": {"renewTime": moment}}, content=MERGE_PATCH
                )
                beat = {"status": status(moment)}
                await self._host.api.request("PATCH", f"/api/v1/nodes/{NAME}/status", beat, content=MERGE_PATCH)
            except ApiError as error:
                _log.info("no heartbeat: %s", error)


def _moment() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


async def main(kubeconfig: Path, directory: Path, bwrap: Path, network: str, image: Image) -> None:
    config = json.loads(kubeconfig.read_text(encoding="utf-8"))  # noqa: ASYNC240, before anything runs
    async with (
        connect(config) as api,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True, limit=0)) as session,
    ):
        server = urlsplit(api.server)
        variables = {"KUBERNETES_SERVICE_HOST": str(server.hostname), "KUBERNETES_SERVICE_PORT": str(server.port)}
        host = Host(
            api=api, session=session, sandbox=Sandbox.find(bwrap), image=image, directory=directory,
            variables=variables,
        )  # fmt: skip
        await Agent(host, network).run()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m controlplane.kubelet", description=__doc__)
    for flag in ("--kubeconfig", "--directory", "--bwrap"):
        parser.add_argument(flag, type=Path, required=True)
    parser.add_argument("--network", required=True, help="the first three numbers of the pods' addresses (127.x.y)")
    parser.add_argument("--image", type=from_json, required=True, help="what the operator's image is, JSON")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    asyncio.run(main(options.kubeconfig, options.directory, options.bwrap, options.network, options.image))
