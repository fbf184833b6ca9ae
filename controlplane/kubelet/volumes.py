"""What a pod's volumes hold, and their files, written as the kubelet writes them: whole or not at all."""

import base64
import os
import shutil
import tempfile
import time
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

from controlplane.kubelet.api import Api, ApiError, Object
from controlplane.kubelet.downward import field_value
from controlplane.quantity import bytes_of
from controlplane.sandbox import Mount

_DEFAULT_MODE: Final = 0o644
_TOKEN_MODE: Final = 0o600
_RENEW_AT: Final = 0.8


@dataclass(frozen=True, slots=True)
class File:
    """A file of a volume; without an owner it is root's."""

    content: bytes
    mode: int = _DEFAULT_MODE
    owner: int | None = None


# By path in the volume.
Payload = dict[str, File]


class NotYet(Exception):
    """A volume whose source is not there (yet): the pod waits, as with the kubelet."""


@dataclass(slots=True)
class _Token:
    value: bytes
    renew_at: float


@dataclass(slots=True, kw_only=True)
class Volumes:
    """The volumes of one pod, their files below `directory`."""

    api: Api
    pod: Object
    directory: Path
    _tokens: dict[str, _Token] = field(default_factory=dict)

    async def refresh(self) -> None:
        """Read every source again and write what changed.

        Raises:
            NotYet: where a source that is not optional is missing.
            ApiError: where the API server gives no answer.
        """
        for volume in self.pod["spec"].get("volumes", []):
            payload = await self._payload(volume)
            if payload is not None:
                write(self.directory / volume["name"], payload, group=self._group)

    @property
    def _group(self) -> int | None:
        found = self.pod["spec"].get("securityContext", {}).get("fsGroup")
        return None if found is None else int(found)

    @property
    def _token_user(self) -> int | None:
        """Whose a token is: the user's that all containers state; nobody's where they state none or several."""
        spec = self.pod["spec"]
        contexts = [
            {**spec.get("securityContext", {}), **container.get("securityContext", {})}
            for container in spec["containers"]
        ]
        users = {context.get("runAsUser") for context in contexts}
        return users.pop() if len(users) == 1 else None

    def mounts(self, container: Object) -> tuple[Mount, ...]:
        """A container's mounts."""
        volumes = {volume["name"]: volume for volume in self.pod["spec"].get("volumes", [])}
        found = []
        for mount in container.get("volumeMounts", []):
            volume = volumes[mount["name"]]
            if "emptyDir" in volume:
                # A tmpfs of the container's own, so that its limit holds; the kubelet's outlives its containers.
                limit = volume["emptyDir"].get("sizeLimit")
                found.append(Mount(target=mount["mountPath"], size=bytes_of(limit) if limit else None))
            else:
                found.append(Mount(target=mount["mountPath"], source=self.directory / volume["name"]))
        return tuple(found)

    async def _payload(self, volume: Object) -> Payload | None:
        if "emptyDir" in volume:
            return None
        if "secret" in volume:
            return await self._keys("secrets", volume["secret"]["secretName"], volume["secret"])
        if "configMap" in volume:
            return await self._keys("configmaps", volume["configMap"]["name"], volume["configMap"])
        payload: Payload = {}
        for source in volume["projected"]["sources"]:
            payload |= await self._projected(source, int(volume["projected"].get("defaultMode", _DEFAULT_MODE)))
        return payload

    async def _projected(self, source: Object, mode: int) -> Payload:
        if "serviceAccountToken" in source:
            user = self._token_user
            private = user is not None or self._group is not None
            file = File(await self._token(source), _TOKEN_MODE if private else mode, user)
            return {source["serviceAccountToken"]["path"]: file}
        if "downwardAPI" in source:
            items = source["downwardAPI"]["items"]
            return {item["path"]: File(field_value(self.pod, item["fieldRef"]).encode(), mode) for item in items}
        if "secret" in source:
            return await self._keys("secrets", source["secret"]["name"], {"defaultMode": mode, **source["secret"]})
        config_map = source["configMap"]
        return await self._keys("configmaps", config_map["name"], {"defaultMode": mode, **config_map})

    async def _keys(self, plural: str, name: str, source: Object) -> Payload:
        namespace = self.pod["metadata"]["namespace"]
        try:
            found = await self.api.request("GET", f"/api/v1/namespaces/{namespace}/{plural}/{name}")
        except ApiError as error:
            if error.status == HTTPStatus.NOT_FOUND and source.get("optional"):
                return {}
            if error.status in {
                HTTPStatus.NOT_FOUND,
                HTTPStatus.FORBIDDEN,
            }:  # forbidden until it is known as this pod's
                raise NotYet(str(error)) from error
            raise
        content = {key: text.encode() for key, text in found.get("data", {}).items()}
        if plural == "secrets":
            content = {key: base64.b64decode(text) for key, text in content.items()}
        content |= {key: base64.b64decode(text) for key, text in found.get("binaryData", {}).items()}
        mode = int(source.get("defaultMode", _DEFAULT_MODE))
        items = source.get("items")
        if items is None:
            return {key: File(value, mode) for key, value in content.items()}
        absent = [item["key"] for item in items if item["key"] not in content]
        if absent and not source.get("optional"):
            raise NotYet(f"{plural} {name} has no {', '.join(absent)}")
        return {
            item["path"]: File(content[item["key"]], int(item.get("mode", mode)))
            for item in items if item["key"] in content
        }  # fmt: skip

    async def _token(self, source: Object) -> bytes:
        wanted = source["serviceAccountToken"]
        kept = self._tokens.get(wanted["path"])
        if kept is not None and time.monotonic() < kept.renew_at:
            return kept.value
        metadata, account = self.pod["metadata"], self.pod["spec"]["serviceAccountName"]
        seconds = int(wanted.get("expirationSeconds", 3600))
        bound = {"apiVersion": "v1", "kind": "Pod", "name": metadata["name"], "uid": metadata["uid"]}
        spec: dict[str, Any] = {"expirationSeconds": seconds, "boundObjectRef": bound}
        if "audience" in wanted:
            spec["audiences"] = [wanted["audience"]]
        try:
            answer = await self.api.request(
                "POST", f"/api/v1/namespaces/{metadata['namespace']}/serviceaccounts/{account}/token", {"spec": spec}
            )
        except ApiError as error:
            if error.status in {HTTPStatus.NOT_FOUND, HTTPStatus.FORBIDDEN}:
                raise NotYet(str(error)) from error
            raise
        value = str(answer["status"]["token"]).encode()
        self._tokens[wanted["path"]] = _Token(value, time.monotonic() + _RENEW_AT * seconds)
        return value


def write(directory: Path, payload: Payload, *, group: int | None) -> bool:
    """Make the directory hold exactly that; whether anything changed. The group may read every file.

    The files are links into `..data`, itself a link that is switched in one step to a new directory, so that a reader
    sees all of the old content or all of the new.
    """
    directory.mkdir(parents=True, exist_ok=True)
    data = directory / "..data"
    if data.is_symlink() and _read(data.resolve(), payload):
        return False
    fresh = Path(tempfile.mkdtemp(prefix=time.strftime("..%Y_%m_%d_%H_%M_%S."), dir=directory))
    for path, file in payload.items():
        target = fresh / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.touch(mode=0o600)
        target.write_bytes(file.content)
        if os.geteuid() == 0:  # nobody else may give files away; in a user namespace they are the container's anyway
            os.chown(target, file.owner or 0, group or 0)
        target.chmod(file.mode if group is None else file.mode | 0o440)
    for entry in (fresh, *(path for path in fresh.rglob("*") if path.is_dir()), directory):
        entry.chmod(0o755)
    old = data.resolve() if data.is_symlink() else None
    (directory / "..data_tmp").symlink_to(fresh.name)
    (directory / "..data_tmp").replace(data)
    tops = {Path(path).parts[0] for path in payload}
    for top in tops:
        if not (directory / top).is_symlink():
            (directory / top).symlink_to(Path("..data", top))
    for entry in directory.iterdir():
        if entry.is_symlink() and not entry.name.startswith("..") and entry.name not in tops:
            entry.unlink()
    if old is not None:
        shutil.rmtree(old)
    return True


def _read(directory: Path, payload: Payload) -> bool:
    """Whether the directory holds that content already."""
    found = {str(path.relative_to(directory)): path for path in directory.rglob("*") if path.is_file()}
    return set(found) == set(payload) and all(path.read_bytes() == payload[key].content for key, path in found.items())
