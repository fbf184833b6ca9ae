"""Certificates judged by openssl, which shares no code with what makes them."""

import base64
import itertools
import subprocess
import time
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import ExtendedKeyUsageOID

from controlplane import certificates as controlplane
from llmjob.runtime.certificates.authority import (
    LIVES,
    Authority,
    Pair,
    authorities_of,
    certificates_of,
    issued,
    names_of,
    pem_of,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)
VALIDITY = timedelta(days=90)
NAMES = ("llmjob-webhook.llmjob-system.svc", "::1", "127.0.0.1")


@pytest.fixture(scope="module")
def authority():
    return Authority.make(VALIDITY, NOW)


def openssl(*arguments):
    return subprocess.run(["openssl", *arguments], capture_output=True, text=True, check=False)


def verified(tmp_path, bundle, certificate, *check, at=NOW):
    (tmp_path / "ca.crt").write_bytes(bundle)
    (tmp_path / "tls.crt").write_bytes(certificate)
    moment = str(int(at.timestamp()))
    return openssl(
        "verify", "-x509_strict", "-purpose", "sslserver", "-attime", moment, "-CAfile", str(tmp_path / "ca.crt"),
        *check, str(tmp_path / "tls.crt"),
    )  # fmt: skip


@pytest.mark.parametrize(
    "check",
    [("-verify_hostname", NAMES[0]), ("-verify_ip", NAMES[1]), ("-verify_ip", NAMES[2])],
    ids=["host", "IPv6", "IPv4"],
)
def test_openssl_takes_a_certificate_for_each_of_its_names(tmp_path, authority, check):
    pair = authority.sign(NAMES, VALIDITY, NOW)
    answer = verified(tmp_path, authority.certificate_pem, pair.certificate_pem, *check)
    assert answer.returncode == 0, answer.stderr


def test_openssl_refuses_it_for_another_name(tmp_path, authority):
    pair = authority.sign(NAMES, VALIDITY, NOW)
    answer = verified(tmp_path, authority.certificate_pem, pair.certificate_pem, "-verify_hostname", "other.svc")
    assert "hostname mismatch" in (answer.stdout + answer.stderr).lower()


def test_with_several_authorities_of_one_name_openssl_finds_the_right_one(tmp_path, authority):
    others = [Authority.make(VALIDITY, NOW) for _ in range(3)]
    bundle = pem_of([*(other.certificate for other in others), authority.certificate])
    pair = authority.sign(NAMES, VALIDITY, NOW)
    assert verified(tmp_path, bundle, pair.certificate_pem).returncode == 0


def test_an_authority_signs_servers_only_and_no_other_authority(authority):
    pair = authority.sign(NAMES, VALIDITY, NOW)
    extensions = pair.certificate.extensions
    assert extensions.get_extension_for_class(x509.BasicConstraints).value.ca is False
    assert list(extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == [ExtendedKeyUsageOID.SERVER_AUTH]
    own = authority.certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    assert (own.critical, own.value.ca, own.value.path_length) == (True, True, 0)


def test_times_are_the_asked_ones_with_five_minutes_for_slow_clocks(authority):
    pair = authority.sign(NAMES, VALIDITY, NOW)
    assert pair.certificate.not_valid_before_utc == NOW - timedelta(minutes=5)
    assert pair.certificate.not_valid_after_utc == NOW + VALIDITY
    assert authority.certificate.not_valid_after_utc == NOW + LIVES * VALIDITY


def test_no_certificate_outlives_its_authority(authority):
    late = NOW + LIVES * VALIDITY - timedelta(days=1)
    pair = authority.sign(NAMES, VALIDITY, late)
    assert pair.certificate.not_valid_after_utc == authority.certificate.not_valid_after_utc


def test_a_pair_is_read_as_it_was_written(authority):
    pair = authority.sign(NAMES, VALIDITY, NOW)
    read = Pair.read(pair.certificate_pem, pair.key_pem)
    assert read.certificate == pair.certificate
    assert (read.certificate_pem, read.key_pem) == (pair.certificate_pem, pair.key_pem)
    assert names_of(read.certificate) == set(NAMES)


def rsa_key():
    return openssl("genrsa", "2048").stdout.encode()


@pytest.mark.parametrize(
    ("certificate", "key", "said"),
    [
        (b"", None, "holds no certificate"),
        (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", None, "holds no certificate"),
        (None, b"", "no private key"),
        (None, b"\xff\x00garbage", "no private key"),
        (None, rsa_key(), "another kind"),
        (None, Authority.make(VALIDITY, NOW).key_pem, "do not belong together"),
    ],
    ids=["empty", "no PEM", "no key", "binary", "RSA", "another's key"],
)
def test_what_is_no_pair_is_said(authority, certificate, key, said):
    pair = authority.sign(NAMES, VALIDITY, NOW)
    with pytest.raises(ValueError, match=said):
        Pair.read(pair.certificate_pem if certificate is None else certificate, pair.key_pem if key is None else key)


def test_garbage_among_certificates_is_passed_over(authority):
    garbage = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
    text = b"a line\n" + garbage + authority.certificate_pem + b"\xff\xfe"
    assert certificates_of(text) == [authority.certificate]


def pem(der):
    return b"-----BEGIN CERTIFICATE-----\n" + base64.encodebytes(der) + b"-----END CERTIFICATE-----\n"


def test_a_certificate_after_one_that_was_cut_off_is_read(authority):
    cut = authority.certificate_pem[:200] + b"\n"
    assert certificates_of(cut + authority.certificate_pem) == [authority.certificate]


@pytest.mark.parametrize("beside", [b"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n", b"garbage"])
def test_a_pair_with_something_beside_its_certificate_is_none(authority, beside):
    pair = authority.sign(NAMES, VALIDITY, NOW)
    for text in (pair.certificate_pem + beside, beside + pair.certificate_pem):
        with pytest.raises(ValueError, match="something beside the one certificate"):
            Pair.read(text, pair.key_pem)


def test_whatever_byte_is_broken_a_certificate_is_read_as_a_whole_or_not_at_all(authority):
    """Versions, extensions and keys that do not exist among them, for which cryptography has errors of no family."""
    pair = authority.sign(NAMES, VALIDITY, NOW)
    der = pair.certificate.public_bytes(serialization.Encoding.DER)
    read = 0
    for index, flip in itertools.product(range(len(der)), (1, 4, 0x80)):
        broken = bytearray(der)
        broken[index] ^= flip
        for found in certificates_of(pem(bytes(broken))):
            read += 1
            names_of(found)
            assert not issued(authority.certificate, found)
    assert read > 100


def test_an_authority_of_ours_whose_own_signature_is_broken_is_not_trusted():
    ours = Authority.make(VALIDITY, NOW)
    der = bytearray(ours.certificate.public_bytes(serialization.Encoding.DER))
    der[-1] ^= 1
    assert authorities_of(pem(bytes(der)), NOW) == []
    assert authorities_of(ours.certificate_pem, NOW) == [ours.certificate]


def test_a_megabyte_of_garbage_is_refused_within_a_second(authority):
    started = time.monotonic()
    for text in (b"-----BEGIN CERTIFICATE-----\n", b"-----END CERTIFICATE-----\n", authority.certificate_pem):
        assert certificates_of(text * (1024 * 1024 // len(text))) == []
    # Just below what is read at all.
    assert certificates_of(b"-----BEGIN CERTIFICATE-----\n" * 2340 + authority.certificate_pem[:-30]) == []
    assert time.monotonic() - started < 1


def test_only_valid_authorities_of_ours_are_trusted():
    now = datetime.now(UTC)
    ours = Authority.make(VALIDITY, now)
    text = controlplane.Authority.make("corporate").pem + ours.certificate_pem
    assert authorities_of(text, now) == [ours.certificate]
    assert authorities_of(text, now + LIVES * VALIDITY) == []
    assert authorities_of(text, now - timedelta(minutes=6)) == []


def test_who_issued_a_certificate_is_known_by_the_signature(authority):
    pair = authority.sign(NAMES, VALIDITY, NOW)
    assert issued(authority.certificate, pair.certificate)
    assert not issued(Authority.make(VALIDITY, NOW).certificate, pair.certificate)


def test_an_authority_is_found_by_its_key(authority):
    other = Authority.make(VALIDITY, NOW)
    found = Authority.find([other.certificate, authority.certificate], authority.key_pem)
    assert found.certificate == authority.certificate
    with pytest.raises(ValueError, match="no valid authority of ours"):
        Authority.find([other.certificate], authority.key_pem)
