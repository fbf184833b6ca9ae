"""What the certificate's Secret holds, what of that is good, and what it should hold."""

import base64
import binascii
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from cryptography import x509

from llmjob.runtime.certificates.authority import Authority, Pair, authorities_of, issued, names_of, pem_of

CERTIFICATE: Final = "tls.crt"
KEY: Final = "tls.key"
AUTHORITIES: Final = "ca.crt"
AUTHORITY_KEY: Final = "ca.key"
# Of authorities in a bundle. A new one comes each 270 days, or when somebody deletes the Secret.
_FEW: Final = 8
_MOST: Final = 64
_TAKEN: Final = timedelta(hours=1)
_COMPONENT: Final = "app.kubernetes.io/component"
_HELMS: Final = "meta.helm.sh/"
# Holds a copy of what kubectl applied, so of old content.
_LAST_APPLIED: Final = "kubectl.kubernetes.io/last-applied-configuration"


@dataclass(frozen=True, slots=True)
class Held:
    """The good parts of a Secret, as of a moment, and a fault for each part that is there and not good."""

    authority: Authority | None
    trusted: tuple[x509.Certificate, ...]
    pair: Pair | None
    authority_fault: str | None = None
    pair_fault: str | None = None

    @classmethod
    def read(cls, secret: Mapping[str, Any] | None, names: Iterable[str], now: datetime) -> "Held":
        """What a Secret holds of an authority and of a pair for these names; an absent or empty one holds nothing."""
        data = _decoded(secret)
        trusted = tuple(authorities_of(data.get(AUTHORITIES, b""), now))
        authority = pair = authority_fault = pair_fault = None
        if AUTHORITIES in data or AUTHORITY_KEY in data:
            try:
                authority = Authority.find(trusted, data.get(AUTHORITY_KEY, b""))
            except ValueError as error:
                authority_fault = f"{AUTHORITIES}, {AUTHORITY_KEY}: {error}"
        if CERTIFICATE in data or KEY in data:
            try:
                pair = _read_pair(data, set(names), now)
            except ValueError as error:
                pair_fault = f"{CERTIFICATE}, {KEY}: {error}"
        return cls(authority, trusted, pair, authority_fault, pair_fault)


def bundle(
    authority: Authority, trusted: Iterable[x509.Certificate], pair: Pair | None, now: datetime
) -> list[x509.Certificate]:
    """The authority, then the older ones whose certificates may still be in use, newest first.

    Of more than eight those are dropped that have had a successor for an hour and did not sign the pair: by then every
    replica has taken another. Sixty-four stay at most, for a caBundle has its place in etcd thirty times over.
    """
    older = {found for found in trusted if found != authority.certificate}
    ordered = sorted(older, key=lambda found: (found.not_valid_before_utc, found.serial_number), reverse=True)
    pinned = [found for found in ordered[_FEW - 1 :] if pair and issued(found, pair.certificate)]
    newer = [authority.certificate, *ordered]
    kept = [
        found for place, (found, successor) in enumerate(zip(ordered, newer, strict=False))
        if place < _FEW - 1 or found in pinned or now - successor.not_valid_before_utc < _TAKEN
    ]  # fmt: skip
    return [authority.certificate, *(found for found in kept if found not in pinned)][: _MOST - len(pinned)] + pinned


def authority_due(authority: Authority, validity: timedelta) -> datetime:
    """When a new authority is needed: while the old one can still sign for a whole validity."""
    return authority.certificate.not_valid_after_utc - validity


def pair_due(pair: Pair, validity: timedelta) -> datetime:
    """When a new certificate is needed: after two thirds of its validity."""
    return pair.certificate.not_valid_after_utc - validity / 3


def is_of(pair: Pair, authority: Authority) -> bool:
    """Whether this authority signed the pair's certificate."""
    return issued(authority.certificate, pair.certificate)


def authority_data(authority: Authority, certificates: Iterable[x509.Certificate]) -> dict[str, str]:
    """The Secret's entries for an authority and the bundle."""
    return {AUTHORITIES: _encoded(pem_of(certificates)), AUTHORITY_KEY: _encoded(authority.key_pem)}


def pair_data(pair: Pair) -> dict[str, str]:
    """The Secret's entries for a pair."""
    return {CERTIFICATE: _encoded(pair.certificate_pem), KEY: _encoded(pair.key_pem)}


def made_anew(
    name: str, was: Mapping[str, Any] | None, beside: Mapping[str, Any] | None, data: Mapping[str, str]
) -> Mapping[str, Any]:
    """A Secret that was deleted, with the labels and annotations that it had: helm deletes only what bears its own.

    What it had is unknown after a restart: then the release's are taken from an object of the same one beside it.
    """
    if was is not None:
        before = was.get("metadata") or {}
        labels = dict(before.get("labels") or {})
        annotations = {key: value for key, value in (before.get("annotations") or {}).items() if key != _LAST_APPLIED}
    else:
        before = (beside or {}).get("metadata") or {}
        labels = {**(before.get("labels") or {}), _COMPONENT: "certificate"}
        annotations = {key: value for key, value in (before.get("annotations") or {}).items() if key.startswith(_HELMS)}
    metadata = {"name": name, "labels": labels, "annotations": annotations}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "Opaque", "data": dict(data)}


def _read_pair(data: Mapping[str, bytes], names: set[str], now: datetime) -> Pair:
    pair = Pair.read(data.get(CERTIFICATE, b""), data.get(KEY, b""))
    if now >= pair.certificate.not_valid_after_utc:
        raise ValueError(f"expired at {pair.certificate.not_valid_after_utc.isoformat()}")
    if now < pair.certificate.not_valid_before_utc:
        raise ValueError(f"not valid before {pair.certificate.not_valid_before_utc.isoformat()}")
    missing = names - names_of(pair.certificate)
    if missing:
        raise ValueError(f"not for {', '.join(sorted(missing))}")
    return pair


def _decoded(secret: Mapping[str, Any] | None) -> dict[str, bytes]:
    found = {}
    for key, value in ((secret or {}).get("data") or {}).items():
        try:
            found[str(key)] = base64.b64decode(value or "", validate=True)
        except (binascii.Error, ValueError, TypeError):
            found[str(key)] = b""
    return found


def _encoded(content: bytes) -> str:
    return base64.b64encode(content).decode()
