"""What is to become of a Secret and of the webhooks' trust, given what they hold: pure, but for the making of keys."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509

from llmjob.runtime.certificates.authority import Authority, Pair, authorities_of, certificates_of
from llmjob.runtime.certificates.secret import (
    Held,
    authority_data,
    authority_due,
    bundle,
    is_of,
    pair_data,
    pair_due,
)


@dataclass(frozen=True, slots=True)
class Word:
    """What people are told: an event's reason, message and type."""

    reason: str
    message: str
    warning: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """The authority that signs from now on, and all that the webhooks' callers have to trust, it first.

    `spread`: whether every entry of the configurations trusts it already.
    """

    authority: Authority
    certificates: Sequence[x509.Certificate]
    spread: bool

    @classmethod
    def of(cls, held: Held, bundles: Iterable[bytes], validity: timedelta, now: datetime) -> "Trust":
        """By what the Secret holds and what each entry of the configurations trusts; a new authority where needed."""
        found = tuple(bundles)
        authority = held.authority
        if authority is None or now >= authority_due(authority, validity):
            authority = Authority.make(validity, now)
        known = {*held.trusted, *(other for pem in found for other in authorities_of(pem, now))}
        certificates = bundle(authority, known, held.pair, now)
        spread = all(authority.certificate in certificates_of(pem) for pem in found)
        return cls(authority=authority, certificates=certificates, spread=spread)

    @property
    def alone(self) -> bool:
        """Whether no older authority is trusted, so that no certificate of one can be in use."""
        return len(self.certificates) == 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The Secret's entries of ours, and the new pair among them where there is one."""

    trust: Trust
    pair: Pair | None
    held: Held

    @classmethod
    def make(
        cls, held: Held, trust: Trust, names: Iterable[str], validity: timedelta, *, usable: bool, now: datetime
    ) -> "Plan":
        """`usable`: whether what the authority signs may be served."""
        new = usable and now >= due(held, trust, validity, now)
        return cls(held=held, trust=trust, pair=trust.authority.sign(names, validity, now) if new else None)

    @property
    def data(self) -> Mapping[str, str]:
        """For the Secret."""
        entries = authority_data(self.trust.authority, self.trust.certificates)
        return entries | pair_data(self.pair) if self.pair else entries

    def words(self) -> Iterator[Word]:
        """What to tell once it is written."""
        held, renewed = self.held, self.trust.authority is not self.held.authority
        if renewed and held.authority_fault:
            yield Word("CertificateReplaced", f"{held.authority_fault}; a new authority takes its place", warning=True)
        elif renewed and held.authority:
            yield Word("AuthorityRenewed", "a new authority is trusted beside the old one and signs from now on")
        elif renewed and not self.trust.alone:
            yield Word("CertificateMissing", "there was no authority in the Secret; made a new one", warning=True)
        if self.pair is None:
            return
        until = f"valid until {self.pair.certificate.not_valid_after_utc.isoformat()}"
        if held.pair_fault:
            yield Word("CertificateReplaced", f"{held.pair_fault}; a new certificate, {until}", warning=True)
        else:
            yield Word("CertificateRenewed" if held.pair else "CertificateCreated", f"a certificate {until}")


def due(held: Held, trust: Trust, validity: timedelta, now: datetime) -> datetime:
    """When a new certificate is to be made: now, where the Secret holds none that this authority signed."""
    if held.pair is None or not is_of(held.pair, trust.authority):
        return now
    return pair_due(held.pair, validity)
