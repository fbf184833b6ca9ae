import base64
from datetime import UTC, datetime, timedelta

import pytest

from llmjob.runtime.certificates.authority import Authority, authorities_of, pem_of
from llmjob.runtime.certificates.secret import (
    Held,
    authority_data,
    authority_due,
    bundle,
    made_anew,
    pair_data,
    pair_due,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)
VALIDITY = timedelta(days=90)
NAMES = ("a.example",)


def text(content):
    return base64.b64encode(content).decode()


@pytest.fixture(scope="module")
def authority():
    return Authority.make(VALIDITY, NOW)


@pytest.fixture(scope="module")
def secret(authority):
    pair = authority.sign(NAMES, VALIDITY, NOW)
    return {"data": {**authority_data(authority, [authority.certificate]), **pair_data(pair), "note": text(b"kept")}}


@pytest.mark.parametrize("empty", [None, {}, {"data": None}, {"data": {}}, {"data": {"note": text(b"x")}}])
def test_an_absent_or_empty_secret_holds_nothing_and_has_no_fault(empty):
    assert Held.read(empty, NAMES, NOW) == Held(None, (), None)


def test_what_was_written_is_read(authority, secret):
    held = Held.read(secret, NAMES, NOW)
    assert held.authority is not None
    assert held.authority.certificate == authority.certificate
    assert held.trusted == (authority.certificate,)
    assert held.pair is not None
    assert (held.authority_fault, held.pair_fault) == (None, None)


def broken(secret, **data):
    names = {key.replace("_", "."): value for key, value in data.items()}
    return {"data": {key: value for key, value in {**secret["data"], **names}.items() if value is not None}}


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"tls_crt": text(b"garbage")}, "tls.crt, tls.key: holds no certificate"),
        ({"tls_crt": "no base64!"}, "tls.crt, tls.key: holds no certificate"),
        ({"tls_crt": None}, "tls.crt, tls.key: holds no certificate"),
        ({"tls_key": None}, "tls.crt, tls.key: holds no private key"),
        ({"tls_key": text(b"garbage")}, "tls.crt, tls.key: holds no private key"),
        ({"tls_key": text(Authority.make(VALIDITY, NOW).key_pem)}, "do not belong together"),
    ],
)
def test_a_broken_pair_is_told_and_the_authority_is_kept(secret, data, said):
    held = Held.read(broken(secret, **data), NAMES, NOW)
    assert held.pair is None
    assert said in str(held.pair_fault)
    assert held.authority is not None
    assert held.authority_fault is None


@pytest.mark.parametrize(
    "data",
    [
        {"ca_crt": text(b"garbage")},
        {"ca_crt": None},
        {"ca_key": None},
        {"ca_key": text(b"garbage")},
        {"ca_key": text(Authority.make(VALIDITY, NOW).key_pem)},
    ],
)
def test_a_broken_authority_is_told_and_the_pair_is_kept(secret, data):
    held = Held.read(broken(secret, **data), NAMES, NOW)
    assert held.authority is None
    assert str(held.authority_fault).startswith("ca.crt, ca.key: ")
    assert held.pair is not None
    assert held.pair_fault is None


@pytest.mark.parametrize(
    ("names", "now", "said"),
    [
        (("a.example", "b.example"), NOW, "not for b.example"),
        (NAMES, NOW + VALIDITY, "expired at 2026-04-01T00:00:00"),
        (NAMES, NOW - timedelta(hours=1), "not valid before 2025-12-31T23:55:00"),
    ],
)
def test_a_pair_that_cannot_serve_is_told(secret, names, now, said):
    held = Held.read(secret, names, now)
    assert held.pair is None
    assert said in str(held.pair_fault)


def test_a_bundle_is_the_authority_and_the_newest_others():
    ages = [Authority.make(VALIDITY, NOW - timedelta(days=days)).certificate for days in range(1, 12)]
    authority = Authority.make(VALIDITY, NOW - timedelta(days=20))
    found = bundle(authority, [*reversed(ages), authority.certificate, ages[0]], None, NOW)
    assert found == [authority.certificate, *ages[:7]]


def test_authorities_made_within_an_hour_all_stay_for_a_replica_may_still_serve_what_any_of_them_signed():
    ages = [Authority.make(VALIDITY, NOW - timedelta(minutes=5 * count)).certificate for count in range(1, 16)]
    authority = Authority.make(VALIDITY, NOW)
    # Backdated by five minutes: the eleventh's successor is an hour old.
    assert bundle(authority, ages, None, NOW) == [authority.certificate, *ages[:11]]


def test_the_authority_of_the_pair_in_use_stays_however_many_came_after():
    first = Authority.make(VALIDITY, NOW - timedelta(days=40))
    pair = first.sign(NAMES, VALIDITY, NOW)
    later = [Authority.make(VALIDITY, NOW - timedelta(days=days)).certificate for days in range(1, 12)]
    authority = Authority.make(VALIDITY, NOW)
    found = bundle(authority, [first.certificate, *later], pair, NOW)
    assert found == [authority.certificate, *later[:7], first.certificate]


def test_a_bundle_has_a_bound():
    one = Authority.make(VALIDITY, NOW - timedelta(minutes=1))
    pair = one.sign(NAMES, VALIDITY, NOW)
    many = [Authority.make(VALIDITY, NOW).certificate for _ in range(70)]
    found = bundle(Authority.make(VALIDITY, NOW), [one.certificate, *many], pair, NOW)
    assert len(found) == 64
    assert one.certificate in found
    # Where it is full, it is read, and every entry of both configurations has room in etcd's 1.5 MiB.
    assert len(authorities_of(pem_of(found), NOW)) == 64
    assert 17 * len(text(pem_of(found))) < 1_500_000


def test_after_a_restart_a_secret_made_anew_bears_the_releases_labels_so_that_helm_takes_it_along():
    labels = {"app.kubernetes.io/managed-by": "Helm", "app.kubernetes.io/component": "webhook"}
    helms = {"meta.helm.sh/release-name": "llmjob", "meta.helm.sh/release-namespace": "llmjob-system"}
    beside = {"metadata": {"labels": labels, "annotations": {**helms, "other": "of the configuration alone"}}}
    metadata = made_anew("tls", None, beside, {})["metadata"]
    assert metadata["annotations"] == helms
    assert metadata["labels"] == {**labels, "app.kubernetes.io/component": "certificate"}


def test_renewal_is_after_two_thirds_and_while_the_authority_can_sign_for_a_whole_validity(authority):
    pair = authority.sign(NAMES, VALIDITY, NOW)
    assert pair_due(pair, VALIDITY) == NOW + timedelta(days=60)
    assert authority_due(authority, VALIDITY) == NOW + timedelta(days=270)
