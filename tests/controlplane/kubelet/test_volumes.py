"""Files of volumes: whole or not at all, with their modes, from Secrets, ConfigMaps and tokens."""

import os
import stat
from base64 import b64encode
from pathlib import Path
from typing import Any, cast

import pytest

from controlplane.kubelet.api import Api, ApiError
from controlplane.kubelet.volumes import File, NotYet, Volumes, write
from controlplane.sandbox import Mount


def test_files_are_links_that_are_switched_together(tmp_path: Path) -> None:
    assert write(tmp_path / "v", {"a": File(b"1"), "b": File(b"1")}, group=None)
    first = (tmp_path / "v" / "..data").resolve()
    assert (tmp_path / "v" / "a").readlink() == Path("..data/a")
    assert write(tmp_path / "v", {"a": File(b"2"), "c": File(b"2")}, group=None)
    assert {path.name for path in (tmp_path / "v").iterdir() if not path.name.startswith("..")} == {"a", "c"}
    assert (tmp_path / "v" / "a").read_bytes() == b"2"
    assert not first.exists()
    assert (tmp_path / "v" / "..data").resolve().parent == tmp_path / "v"


def test_the_same_content_is_not_written_again(tmp_path: Path) -> None:
    payload = {"a": File(b"1"), "sub/b": File(b"2")}
    assert write(tmp_path, payload, group=None)
    before = (tmp_path / "..data").readlink()
    assert not write(tmp_path, payload, group=None)
    assert (tmp_path / "..data").readlink() == before


GROUP = os.getgid() or 4242
OURS = os.geteuid()
"""Whose a file without an owner is: root's, or ours where we may not give files away."""


@pytest.mark.parametrize("mode", [0o644, 0o400, 0o600])
def test_a_file_without_an_owner_is_roots_with_the_mode_asked_for(tmp_path: Path, mode: int) -> None:
    """A container that is not root must not read a Secret of mode 0600 here if it cannot on a cluster."""
    write(tmp_path, {"a": File(b"1", mode)}, group=None)
    found = (tmp_path / "a").stat()
    assert (found.st_uid, stat.S_IMODE(found.st_mode)) == (OURS, mode)
    if OURS == 0:
        assert found.st_gid == 0


@pytest.mark.parametrize(("mode", "seen"), [(0o644, 0o644), (0o400, 0o440), (0o600, 0o640)])
def test_an_fs_group_may_read_every_file(tmp_path: Path, mode: int, seen: int) -> None:
    write(tmp_path, {"a": File(b"1", mode)}, group=GROUP)
    found = (tmp_path / "a").stat()
    assert (found.st_gid, stat.S_IMODE(found.st_mode)) == (GROUP, seen)


class Objects:
    """An API server that knows some objects."""

    def __init__(self, found: dict[str, Any], missing: int = 404) -> None:
        self.found, self.missing, self.asked = found, missing, 0

    async def request(self, _method: str, path: str, _body: object = None) -> Any:
        self.asked += 1
        if path not in self.found:
            raise ApiError(f"no {path}", self.missing)
        return self.found[path]


NOBODY = 65532


def volumes(tmp_path: Path, objects: Objects, *volume: dict[str, Any], **spec: Any) -> Volumes:
    pod = {
        "metadata": {"name": "p", "namespace": "here", "uid": "1"},
        "spec": {
            "serviceAccountName": "account",
            "volumes": list(volume),
            "securityContext": {"runAsUser": NOBODY},
            "containers": [{"name": "main"}],
            **spec,
        },
    }
    return Volumes(api=cast("Api", objects), pod=pod, directory=tmp_path)


SECRET = "/api/v1/namespaces/here/secrets/pair"
PAIR = {"data": {"tls.crt": b64encode(b"cert").decode(), "ca.key": b64encode(b"secret").decode()}}


async def test_a_secrets_items_alone_are_mounted(tmp_path: Path) -> None:
    secret = {"secretName": "pair", "items": [{"key": "tls.crt", "path": "server/tls.crt"}]}
    await volumes(tmp_path, Objects({SECRET: PAIR}), {"name": "tls", "secret": secret}).refresh()
    assert (tmp_path / "tls" / "server" / "tls.crt").read_bytes() == b"cert"
    assert {path.name for path in (tmp_path / "tls" / "..data").rglob("*")} == {"server", "tls.crt"}


async def test_an_optional_secret_that_is_not_there_is_an_empty_directory(tmp_path: Path) -> None:
    secret = {"secretName": "pair", "optional": True}
    objects = Objects({})
    found = volumes(tmp_path, objects, {"name": "tls", "secret": secret})
    await found.refresh()
    assert [path.name for path in (tmp_path / "tls").iterdir() if not path.name.startswith("..")] == []
    objects.found[SECRET] = PAIR
    await found.refresh()
    assert (tmp_path / "tls" / "tls.crt").read_bytes() == b"cert"


@pytest.mark.parametrize("missing", [404, 403])
async def test_a_secret_that_must_be_there_is_waited_for(tmp_path: Path, missing: int) -> None:
    with pytest.raises(NotYet, match="pair"):
        await volumes(tmp_path, Objects({}, missing), {"name": "tls", "secret": {"secretName": "pair"}}).refresh()


async def test_a_key_that_must_be_there_is_named(tmp_path: Path) -> None:
    secret = {"secretName": "pair", "items": [{"key": "tls.key", "path": "tls.key"}]}
    with pytest.raises(NotYet, match=r"tls\.key"):
        await volumes(tmp_path, Objects({SECRET: PAIR}), {"name": "tls", "secret": secret}).refresh()


async def test_an_api_server_that_is_away_is_no_missing_secret(tmp_path: Path) -> None:
    optional = {"secretName": "pair", "optional": True}
    with pytest.raises(ApiError):
        await volumes(tmp_path, Objects({}, 500), {"name": "tls", "secret": optional}).refresh()


async def test_the_account_is_a_token_the_ca_and_the_namespace(tmp_path: Path) -> None:
    sources = [
        {"serviceAccountToken": {"path": "token", "expirationSeconds": 3607}},
        {"configMap": {"name": "ca", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
        {"downwardAPI": {"items": [{"path": "namespace", "fieldRef": {"fieldPath": "metadata.namespace"}}]}},
    ]
    objects = Objects(
        {
            "/api/v1/namespaces/here/serviceaccounts/account/token": {"status": {"token": "t"}},
            "/api/v1/namespaces/here/configmaps/ca": {"data": {"ca.crt": "pem"}},
        }
    )
    found = volumes(tmp_path, objects, {"name": "api", "projected": {"sources": sources}})
    await found.refresh()
    await found.refresh()
    assert {name: (tmp_path / "api" / name).read_text() for name in ("token", "ca.crt", "namespace")} == {
        "token": "t", "ca.crt": "pem", "namespace": "here"
    }  # fmt: skip
    assert objects.asked == 3  # the token is kept until most of its time is over


@pytest.mark.parametrize(
    ("spec", "owner", "mode"),
    [
        ({}, NOBODY, 0o600),
        ({"securityContext": {"runAsUser": NOBODY, "fsGroup": GROUP}}, NOBODY, 0o640),
        ({"securityContext": {}}, 0, 0o644),
        ({"containers": [{"name": "a"}, {"name": "b", "securityContext": {"runAsUser": 1}}]}, 0, 0o644),
    ],
    ids=["one user", "a group", "no user", "two users"],
)
async def test_a_token_is_its_users_only_where_all_containers_are_one_user(
    tmp_path: Path, spec: dict[str, Any], owner: int, mode: int
) -> None:
    path = "/api/v1/namespaces/here/serviceaccounts/account/token"
    volume = {"name": "api", "projected": {"sources": [{"serviceAccountToken": {"path": "token"}}]}}
    await volumes(tmp_path, Objects({path: {"status": {"token": "t"}}}), volume, **spec).refresh()
    found = (tmp_path / "api" / "token").stat()
    assert stat.S_IMODE(found.st_mode) == mode
    if OURS == 0:
        assert found.st_uid == owner


def test_mounts_are_the_containers_own(tmp_path: Path) -> None:
    found = volumes(
        tmp_path, Objects({}),
        {"name": "tmp", "emptyDir": {"sizeLimit": "16Mi"}}, {"name": "tls", "secret": {"secretName": "pair"}},
        {"name": "other", "emptyDir": {}},
    )  # fmt: skip
    container = {
        "volumeMounts": [{"name": "tls", "mountPath": "/tmp/tls"}, {"name": "tmp", "mountPath": "/tmp"}],
    }
    assert found.mounts(container) == (
        Mount(target="/tmp/tls", source=tmp_path / "tls"),
        Mount(target="/tmp", size=16 * 2**20),
    )
