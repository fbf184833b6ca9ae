"""etcd holds every Secret and shares the loopback with pods that really run: it answers kube-apiserver alone."""

import ssl
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from controlplane.commands import Pair
from controlplane.start import ControlPlane

pytestmark = pytest.mark.parametrize("port", ["etcd_port", "etcd_peer_port"])


def ask(control_plane: ControlPlane, port: str, pair: Pair | None) -> bytes:
    """What etcd says of its version. Raises OSError where it does not answer."""
    context = ssl.create_default_context(cafile=str(control_plane.layout.etcd_ca))
    if pair is not None:
        context.load_cert_chain(*pair)
    url = f"https://127.0.0.1:{getattr(control_plane.layout, port)}/version"
    with urllib.request.urlopen(url, context=context, timeout=10) as answer:
        return bytes(answer.read())


def assert_closed(control_plane: ControlPlane, port: str, pair: Pair | None) -> None:
    """The connection ends before any HTTP: by an alert, or without one."""
    with pytest.raises(OSError, match=r"alert|EOF|reset|Broken pipe") as refused:
        ask(control_plane, port, pair)
    assert not isinstance(refused.value, urllib.error.HTTPError)


def test_the_api_servers_certificate_opens_it(control_plane: ControlPlane, port: str) -> None:
    assert b"etcdserver" in ask(control_plane, port, control_plane.layout.etcd_client)


def test_without_a_certificate_it_stays_shut(control_plane: ControlPlane, port: str) -> None:
    assert_closed(control_plane, port, None)


def test_an_administrators_certificate_for_the_api_server_does_not_open_it(
    control_plane: ControlPlane, port: str, tmp_path: Path
) -> None:
    pair = Pair(tmp_path / "user.crt", tmp_path / "user.key")
    for path, content in zip(pair, control_plane.authority.client("mallory", ("system:masters",)), strict=True):
        path.write_bytes(content)
    assert_closed(control_plane, port, pair)
