"""An authority of our own and the certificates it signs; pure but for the randomness of keys.

ECDSA P-256 with SHA-256: what every TLS client of Go and OpenSSL takes, with keys made in a millisecond.
"""

import ipaddress
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

# An authority outlives four of its certificates: it is replaced often enough that the way of doing so is no surprise.
LIVES: Final = 4
# Clocks of API servers and ours differ.
_BACKDATED: Final = timedelta(minutes=5)
_AUTHORITY: Final = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "llmjob-admission-ca")])
# Names are alternatives; a common name may not be longer than 64 characters.
_SERVER: Final = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "llmjob-admission")])
_BEGIN: Final = b"-----BEGIN CERTIFICATE-----"
_END: Final = b"-----END CERTIFICATE-----"
# A certificate of ours is 700 bytes, an old RSA one with many names some thousand. What is longer is not read.
_LARGEST: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate and its private key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @classmethod
    def read(cls, certificate: bytes, key: bytes) -> Self:
        """From PEM, which holds this one certificate and nothing else: OpenSSL takes no file with a broken block.

        Raises:
            ValueError: saying what is wrong.
        """
        found = certificates_of(certificate)
        if not found:
            raise ValueError("holds no certificate")
        if pem_of(found[:1]) != certificate:
            raise ValueError("holds something beside the one certificate, or not as it was written")
        private = _key_of(key)
        if not _belong(found[0], private):
            raise ValueError("certificate and key do not belong together")
        return cls(found[0], private)

    @property
    def certificate_pem(self) -> bytes:
        return pem_of([self.certificate])

    @property
    def key_pem(self) -> bytes:
        return self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )


@dataclass(frozen=True, slots=True)
class Authority(Pair):
    """A certificate authority of the webhook's alone."""

    @classmethod
    def make(cls, validity: timedelta, now: datetime) -> Self:
        """A new one, for certificates of this validity."""
        key = ec.generate_private_key(ec.SECP256R1())
        own = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
        certificate = (
            _builder(_AUTHORITY, key, now, now + LIVES * validity)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_key_usage(authority=True), critical=True)
            .add_extension(own, critical=False)
            .sign(key, hashes.SHA256())
        )
        return cls(certificate, key)

    @classmethod
    def find(cls, certificates: Iterable[x509.Certificate], key: bytes) -> Self:
        """The one of these authorities whose private key this is.

        Raises:
            ValueError: saying what is wrong.
        """
        private = _key_of(key)
        for certificate in certificates:
            if _belong(certificate, private):
                return cls(certificate, private)
        raise ValueError("ca.crt holds no valid authority of ours with the key ca.key")

    def sign(self, names: Iterable[str], validity: timedelta, now: datetime) -> Pair:
        """A server's certificate for host names and addresses; never valid for longer than the authority itself."""
        key = ec.generate_private_key(ec.SECP256R1())
        until = min(now + validity, self.certificate.not_valid_after_utc)
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
        certificate = (
            _builder(_SERVER, key, now, until)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(authority=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(x509.SubjectAlternativeName([_alternative(name) for name in names]), critical=False)
            .add_extension(issuer, critical=False)
            .sign(self.key, hashes.SHA256())
        )
        return Pair(certificate, key)


def certificates_of(pem: bytes) -> list[x509.Certificate]:
    """All certificates that can be read as a whole, in their order; what is none is passed over.

    More than 64 KiB is garbage throughout.
    """
    found = []
    for part in pem.split(_END)[:-1] if len(pem) <= _LARGEST else ():
        start = part.rfind(_BEGIN)
        with suppress(ValueError), _reading("holds no certificate"):
            found.append(_whole(x509.load_pem_x509_certificate(part[max(start, 0) :] + _END)))
    return found


def authorities_of(pem: bytes, now: datetime) -> list[x509.Certificate]:
    """The authorities of ours among certificates, as far as they are valid now."""
    return [found for found in certificates_of(pem) if _is_ours(found) and _is_valid(found, now)]


def pem_of(certificates: Iterable[x509.Certificate]) -> bytes:
    """Certificates as PEM, one after the other."""
    return b"".join(found.public_bytes(serialization.Encoding.PEM) for found in certificates)


def issued(authority: x509.Certificate, certificate: x509.Certificate) -> bool:
    """Whether the authority signed the certificate."""
    try:
        with _reading("not signed by it"):
            certificate.verify_directly_issued_by(authority)
    except ValueError:
        return False
    return True


def names_of(certificate: x509.Certificate) -> set[str]:
    """The host names and addresses that a certificate is for."""
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return set()
    return {str(name.value) for name in found if isinstance(name, x509.DNSName | x509.IPAddress)}


def _builder(
    subject: x509.Name, key: ec.EllipticCurvePrivateKey, now: datetime, until: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(_AUTHORITY)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATED)
        .not_valid_after(until)
    )


def _is_ours(certificate: x509.Certificate) -> bool:
    return certificate.subject == _AUTHORITY and issued(certificate, certificate)


@contextmanager
def _reading(said: str) -> Iterator[None]:
    """Whatever is raised for what others wrote is a ValueError: `cryptography` has a dozen kinds, some of no family."""
    try:
        yield
    except Exception as error:
        raise ValueError(said) from error


def _whole(certificate: x509.Certificate) -> x509.Certificate:
    """With all of it parsed that is asked for later; `cryptography` parses no part before it is."""
    _ = (certificate.extensions, certificate.subject, certificate.issuer, certificate.public_key())
    _ = (certificate.not_valid_before_utc, certificate.not_valid_after_utc, certificate.signature_hash_algorithm)
    # Go wants a signature of whole bytes, so that no bit of its last one is unused.
    if not certificate.public_bytes(serialization.Encoding.DER).endswith(b"\x00" + certificate.signature):
        raise ValueError("the signature is not of whole bytes")
    return certificate


def _is_valid(certificate: x509.Certificate, now: datetime) -> bool:
    return certificate.not_valid_before_utc <= now < certificate.not_valid_after_utc


def _key_usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True, key_cert_sign=authority, crl_sign=authority, content_commitment=False,
        key_encipherment=False, data_encipherment=False, key_agreement=False, encipher_only=False, decipher_only=False,
    )  # fmt: skip


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _key_of(pem: bytes) -> ec.EllipticCurvePrivateKey:
    with _reading("holds no private key that can be read"):
        key = serialization.load_pem_private_key(pem[:_LARGEST], password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ValueError("holds a private key of another kind than ours")  # noqa: TRY004, one error for all
    return key


def _belong(certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> bool:
    return certificate.public_key() == key.public_key()
