"""The controller's certificates over simulated time: a store with the API server's rules for versions and patches,
replicas that pick a new pair up early or late, API servers that learn of a caBundle late. What a caller would accept
is judged by the `cryptography` package's own verifier of TLS servers.
"""

import asyncio
import base64
import copy
import itertools
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError
from prometheus_client import CollectorRegistry

from llmjob.runtime.certificates.authority import certificates_of
from llmjob.runtime.certificates.configurations import PATHS, Endpoint
from llmjob.runtime.certificates.keeper import Certificates, Order
from llmjob.runtime.cluster import ClusterError
from llmjob.runtime.metrics import Rotations

START = datetime(2026, 1, 1, tzinfo=UTC)
SECRETS = "/api/v1/namespaces/system/secrets"
SECRET = f"{SECRETS}/tls"
EVENTS = "/api/v1/namespaces/system/events"
NAME = "hook.system.svc"
OURS = {"service": {"namespace": "system", "name": "hook"}}
THEIRS = {"service": {"namespace": "elsewhere", "name": "hook"}}


class Api:
    """Objects by path, each write a new version; `failure` is raised by every request."""

    def __init__(self) -> None:
        self.objects: dict[str, dict] = {}
        self.events: list[dict] = []
        self.writes: list[str] = []
        self.read_since_write = 0
        self.failure: ClusterError | None = None
        self.before_write = lambda: None
        self._versions = itertools.count(1)

    def put(self, path, content):
        content.setdefault("metadata", {})["resourceVersion"] = str(next(self._versions))
        self.objects[path] = content
        self.read_since_write = 0

    async def get(self, path):
        if self.failure:
            raise self.failure
        self.read_since_write += 1
        return copy.deepcopy(self.objects.get(path))

    def _write(self, path, version, change):
        if self.failure:
            raise self.failure
        before, self.before_write = self.before_write, lambda: None
        before()
        found = self.objects.get(path)
        if found is None:
            raise ClusterError("gone", 404)
        if found["metadata"]["resourceVersion"] != version:
            raise ClusterError("conflict", 409)
        change(found)
        self.put(path, found)
        self.writes.append(path)
        return copy.deepcopy(found)

    async def create(self, path, content):
        if path == EVENTS:
            assert content["involvedObject"]["namespace"] == content["metadata"]["namespace"] == "system"
            self.events.append(content)
            return content
        if self.failure:
            raise self.failure
        path = f"{path}/{content['metadata']['name']}"
        if path in self.objects:
            raise ClusterError("there is one", 409)
        self.put(path, copy.deepcopy({**content, "data": dict(content["data"])}))
        self.writes.append(path)
        return copy.deepcopy(self.objects[path])

    async def merge(self, path, patch):
        def change(found):
            found["data"] = {**(found.get("data") or {}), **patch["data"]}

        return self._write(path, patch["metadata"]["resourceVersion"], change)

    async def patch(self, path, operations):
        version, *rest = operations
        assert (version["op"], version["path"]) == ("replace", "/metadata/resourceVersion")

        def change(found):
            for operation in rest:
                if operation["path"] == "/metadata/managedFields":
                    found["metadata"]["managedFields"] = operation["value"]
                    continue
                _, _, index, _, key = operation["path"].split("/")
                found["webhooks"][int(index)]["clientConfig"][key] = operation["value"]

        return self._write(path, version["value"], change)

    async def watch_one(self, collection, name):
        await asyncio.Event().wait()
        yield {collection: name}

    @property
    def told(self):
        return [(event["type"], event["reason"]) for event in self.events]

    def entry(self, key):
        return base64.b64decode(self.objects[SECRET]["data"].get(key, ""))

    @property
    def bundles(self):
        clients = [entry["clientConfig"] for path in PATHS for entry in self.objects[path]["webhooks"]]
        return [
            base64.b64decode(client.get("caBundle", "")) for client in clients if client["service"] == OURS["service"]
        ]

    def configure(self, *clients):
        for path in PATHS:
            self.put(path, {"webhooks": [{"clientConfig": dict(client)} for client in clients]})


class Rig:
    """Time, the API, and controllers."""

    def __init__(self, validity=timedelta(hours=1)) -> None:
        self.now = START
        self.api = Api()
        self.api.configure(OURS, OURS)
        self.registry = CollectorRegistry()
        self.rotations = Rotations(self.registry)
        self.validity = validity
        self.controller = self.start()

    def start(self):
        order = Order(secret=("system", "tls"), endpoint=Endpoint(service=("system", "hook")), validity=self.validity)
        return Certificates(order, self.api, self.rotations, lambda: self.now)

    async def settle(self, *controllers, seconds=20):
        """Let them look as they would for some time."""
        until = self.now + timedelta(seconds=seconds)
        due = dict.fromkeys(controllers or (self.controller,), self.now)
        while (moment := min(due.values())) <= until:
            self.now = moment
            for controller in [found for found, at in due.items() if at <= moment]:
                # A look that wrote is followed by another; each takes its time.
                due[controller] = moment + timedelta(seconds=max(await controller.look_and_tell(), 0.1))
        self.now = until

    @property
    def pair(self):
        found = certificates_of(self.api.entry("tls.crt"))
        return found[0] if found else None


def accepted(certificate, bundle, at):
    """Whether a client that trusts the bundle accepts the server's certificate."""
    trusted = certificates_of(bundle)
    if not trusted:
        return False
    verifier = (
        PolicyBuilder().store(Store(trusted)).time(at.replace(tzinfo=None)).build_server_verifier(x509.DNSName(NAME))
    )
    try:
        verifier.verify(certificate, [])
    except VerificationError:
        return False
    return True


def in_use(history, lag, end):
    """Each thing, from when it is in use to when the slowest has replaced it."""
    ends = [*(since + lag for since, _ in history[1:]), end]
    return [(found, since, until) for (since, found), until in zip(history, ends, strict=True)]


@pytest.fixture
def rig():
    return Rig()


def serves(rig):
    return rig.pair is not None and all(accepted(rig.pair, bundle, rig.now) for bundle in rig.api.bundles)


async def test_a_first_installation_has_its_certificate_at_once(rig):
    await rig.settle(seconds=1)
    assert serves(rig)
    assert rig.api.told == [("Normal", "CertificateCreated")]
    assert rig.controller.expiry == rig.pair.not_valid_after_utc.timestamp()


async def test_an_empty_secret_of_the_charts_is_filled_without_a_word_of_faults(rig):
    rig.api.put(SECRET, {"type": "Opaque", "data": {"note": "a2VwdA=="}})
    await rig.settle(seconds=1)
    assert serves(rig)
    assert rig.api.told == [("Normal", "CertificateCreated")]
    assert rig.api.entry("note") == b"kept"


async def test_what_is_right_is_not_written_again(rig):
    await rig.settle(seconds=1)
    rig.api.writes.clear()
    await rig.settle(rig.controller, rig.start(), seconds=600)
    assert rig.api.writes == []


async def test_before_the_configurations_are_there_the_charts_secret_is_filled(rig):
    rig.api.objects.clear()
    rig.api.put(SECRET, {"type": "Opaque"})
    await rig.settle(seconds=1)
    assert rig.pair is not None
    rig.api.configure(OURS)
    await rig.settle(seconds=1)
    assert serves(rig)


async def test_while_it_is_uninstalled_nothing_is_made_anew(rig):
    await rig.settle(seconds=1)
    rig.api.objects.clear()
    assert await rig.controller.look_and_tell() > 10
    assert rig.api.objects == {}
    rig.api.configure(THEIRS)
    await rig.controller.look_and_tell()
    assert SECRET not in rig.api.objects


async def test_it_is_renewed_after_two_thirds_without_a_change_of_trust(rig):
    await rig.settle(seconds=1)
    first, bundles = rig.pair, rig.api.bundles
    await rig.settle(seconds=39 * 60)
    assert rig.pair == first
    await rig.settle(seconds=2 * 60)
    assert rig.pair != first
    assert rig.api.bundles == bundles
    assert rig.api.told[-1] == ("Normal", "CertificateRenewed")
    assert rig.registry.get_sample_value("llmjob_certificate_rotations_total") == 2


async def test_through_many_renewals_no_request_is_lost(rig):
    """Ten hours of one-hour certificates: three authorities. One replica picks a pair up at once, another only after
    two minutes; one API server acts on a caBundle at once, another four seconds after it was written.
    """
    pairs, trusts = [], []
    while rig.now < START + timedelta(hours=10):
        wait = await rig.controller.look_and_tell()
        if not pairs or rig.pair != pairs[-1][1]:
            pairs.append((rig.now, rig.pair))
        if not trusts or rig.api.bundles != trusts[-1][1]:
            trusts.append((rig.now, rig.api.bundles))
        rig.now += timedelta(seconds=max(wait, 0.1))
    checked = 0
    for (pair, since, until), (bundles, first, last) in itertools.product(
        in_use(pairs, timedelta(minutes=2), rig.now), in_use(trusts[1:], timedelta(seconds=4), rig.now)
    ):
        start, end = max(since, first), min(until, last)
        for bundle, moment in itertools.product(set(bundles), (start, end) if start < end else ()):
            assert accepted(pair, bundle, moment), moment
            checked += 1
    assert checked > 2 * len(pairs) > 24
    assert rig.api.told.count(("Normal", "AuthorityRenewed")) == 3
    assert not [event for event in rig.api.events if event["type"] == "Warning"]


async def test_an_authority_is_trusted_no_longer_than_it_is_valid(rig):
    await rig.settle(seconds=1)
    [first] = certificates_of(rig.api.bundles[0])
    await rig.settle(seconds=4 * 3600 - 60)
    assert all(first in certificates_of(bundle) for bundle in rig.api.bundles)
    await rig.settle(seconds=180)
    assert not any(first in certificates_of(bundle) for bundle in rig.api.bundles)
    assert serves(rig)


async def test_a_new_authority_signs_only_after_all_had_time_to_trust_it(rig):
    await rig.settle(seconds=1)
    first = rig.pair
    del rig.api.objects[SECRET]
    await rig.settle(seconds=4)
    assert rig.pair is None
    assert len(set(rig.api.bundles)) == 1
    assert len(certificates_of(rig.api.bundles[0])) == 2
    await rig.settle(seconds=4)
    assert serves(rig)
    # A replica that still has the old pair in memory is believed too.
    assert accepted(first, rig.api.bundles[0], rig.now)


async def test_a_deleted_secret_comes_back_and_that_is_told(rig):
    await rig.settle(seconds=1)
    del rig.api.objects[SECRET]
    await rig.settle(seconds=10)
    assert serves(rig)
    assert rig.api.told[1:] == [("Warning", "CertificateMissing"), ("Normal", "CertificateCreated")]


async def test_a_secret_made_anew_bears_what_its_predecessor_bore_so_that_helm_knows_it(rig):
    applied = "kubectl.kubernetes.io/last-applied-configuration"
    labels, annotations = {"app.kubernetes.io/managed-by": "Helm"}, {"meta.helm.sh/release-name": "llmjob"}
    rig.api.put(SECRET, {"metadata": {"labels": labels, "annotations": {**annotations, applied: "old"}}})
    await rig.settle(seconds=1)
    del rig.api.objects[SECRET]
    await rig.settle(seconds=10)
    metadata = rig.api.objects[SECRET]["metadata"]
    assert (metadata["labels"], metadata["annotations"]) == (labels, annotations)


async def test_after_a_restart_a_secret_made_anew_bears_its_releases_labels(rig):
    helms = {"meta.helm.sh/release-name": "llmjob"}
    for path in PATHS:
        rig.api.objects[path]["metadata"].update(labels={"of": "the release"}, annotations=helms)
    await rig.settle(seconds=1)
    metadata = rig.api.objects[SECRET]["metadata"]
    assert metadata["labels"].items() >= {"of": "the release"}.items()
    assert metadata["annotations"] == helms


async def test_no_field_of_a_configuration_stays_known_as_ours_for_an_upgrade_may_state_it(rig):
    helm = {"manager": "helm", "operation": "Apply"}
    for path in PATHS:
        rig.api.objects[path]["metadata"]["managedFields"] = [helm, {"manager": "llmjob", "operation": "Update"}]
    await rig.settle(seconds=1)
    assert [rig.api.objects[path]["metadata"]["managedFields"] for path in PATHS] == [[helm], [helm]]
    assert serves(rig)


async def test_ten_deletions_in_a_row_leave_the_pair_trusted_that_replicas_still_serve(rig):
    await rig.settle(seconds=1)
    first = rig.pair
    for _ in range(10):
        del rig.api.objects[SECRET]
        await rig.settle(seconds=8)
    assert all(accepted(first, bundle, rig.now) for bundle in rig.api.bundles)
    assert serves(rig)


async def test_a_caBundle_that_was_emptied_comes_back_with_all_that_was_trusted(rig):  # noqa: N802
    await rig.settle(seconds=1)
    del rig.api.objects[SECRET]
    await rig.settle(seconds=10)
    before = rig.api.bundles
    rig.api.configure(OURS)
    await rig.settle(seconds=1)
    assert set(rig.api.bundles) == set(before)
    assert len(certificates_of(before[0])) == 2


@pytest.mark.parametrize("keys", [("tls.crt",), ("tls.key",), ("tls.crt", "tls.key"), ("ca.crt",), ("ca.key",),
                                  ("ca.crt", "ca.key"), ("tls.crt", "tls.key", "ca.crt", "ca.key")])  # fmt: skip
@pytest.mark.parametrize("garbage", ["", "Z2FyYmFnZQ==", "no base64!"], ids=["empty", "garbage", "no base64"])
async def test_garbage_is_replaced_and_told(rig, keys, garbage):
    await rig.settle(seconds=1)
    first = rig.pair
    rig.api.objects[SECRET]["data"].update(dict.fromkeys(keys, garbage))
    await rig.settle(seconds=15)
    assert serves(rig)
    assert ("Warning", "CertificateReplaced") in rig.api.told
    assert accepted(first, rig.api.bundles[0], rig.now)
    if "ca.key" not in keys and "ca.crt" not in keys:
        assert len(certificates_of(rig.api.bundles[0])) == 1


async def test_a_good_pair_stays_until_its_successor_may_be_served(rig):
    await rig.settle(seconds=1)
    first = rig.pair
    rig.api.objects[SECRET]["data"]["ca.key"] = "Z2FyYmFnZQ=="
    await rig.settle(seconds=4)
    assert rig.pair == first
    await rig.settle(seconds=10)
    assert rig.pair != first
    assert serves(rig)


async def test_a_pair_for_another_service_is_replaced(rig):
    await rig.settle(seconds=1)
    other = Order(secret=("system", "tls"), endpoint=Endpoint(host="moved.example"), validity=rig.validity)
    await rig.settle(Certificates(other, rig.api, rig.rotations, lambda: rig.now), seconds=1)
    assert "moved.example" in str(rig.pair.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
    assert "not for moved.example" in rig.api.events[-1]["message"] or rig.api.told[-1][1] == "AnotherRelease"


async def test_two_controllers_agree_and_no_write_is_lost(rig):
    second = rig.start()
    await rig.settle(rig.controller, second, seconds=30)
    del rig.api.objects[SECRET]
    await rig.settle(second, rig.controller, seconds=30)
    assert serves(rig)
    rig.api.writes.clear()
    await rig.settle(rig.controller, second, seconds=120)
    assert rig.api.writes == []


async def test_a_write_between_read_and_write_is_not_overwritten(rig):
    await rig.settle(seconds=1)
    rig.api.configure(OURS)
    rig.api.before_write = lambda: rig.api.configure(OURS, OURS, THEIRS)
    await rig.settle(seconds=5)
    assert len(rig.api.bundles) == 4
    assert serves(rig)
    assert all("caBundle" not in rig.api.objects[path]["webhooks"][2]["clientConfig"] for path in PATHS)


async def test_a_secret_that_another_controller_wrote_meanwhile_is_not_overwritten_nor_a_fault(rig):
    await rig.settle(seconds=1)
    good = rig.api.objects[SECRET]["data"]
    rig.api.put(SECRET, {"data": {}})
    rig.api.before_write = lambda: rig.api.put(SECRET, {"data": good})
    await rig.settle(seconds=10)
    assert rig.api.objects[SECRET]["data"]["ca.key"] == good["ca.key"]
    assert serves(rig)
    assert rig.api.told == [("Normal", "CertificateCreated")]


async def test_trust_that_another_controller_spread_counts_from_when_it_is_seen(rig):
    await rig.settle(seconds=60)
    del rig.api.objects[SECRET]
    await rig.settle(rig.start(), seconds=1)
    await rig.settle(rig.controller, seconds=1)
    assert rig.pair is None
    await rig.settle(rig.controller, seconds=5)
    assert serves(rig)


async def test_another_release_is_left_alone_and_told_once_for_each_change(rig):
    rig.api.configure(THEIRS)
    await rig.settle(seconds=300)
    assert all("caBundle" not in rig.api.objects[path]["webhooks"][0]["clientConfig"] for path in PATHS)
    told = [event for event in rig.api.events if event["reason"] == "AnotherRelease"]
    assert len(told) == 1
    assert told[0]["type"] == "Warning"
    assert "Service elsewhere/hook" in told[0]["message"]
    assert "Service system/hook" in told[0]["message"]
    rig.api.configure(OURS)
    await rig.settle(seconds=120)
    rig.api.configure(THEIRS)
    await rig.settle(seconds=120)
    assert len([event for event in rig.api.events if event["reason"] == "AnotherRelease"]) == 2


async def test_an_outage_is_waited_out(rig):
    rig.api.failure = ClusterError("no answer")
    await rig.settle(seconds=30)
    rig.api.failure = None
    await rig.settle(seconds=2)
    assert serves(rig)
    assert rig.api.told == [("Normal", "CertificateCreated")]


@pytest.mark.parametrize("error", ["403 Forbidden: secrets is forbidden", "422 Invalid: field is immutable"])
async def test_a_refusal_is_told_once(rig, error):
    rig.api.failure = ClusterError(error, int(error[:3]))
    await rig.settle(seconds=30)
    assert rig.api.told == [("Warning", "CertificateNotWritten")]
    assert error in rig.api.events[0]["message"]


async def test_after_a_failure_it_looks_again_within_seconds(rig):
    rig.api.failure = ClusterError("no answer")
    assert await rig.controller.look_and_tell() <= 2


async def until(holds, seconds=10):
    async with asyncio.timeout(seconds):
        while not holds():  # noqa: ASYNC110, the store tells nobody
            await asyncio.sleep(0.01)


async def test_a_change_wakes_it(rig):
    seen = asyncio.Event()

    async def watch_one(collection, name):
        yield collection, name
        await seen.wait()
        yield collection, name
        await asyncio.Event().wait()

    rig.api.watch_one = watch_one
    running = asyncio.ensure_future(rig.controller.run())
    await until(lambda: SECRET in rig.api.objects and serves(rig))
    await until(lambda: rig.api.read_since_write >= 3)  # it is at rest, so that only the change can wake it
    rig.api.configure(OURS)
    seen.set()
    await until(lambda: serves(rig))
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
