"""What all pods of the node share, and how a container is made of its specification."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import aiohttp

from controlplane.kubelet.api import Api, Object
from controlplane.kubelet.container import Container
from controlplane.kubelet.downward import environment, expanded
from controlplane.kubelet.image import Image
from controlplane.kubelet.volumes import Volumes
from controlplane.sandbox import Sandbox, write_etc

_NONROOT: Final = 65532
_LONGEST_HOSTNAME: Final = 63


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """The node's means; `variables` are those that tell of the API server."""

    api: Api
    session: aiohttp.ClientSession
    sandbox: Sandbox
    image: Image
    directory: Path
    variables: dict[str, str]

    def container(
        self, pod: Object, spec: Object, volumes: Volumes, *, address: str, directory: Path,
        changed: Callable[[], None],
    ) -> Container:  # fmt: skip
        """A container of a pod, not started yet.

        Raises:
            Unsupported: where it asks for what this node does not do.
        """
        self.image.check(spec["image"])
        name = str(pod["metadata"]["name"])
        user, group = identity(pod, spec)
        fs_group = pod["spec"].get("securityContext", {}).get("fsGroup")
        groups = () if fs_group is None else (int(fs_group),)
        known = {**pod, "status": {**pod.get("status", {}), "podIP": address}}
        variables = environment(known, spec, {**self.image.variables, "HOSTNAME": name, **self.variables})
        etc = write_etc(directory / "etc", hostname=name, address=address, users={0: "root", user: "nonroot"})
        mounts = (*self.image.mounts, *etc, *volumes.mounts(spec))
        command = [expanded(word, variables) for word in (*spec.get("command", []), *spec.get("args", []))]

        def sandboxed(info: int) -> list[str]:
            return self.sandbox.command(
                command, user=user, group=group, groups=groups, hostname=name[:_LONGEST_HOSTNAME], mounts=mounts,
                info=info,
            )  # fmt: skip

        return Container(
            spec,
            command=sandboxed,
            environment=variables,
            address=address,
            log=directory / f"{spec['name']}.log",
            session=self.session,
            changed=changed,
        )


def identity(pod: Object, container: Object) -> tuple[int, int]:
    """User and group of a container: its own, else its pod's, else those of the image."""
    context = {**pod["spec"].get("securityContext", {}), **container.get("securityContext", {})}
    user = int(context.get("runAsUser", _NONROOT))
    return user, int(context.get("runAsGroup", user))
