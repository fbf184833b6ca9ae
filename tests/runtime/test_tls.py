import asyncio
import os

import pytest

from controlplane.certificates import Authority
from llmjob.runtime.tls import Certificate


@pytest.fixture
def pair(tmp_path):
    authority = Authority.make()
    cert, key = tmp_path / "tls.crt", tmp_path / "tls.key"
    authority.write_server(cert, key, ("127.0.0.1",))
    return authority, cert, key


def test_without_files_nothing_is_loaded_and_nothing_fails(tmp_path):
    found = Certificate(str(tmp_path / "a"), str(tmp_path / "b"))
    assert found.refresh() is False
    assert (found.loaded, found.expiry) == (False, None)


def test_a_pair_that_appears_later_is_loaded(pair, tmp_path):
    _, cert, key = pair
    found = Certificate(str(tmp_path / "link.crt"), str(key))
    assert found.refresh() is False
    (tmp_path / "link.crt").symlink_to(cert)
    assert found.refresh() is True
    assert found.loaded


def test_expiry_is_the_certificates(pair):
    from cryptography import x509

    _, cert, key = pair
    found = Certificate(str(cert), str(key))
    found.refresh()
    assert found.expiry == x509.load_pem_x509_certificate(cert.read_bytes()).not_valid_after_utc.timestamp()


def test_an_unchanged_pair_is_not_loaded_again_and_a_switched_link_is(pair, tmp_path):
    authority, cert, key = pair
    link = tmp_path / "current.crt"
    link.symlink_to(cert)
    found = Certificate(str(link), str(key))
    assert found.refresh() is True
    assert found.refresh() is False
    other = tmp_path / "other.crt"
    other.write_bytes(cert.read_bytes())
    os.utime(other, ns=(1, 1))
    link.unlink()
    link.symlink_to(other)
    assert found.refresh() is True
    assert authority


def test_a_pair_that_does_not_match_keeps_the_old_one(pair, tmp_path):
    authority, cert, key = pair
    found = Certificate(str(cert), str(key))
    found.refresh()
    expiry = found.expiry
    authority.write_server(tmp_path / "other.crt", key, ("127.0.0.1",))
    assert found.refresh() is False
    assert (found.loaded, found.expiry) == (True, expiry)


async def test_watching_tells_of_a_new_pair(pair):
    authority, cert, key = pair
    found = Certificate(str(cert), str(key))
    changed = asyncio.Event()
    watching = asyncio.ensure_future(found.watch(changed.set, interval=0.01))
    await asyncio.wait_for(changed.wait(), 5)
    changed.clear()
    authority.write_server(cert, key, ("127.0.0.1",))
    await asyncio.wait_for(changed.wait(), 5)
    watching.cancel()
    with pytest.raises(asyncio.CancelledError):
        await watching
