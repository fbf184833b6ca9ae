import asyncio
import datetime as dt
import os
import ssl
import subprocess

import pytest

from controlplane.certificates import Authority
from llmjob.runtime.certificates.tls import Certificate


@pytest.fixture
def pair(tmp_path):
    authority = Authority.make()
    cert, key = tmp_path / "tls.crt", tmp_path / "tls.key"
    authority.write_server(cert, key, ("127.0.0.1",))
    return authority, cert, key


def write_pair(cert, key, start, end):
    """A self-signed pair, valid from and until so many seconds from now."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    private, now = ec.generate_private_key(ec.SECP256R1()), dt.datetime.now(dt.UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    certificate = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + dt.timedelta(seconds=start)).not_valid_after(now + dt.timedelta(seconds=end))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("a.example")]), critical=False)
        .sign(private, hashes.SHA256())
    )  # fmt: skip
    cert.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key.write_bytes(
        private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )


def der(cert):
    return ssl.PEM_cert_to_DER_cert(
        cert.read_text().split("-----END CERTIFICATE-----")[0] + "-----END CERTIFICATE-----"
    )


def served(context):
    """The certificate that a client is shown: a handshake in memory; None where there is none."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    client = trusting.wrap_bio(to_client, to_server)
    server = context.wrap_bio(to_server, to_client, server_side=True)
    for side in (client, server, client, server):
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue
        except ssl.SSLError:
            return None
    return client.getpeercert(binary_form=True)


async def until(holds, seconds=5):
    async with asyncio.timeout(seconds):
        while not holds():  # noqa: ASYNC110, the context tells nobody
            await asyncio.sleep(0.01)


def test_without_files_nothing_is_loaded_and_that_is_said_once(tmp_path, caplog):
    found = Certificate(str(tmp_path / "a"), str(tmp_path / "b"))
    assert found.refresh() is False
    assert found.refresh() is False
    assert [record.message for record in caplog.records if "no certificate" in record.message] == [
        f"no certificate at {tmp_path / 'a'} and {tmp_path / 'b'} (No such file or directory): not ready without one"
    ]
    assert (found.loaded, found.reloaded, found.expiry) == (False, False, None)


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
    expiry, before = found.expiry, der(cert)
    # The key is another one now, and the certificate on disk another still.
    authority.write_server(tmp_path / "other.crt", key, ("127.0.0.1",))
    authority.write_server(cert, tmp_path / "other.key", ("127.0.0.1",))
    assert found.refresh() is False
    assert (found.loaded, found.reloaded, found.expiry) == (True, False, expiry)
    assert served(found.context) == before


@pytest.mark.parametrize(("start", "end", "said"), [(-7200, -5, "expired"), (3600, 7200, "not yet valid")])
def test_a_pair_out_of_its_time_keeps_the_old_one_and_is_told_once(pair, caplog, start, end, said):
    _, cert, key = pair
    found = Certificate(str(cert), str(key))
    found.refresh()
    before = der(cert)
    write_pair(cert, key, start, end)
    assert (found.refresh(), found.refresh()) == (False, False)
    assert (found.loaded, found.reloaded) == (True, False)
    assert served(found.context) == before
    assert len([record for record in caplog.records if said in record.message]) == 1


def make(cert, key, *kind, extension="subjectAltName=DNS:webhook.example"):
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", *kind, "-nodes", "-days", "9", "-keyout", key, "-out", cert,
         "-subj", "/CN=webhook.example", "-addext", extension],
        check=True, capture_output=True,
    )  # fmt: skip


EC, RSA = ("ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"), ("rsa:2048",)


@pytest.mark.parametrize("kinds", [(EC, RSA), (RSA, EC)], ids=["EC to RSA", "RSA to EC"])
def test_a_new_pair_of_another_kind_of_key_is_served_to_every_client(tmp_path, kinds):
    cert, key = tmp_path / "tls.crt", tmp_path / "tls.key"
    found = Certificate(str(cert), str(key))
    for kind in kinds:
        make(cert, key, *kind)
        assert found.refresh() is True
        assert served(found.context) == der(cert)


def broken_version(cert):
    content = bytearray(der(cert))
    content[content.index(b"\xa0\x03\x02\x01\x02") + 4] = 3
    cert.write_text(ssl.DER_cert_to_PEM_cert(bytes(content)))


def broken_block(cert):
    cert.write_text(cert.read_text() + "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n")


@pytest.mark.parametrize("breaks", [broken_version, broken_block])
def test_a_certificate_that_the_api_server_would_refuse_keeps_the_old_one(pair, breaks):
    _, cert, key = pair
    found = Certificate(str(cert), str(key))
    found.refresh()
    before = der(cert)
    breaks(cert)
    assert found.refresh() is False
    assert (found.loaded, found.reloaded) == (True, False)
    assert served(found.context) == before


def test_a_certificate_without_alternative_names_is_not_loaded(tmp_path, caplog):
    cert, key = tmp_path / "tls.crt", tmp_path / "tls.key"
    make(cert, key, *EC, extension="keyUsage=digitalSignature")
    assert Certificate(str(cert), str(key)).refresh() is False
    assert "no subjectAltName" in caplog.text


def test_old_versions_of_tls_are_refused(pair):
    _, cert, key = pair
    found = Certificate(str(cert), str(key))
    found.refresh()
    assert found.context.minimum_version == ssl.TLSVersion.TLSv1_2


def test_an_expired_pair_is_none_to_start_with(tmp_path):
    cert, key = tmp_path / "tls.crt", tmp_path / "tls.key"
    write_pair(cert, key, -7200, -5)
    found = Certificate(str(cert), str(key))
    assert found.refresh() is False
    assert not found.loaded


async def test_a_pair_that_becomes_valid_is_loaded_then(pair):
    _, cert, key = pair
    found = Certificate(str(cert), str(key))
    found.refresh()
    write_pair(cert, key, 2, 7200)
    assert found.refresh() is False
    watching = asyncio.ensure_future(found.watch(interval=0.05))
    await until(lambda: found.reloaded)
    assert served(found.context) == der(cert)
    watching.cancel()


def test_the_old_pair_put_back_counts_as_loaded(pair, tmp_path):
    authority, cert, key = pair
    found = Certificate(str(tmp_path / "link.crt"), str(key))
    (tmp_path / "link.crt").symlink_to(cert)
    found.refresh()
    (tmp_path / "link.crt").unlink()
    found.refresh()
    assert not found.reloaded
    (tmp_path / "link.crt").symlink_to(cert)
    assert (found.refresh(), found.reloaded) == (False, True)
    assert authority


def test_a_self_signed_certificate_is_taken(tmp_path):
    cert, key = tmp_path / "tls.crt", tmp_path / "tls.key"
    make(cert, key, *RSA)
    assert Certificate(str(cert), str(key)).refresh() is True


async def test_watching_loads_each_new_pair(pair):
    authority, cert, key = pair
    found = Certificate(str(cert), str(key))
    watching = asyncio.ensure_future(found.watch(interval=0.01))
    await until(lambda: served(found.context) == der(cert))
    authority.write_server(cert, key, ("127.0.0.1",))
    await until(lambda: served(found.context) == der(cert))
    watching.cancel()
    with pytest.raises(asyncio.CancelledError):
        await watching
