"""The certificates that the controller makes, as the API server and the webhook's two replicas see them."""

import base64
import itertools
import json
import socket
import ssl
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from prometheus_client.parser import text_string_to_metric_families

from controlplane import nodes
from controlplane.certificates import Authority
from controlplane.client import RequestFailed
from controlplane.installation import HOST, NAMESPACE, RELEASE, Installation
from controlplane.process import wait_until
from controlplane.start import ControlPlane
from llmjob.names import ENFORCEMENT_LABEL
from llmjob.runtime.certificates.configurations import PATHS, Endpoint, patch
from tests.cluster.support import answer, in_flight

SECRET = f"/api/v1/namespaces/{NAMESPACE}/secrets/llmjob-webhook-tls"
CONTROLLER = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/{RELEASE}-controller"
ADMISSION_PORT = 8443
WAIT = 60.0
JSON_PATCH = "application/json-patch+json"


class Rig:
    """A release of its own, and what there is to see of its certificate."""

    def __init__(self, cluster: ControlPlane, release: Installation) -> None:
        self.cluster, self.release, self.client = cluster, release, cluster.client

    def until(self, condition: Callable[[], Any], what: str, seconds: float = WAIT) -> None:
        wait_until(lambda: bool(condition()), what, self.release.processes, seconds)

    def refusal(self) -> str:
        """`refused` where the webhook refuses what is too large, else what went wrong."""
        return answer(self.client, "enforced")

    def data(self) -> dict[str, bytes]:
        """What the Secret holds; nothing where there is none."""
        try:
            found = self.client.request("GET", SECRET).get("data") or {}
        except RequestFailed:
            return {}
        return {key: base64.b64decode(value) for key, value in found.items()}

    def bundles(self) -> list[str]:
        """The caBundle of each entry, decoded."""
        return [
            base64.b64decode(entry["clientConfig"].get("caBundle", "")).decode()
            for path in PATHS
            for entry in self.client.request("GET", path)["webhooks"]
        ]

    def served(self, address: str, bundle: str) -> bytes:
        """The certificate that a replica shows to a client that trusts the bundle, as the API server does."""
        trusting = ssl.create_default_context(cadata=bundle)
        with (
            socket.create_connection((address, ADMISSION_PORT), 10) as plain,
            trusting.wrap_socket(plain, server_hostname=HOST) as secured,
        ):
            return bytes(secured.getpeercert(binary_form=True) or b"")

    def all_serve(self, pem: bytes) -> bool:
        """Whether both replicas serve just this certificate."""
        wanted = ssl.PEM_cert_to_DER_cert(pem.decode())
        bundle = self.bundles()[0]
        return {self.served(address, bundle) for address in self.addresses()} == {wanted}

    def addresses(self) -> list[str]:
        found = [replica.address for replica in self.release.replicas("webhook")]
        assert len(found) == 2
        return found

    def samples(self, component: str, name: str) -> list[float]:
        """A metric of each replica."""
        return [
            sample.value
            for replica in self.release.replicas(component)
            for family in text_string_to_metric_families(replica.metrics)
            for sample in family.samples
            if sample.name == name
        ]

    def told(self) -> Counter[tuple[str, str]]:
        """Types and reasons of the Secret's events."""
        found = self.client.request("GET", f"/api/v1/namespaces/{NAMESPACE}/events")["items"]
        return Counter(
            (event["type"], event["reason"]) for event in found if event["involvedObject"]["kind"] == "Secret"
        )

    def put_pair(self, certificate: bytes, key: bytes) -> None:
        data = {"tls.crt": base64.b64encode(certificate).decode(), "tls.key": base64.b64encode(key).decode()}
        self.client.request("PATCH", SECRET, {"data": data}, content="application/merge-patch+json")

    def scale_controller(self, replicas: int) -> None:
        self.release.scale("controller", replicas)
        self.until(lambda: len(self.release.replicas("controller")) == replicas, f"{replicas} controllers")

    @contextmanager
    def asked(self) -> Iterator[Counter[str]]:
        """Meanwhile the API server is asked for refusals without a pause, and each replica for new connections by a
        client that trusts what the API server was told to trust before; counts what came of it.
        """
        turns = itertools.cycle(self.addresses())

        def connect() -> str:
            try:
                self.served(next(turns), self.bundles()[0])
            except OSError as error:
                return str(error)
            return "connected"

        with in_flight(self.refusal, self.refusal, connect) as answers:
            yield answers


@pytest.fixture(scope="module")
def rig() -> Iterator[Rig]:
    """A control plane of its own: these tests take the webhook's certificate away from everybody."""
    with ControlPlane.start() as cluster:
        cluster.client.request("POST", "/api/v1/nodes", nodes.node("small", nodes.T4, 1))
        labels = {ENFORCEMENT_LABEL: "enforce"}
        cluster.client.request("POST", "/api/v1/namespaces", {"metadata": {"name": "enforced", "labels": labels}})
        # What is lost shall show, not that a machine is slow.
        release = Installation(cluster, {"inventory": {"complete": True}}, {"webhook": {"timeoutSeconds": 10}})
        release.install()
        found = Rig(cluster, release)
        found.until(lambda: found.refusal() == "refused", "a refusal")
        yield found


def test_two_replicas_serve_the_certificate_that_every_entry_trusts(rig: Rig) -> None:
    rig.until(lambda: rig.all_serve(rig.data()["tls.crt"]), "both replicas with one certificate")
    assert len(set(rig.bundles())) == 1
    expiry = x509.load_pem_x509_certificate(rig.data()["tls.crt"]).not_valid_after_utc.timestamp()
    for component in ("webhook", "webhook", "controller"):
        assert set(rig.samples(component, "llmjob_certificate_expiry_timestamp_seconds")) == {expiry}
    assert rig.samples("webhook", "llmjob_certificate_last_reload_successful") == [1, 1]
    assert rig.told() == {("Normal", "CertificateCreated"): 1}


def test_a_deleted_secret_comes_back_within_seconds_and_no_request_is_lost(rig: Rig) -> None:
    before = rig.data()["tls.crt"]
    with rig.asked() as answers:
        rig.client.request("DELETE", SECRET)
        started = time.monotonic()
        rig.until(lambda: rig.data().get("tls.crt"), "a certificate", 20)
        assert time.monotonic() - started < 15
        rig.until(lambda: rig.all_serve(rig.data()["tls.crt"]), "both replicas with the new certificate")
    assert rig.data()["tls.crt"] != before
    assert set(answers) == {"refused", "connected"}
    assert min(answers.values()) > 10
    rig.until(lambda: rig.told()["Warning", "CertificateMissing"] == 1, "an event")


@pytest.mark.parametrize("kind", ["expired", "broken"])
def test_the_last_good_pair_is_kept_and_that_is_said_until_the_controller_replaces_the_bad_one(
    rig: Rig, kind: str, tmp_path: Any
) -> None:
    good = rig.data()["tls.crt"]
    replaced = rig.told()["Warning", "CertificateReplaced"]
    expiry = rig.samples("webhook", "llmjob_certificate_expiry_timestamp_seconds")
    life = timedelta(seconds=-5) if kind == "expired" else timedelta(days=1)
    Authority.make(life=life).write_server(tmp_path / "crt", tmp_path / "key", (HOST,))
    certificate, key = (tmp_path / "crt").read_bytes(), (tmp_path / "key").read_bytes()
    rig.scale_controller(0)
    try:
        with rig.asked() as answers:
            rig.put_pair(b"garbage" if kind == "broken" else certificate, key)
            reloads = "llmjob_certificate_last_reload_successful"
            rig.until(lambda: rig.samples("webhook", reloads) == [0, 0], "both replicas to say so")
            assert rig.all_serve(good)
            assert rig.samples("webhook", "llmjob_certificate_expiry_timestamp_seconds") == expiry
            rig.scale_controller(1)
            rig.until(lambda: rig.samples("webhook", reloads) == [1, 1], "both replicas with a good pair")
            rig.until(lambda: rig.all_serve(rig.data()["tls.crt"]), "both replicas with the new certificate")
    finally:
        rig.scale_controller(1)
    assert set(answers) == {"refused", "connected"}
    rig.until(lambda: rig.told()["Warning", "CertificateReplaced"] == replaced + 1, "an event")


def test_garbage_throughout_the_secret_is_replaced(rig: Rig) -> None:
    replaced = rig.told()["Warning", "CertificateReplaced"]
    garbage = dict.fromkeys(("tls.crt", "tls.key", "ca.crt", "ca.key"), base64.b64encode(b"garbage").decode())
    with rig.asked() as answers:
        rig.client.request("PATCH", SECRET, {"data": garbage}, content="application/merge-patch+json")
        rig.until(lambda: b"BEGIN CERTIFICATE" in rig.data()["tls.crt"], "a certificate", 20)
        rig.until(lambda: rig.all_serve(rig.data()["tls.crt"]), "both replicas with it")
    assert set(answers) == {"refused", "connected"}
    rig.until(lambda: rig.told()["Warning", "CertificateReplaced"] == replaced + 2, "events of both parts")


@pytest.mark.parametrize("path", PATHS, ids=["mutating", "validating"])
def test_a_patch_of_a_version_that_is_no_more_is_a_conflict(rig: Rig, path: str) -> None:
    old = rig.client.request("GET", path)
    rig.client.request(
        "PATCH", path, {"metadata": {"labels": {"changed": "1"}}}, content="application/merge-patch+json"
    )
    endpoint = Endpoint(service=(NAMESPACE, "llmjob-webhook"))
    with pytest.raises(RequestFailed) as error:
        rig.client.request("PATCH", path, patch(old, endpoint, b"new"), content=JSON_PATCH)
    assert error.value.status == 409
    now, trusted = rig.client.request("GET", path), rig.data()["ca.crt"].decode()
    rig.client.request("PATCH", path, patch(now, endpoint, b"new"), content=JSON_PATCH)
    rig.until(lambda: set(rig.bundles()) == {trusted}, "what the controller writes", 5)


def test_an_upgrade_takes_over_to_a_certificate_of_ones_own_and_back(rig: Rig, tmp_path: Any) -> None:
    """Before all that change the configurations by hand, for helm finds what somebody else wrote a conflict."""
    authority = Authority.make(life=timedelta(days=1))
    authority.write_server(tmp_path / "crt", tmp_path / "key", (HOST,))
    data = {
        name: base64.b64encode((tmp_path / part).read_bytes()).decode()
        for name, part in (("tls.crt", "crt"), ("tls.key", "key"))
    }
    secret = {"metadata": {"name": "mine"}, "type": "kubernetes.io/tls", "data": data}
    rig.client.request("POST", f"/api/v1/namespaces/{NAMESPACE}/secrets", secret)
    bundle = base64.b64encode(authority.pem).decode()
    webhook, certificates = rig.release.values["webhook"], {"mode": "existing", "secretName": "mine"}
    rig.release.upgrade({"webhook": {**webhook, "caBundle": bundle}, "certificates": certificates})
    rig.until(lambda: rig.refusal() == "refused", "a refusal by the certificate that was given")
    assert set(rig.bundles()) == {authority.pem.decode()}
    assert rig.all_serve((tmp_path / "crt").read_bytes())
    rig.release.upgrade({"webhook": webhook, "certificates": {"mode": "controller"}})
    rig.until(lambda: rig.refusal() == "refused", "a refusal by the controller's certificate")
    assert authority.pem.decode() not in rig.bundles()


@pytest.mark.parametrize("path", PATHS, ids=["mutating", "validating"])
def test_a_ca_bundle_taken_away_comes_back_within_seconds(rig: Rig, path: str) -> None:
    before = rig.bundles()
    for change in (
        {"op": "remove"},
        {"op": "replace", "value": base64.b64encode(Authority.make().pem).decode()},
    ):
        operation = {"path": "/webhooks/0/clientConfig/caBundle", **change}
        rig.client.request("PATCH", path, [operation], content=JSON_PATCH)
        rig.until(lambda: rig.bundles() == before, "the caBundle as it was", 5)


def test_entries_of_another_release_are_left_alone_and_that_is_said(rig: Rig) -> None:
    path = PATHS[1]
    ours = rig.client.request("GET", path)
    theirs = json.loads(json.dumps(ours))
    for entry in theirs["webhooks"]:
        entry["clientConfig"]["service"]["namespace"] = "elsewhere"
        del entry["clientConfig"]["caBundle"]
    rig.client.request("PUT", path, theirs)
    try:
        rig.until(lambda: rig.told()["Warning", "AnotherRelease"] == 1, "an event")
        # The other configuration is still ours, and seen to after this one.
        rig.client.request("PATCH", PATHS[0], [{"op": "remove", "path": "/webhooks/0/clientConfig/caBundle"}],
                           content=JSON_PATCH)  # fmt: skip
        rig.until(lambda: "caBundle" in rig.client.request("GET", PATHS[0])["webhooks"][0]["clientConfig"],
                  "the caBundle of the other configuration")  # fmt: skip
        left = rig.client.request("GET", path)
        assert all("caBundle" not in entry["clientConfig"] for entry in left["webhooks"])
    finally:
        ours["metadata"]["resourceVersion"] = rig.client.request("GET", path)["metadata"]["resourceVersion"]
        rig.client.request("PUT", path, ours)
    rig.until(lambda: rig.refusal() == "refused", "a refusal")


def test_an_upgrade_keeps_certificate_and_trust_even_of_a_secret_that_was_made_anew(rig: Rig) -> None:
    data, bundles = rig.data(), rig.bundles()
    rig.release.upgrade({"settings": {"inventory": {"complete": True}, "defaultEnforcement": "enforce"}})
    assert (rig.data(), rig.bundles()) == (data, bundles)


def test_rotation_with_requests_in_flight_loses_none(rig: Rig) -> None:
    """Certificates of half a minute, renewed every twenty seconds, and three authorities.

    After all upgrades, for helm finds a Deployment that somebody else changed a conflict.
    """
    flag = [{"op": "add", "path": "/spec/template/spec/containers/0/args/-", "value": "--certificate-validity=30s"}]
    [replaced] = rig.release.replicas("controller")
    rig.client.request("PATCH", CONTROLLER, flag, content=JSON_PATCH)
    rig.until(lambda: [replaced] != rig.release.replicas("controller") != [], "the new controller")
    seen: set[bytes] = set()
    authority = rig.data()["ca.key"]

    def rotated(count: int) -> Callable[[], bool]:
        def enough() -> bool:
            seen.add(rig.data().get("tls.crt", b""))
            return len(seen - {b""}) > count

        return enough

    with rig.asked() as answers:
        # The long-lived one goes with its Secret, the second by renewal, the third with its authority.
        rig.client.request("DELETE", SECRET)
        rig.until(rotated(1), "a renewal", 120)
        rig.until(lambda: rig.data()["ca.key"] != authority, "another authority")
        rig.client.request("PATCH", SECRET, {"data": {"ca.key": ""}}, content="application/merge-patch+json")
        rig.until(rotated(2), "a certificate of a new authority", 120)
        rig.until(lambda: rig.all_serve(rig.data()["tls.crt"]), "both replicas with the last certificate")
    assert set(answers) == {"refused", "connected"}
    assert answers["connected"] > 100
    served = x509.load_pem_x509_certificate(rig.data()["tls.crt"])
    assert served.not_valid_after_utc - datetime.now(UTC) <= timedelta(seconds=30)
    assert sum(rig.samples("controller", "llmjob_certificate_rotations_total")) >= 3


def test_uninstall_takes_the_secret_along_even_one_made_anew_by_a_controller_that_never_saw_the_old(rig: Rig) -> None:
    rig.scale_controller(0)
    rig.client.request("DELETE", SECRET)
    rig.scale_controller(1)
    rig.until(lambda: rig.data().get("tls.crt"), "a certificate")
    rig.release.uninstall()
    assert not rig.client.exists(SECRET)
