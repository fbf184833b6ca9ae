"""A certificate authority, a server's certificate and the ServiceAccount key of one control plane."""

import datetime as dt
import ipaddress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID


def _pem(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, *, authority: bool, life: dt.timedelta
) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + life)
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(
            x509.KeyUsage(
                digital_signature=True,
                key_cert_sign=authority,
                crl_sign=authority,
                content_commitment=False,
                key_encipherment=False,
                data_encipherment=False,
                key_agreement=False,
                encipher_only=False,
                decipher_only=False,
            ),
            critical=True,
        )
    )


@dataclass(frozen=True, slots=True)
class Authority:
    """A certificate authority; its own certificate and those that it signs hold for `life`."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate
    life: dt.timedelta

    @classmethod
    def make(cls, name: str = "llmjob-control-plane", *, life: dt.timedelta = dt.timedelta(days=2)) -> Self:
        """A new one; a negative life makes certificates that are over."""
        key = ec.generate_private_key(ec.SECP256R1())
        builder = _builder(_name(name), _name(name), key.public_key(), authority=True, life=life)
        return cls(key, builder.sign(key, hashes.SHA256()), life)

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    def write_server(self, certificate: Path, key: Path, names: tuple[str, ...]) -> None:
        """Write a server's certificate for these host names and addresses, and its key (mode 0600)."""
        alternatives = x509.SubjectAlternativeName([_alternative(name) for name in names])
        signed, private = self._sign(_name(names[0]), ExtendedKeyUsageOID.SERVER_AUTH, alternatives)
        certificate.write_bytes(signed)
        write_private(key, private)

    def client(self, user: str, groups: tuple[str, ...]) -> tuple[bytes, bytes]:
        """A client's certificate and key (PEM) that the API server reads as this user in these groups."""
        subject = x509.Name(
            [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in groups]
            + [x509.NameAttribute(NameOID.COMMON_NAME, user)]
        )
        return self._sign(subject, ExtendedKeyUsageOID.CLIENT_AUTH, None)

    def _sign(
        self, subject: x509.Name, usage: x509.ObjectIdentifier, alternatives: x509.SubjectAlternativeName | None
    ) -> tuple[bytes, bytes]:
        private = ec.generate_private_key(ec.SECP256R1())
        builder = _builder(subject, self.certificate.subject, private.public_key(), authority=False, life=self.life)
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        own = self.key.public_key()
        builder = builder.add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(own), critical=False)
        if alternatives is not None:
            builder = builder.add_extension(alternatives, critical=False)
        signed = builder.sign(self.key, hashes.SHA256())
        return signed.public_bytes(serialization.Encoding.PEM), _pem(private)


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def write_service_account_key(path: Path) -> None:
    """Write the RSA key that signs and verifies ServiceAccount tokens."""
    write_private(path, _pem(rsa.generate_private_key(public_exponent=65537, key_size=2048)))


def write_private(path: Path, content: bytes) -> None:
    """Write a secret that only its owner reads."""
    path.touch(mode=0o600)
    path.write_bytes(content)
