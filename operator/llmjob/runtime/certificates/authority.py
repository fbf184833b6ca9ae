"""An authority of our own and the certificates it signs; pure but for the randomness of keys.

ECDSA P-256 with SHA-256: what every TLS client of Go and OpenSSL takes, with keys made in a millisecond.
"""

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Self

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
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
_BLOCK: Final = re.compile(rb"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate and its private key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @classmethod
    def read(cls, certificate: bytes, key: bytes) -> Self:
        """From PEM.

        Raises:
            ValueError: saying what is wrong.
        """
        found = certificates_of(certificate)
        if not found:
            raise ValueError("holds no certificate")
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
    """All certificates that can be read, in their order; what is none is passed over."""
    found = []
    for block in _BLOCK.findall(pem):
        try:
            found.append(x509.load_pem_x509_certificate(block))
        except ValueError:
            continue
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
        certificate.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def names_of(certificate: x509.Certificate) -> set[str]:
    """The host names and addresses that a certificate is for."""
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
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
    try:
        return certificate.subject == _AUTHORITY
    except ValueError:  # parts of a certificate are parsed when they are asked for
        return False


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
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise ValueError("holds no private key that can be read") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ValueError("holds a private key of another kind than ours")  # noqa: TRY004, one error for all
    return key


def _belong(certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> bool:
    try:
        return certificate.public_key() == key.public_key()
    except (ValueError, UnsupportedAlgorithm):
        return False
