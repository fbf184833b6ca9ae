import base64

import pytest

from llmjob.runtime.certificates.configurations import Endpoint, bundles, disown, others, patch

SERVICE = Endpoint(service=("llmjob-system", "llmjob-webhook"))
OURS = {"service": {"namespace": "llmjob-system", "name": "llmjob-webhook", "path": "/v1/warn/pods/mutate"}}
THEIRS = {"service": {"namespace": "other", "name": "llmjob-webhook", "path": "/v1/warn/pods/mutate"}}


def text(content):
    return base64.b64encode(content).decode()


def configuration(*clients):
    entries = [{"name": f"e{index}", "clientConfig": client} for index, client in enumerate(clients)]
    return {"metadata": {"name": "llmjob-admission", "resourceVersion": "7"}, "webhooks": entries}


def test_a_service_is_called_by_its_name_without_the_clusters_domain():
    assert SERVICE.names == ("llmjob-webhook.llmjob-system.svc",)
    assert Endpoint(host="webhook.example").names == ("webhook.example",)


@pytest.mark.parametrize(
    ("endpoint", "client", "ours"),
    [
        (SERVICE, OURS, True),
        (SERVICE, THEIRS, False),
        (SERVICE, {"service": {"namespace": "llmjob-system", "name": "other"}}, False),
        (SERVICE, {"url": "https://llmjob-webhook.llmjob-system.svc/v1"}, False),
        (SERVICE, {}, False),
        (Endpoint(host="webhook.example"), {"url": "https://Webhook.Example:8443/v1/warn"}, True),
        (Endpoint(host="webhook.example"), {"url": "https://other.example:8443/v1/warn"}, False),
        (Endpoint(host="webhook.example"), {"url": "https://[broken"}, False),
        (Endpoint(host="webhook.example"), OURS, False),
        (Endpoint(host="::1"), {"url": "https://[::1]:8443/v1/warn"}, True),
        (Endpoint(host="::1"), {"url": "https://[0:0::1]:8443/v1/warn"}, True),
    ],
)
def test_entries_are_ours_by_where_they_lead(endpoint, client, ours):
    found = configuration(client)
    assert bool(patch(found, endpoint, b"new")) is ours
    assert bool(others(found, endpoint)) is not ours


def test_only_entries_of_ours_that_differ_are_patched_and_only_in_the_version_read():
    same = {**OURS, "caBundle": text(b"new")}
    found = configuration(same, THEIRS, OURS, {**OURS, "caBundle": text(b"old")})
    assert patch(found, SERVICE, b"new") == [
        {"op": "replace", "path": "/metadata/resourceVersion", "value": "7"},
        {"op": "add", "path": "/webhooks/2/clientConfig/caBundle", "value": text(b"new")},
        {"op": "add", "path": "/webhooks/3/clientConfig/caBundle", "value": text(b"new")},
    ]


@pytest.mark.parametrize("found", [None, configuration(), configuration({**OURS, "caBundle": text(b"new")})])
def test_where_nothing_differs_nothing_is_patched(found):
    assert patch(found, SERVICE, b"new") == []


HELM, WE = {"manager": "helm", "operation": "Apply"}, {"manager": "llmjob", "operation": "Update"}


@pytest.mark.parametrize("fields", [None, [], [HELM], [WE]])
def test_where_nothing_is_ours_alone_nothing_is_disowned(fields):
    assert disown({"metadata": {"resourceVersion": "7", "managedFields": fields}}) == []
    assert disown(None) == []


def test_what_we_wrote_is_disowned_in_the_version_read():
    assert disown({"metadata": {"resourceVersion": "7", "managedFields": [HELM, WE]}}) == [
        {"op": "replace", "path": "/metadata/resourceVersion", "value": "7"},
        {"op": "replace", "path": "/metadata/managedFields", "value": [HELM]},
    ]


def test_bundles_are_those_of_our_entries():
    found = configuration({**OURS, "caBundle": text(b"one")}, {**THEIRS, "caBundle": text(b"two")}, OURS)
    assert bundles(found, SERVICE) == [b"one", b""]
    assert bundles(configuration({**OURS, "caBundle": "no base64!"}), SERVICE) == [b""]
    assert bundles(None, SERVICE) == []


def test_other_places_are_named_once():
    found = configuration(THEIRS, THEIRS, {"url": "https://webhook.example:8443/v1"}, OURS)
    assert others(found, SERVICE) == ["Service other/llmjob-webhook", "https://webhook.example"]
