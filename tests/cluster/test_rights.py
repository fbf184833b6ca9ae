"""The API server's audit log of a release's life beside the rendered rules: they agree verb by verb, both ways."""

import json
from base64 import b64encode
from dataclasses import dataclass
from typing import Any

import pytest
import yaml

from controlplane import nodes
from controlplane.client import Client
from controlplane.installation import NAMESPACE, RELEASE, SECRET, Installation
from controlplane.rights import Record, Right, granted, without_grant, without_use
from controlplane.start import ControlPlane
from llmjob.names import ENFORCEMENT_LABEL, JOB_LABEL
from llmjob.runtime.certificates.configurations import PATHS
from tests.cluster.support import answer, eventually, job, jobs

MERGE = "application/merge-patch+json"
SECRET_PATH = f"/api/v1/namespaces/{NAMESPACE}/secrets/{SECRET}"
ACCOUNTS = ("llmjob-webhook", "llmjob-controller", "llmjob-test")


def refused(client: Client) -> bool:
    return answer(client, "team") == "refused"


def use_jobs_and_pods(client: Client) -> None:
    """A job that is judged, one that is refused, and a pod that names one that nobody knows."""
    client.request("POST", "/api/v1/nodes", nodes.node("t4", nodes.T4, 1))
    labels = {ENFORCEMENT_LABEL: "enforce"}
    client.request("POST", "/api/v1/namespaces", {"metadata": {"name": "team", "labels": labels}})
    eventually(lambda: client.exists("/api/v1/namespaces/team/serviceaccounts/default"), 60)
    eventually(lambda: refused(client), 60)
    client.request("POST", jobs("team"), job("small", "1B"))
    eventually(lambda: "status" in client.request("GET", jobs("team", "small")), 60)
    container = {"name": "main", "image": "x", "resources": {"limits": {nodes.GPU_RESOURCE: "1"}}}
    pod = {
        "metadata": {"name": "early", "labels": {JOB_LABEL: "absent"}},
        "spec": {"containers": [container]},
    }
    client.request("POST", "/api/v1/namespaces/team/pods", pod)


def mistake_the_settings(release: Installation, client: Client) -> None:
    release.set_settings("inventory: {complet: true}\n")
    events = f"/api/v1/namespaces/{NAMESPACE}/events"
    eventually(lambda: "SettingsInvalid" in {event["reason"] for event in client.request("GET", events)["items"]}, 60)
    release.set_settings("inventory: {complete: true}\n")


def take_the_certificate(client: Client) -> None:
    """Delete the Secret, fill it with garbage, empty every caBundle; each is made good again."""
    before = client.request("GET", SECRET_PATH)["metadata"]["uid"]
    client.request("DELETE", SECRET_PATH)
    eventually(
        lambda: client.exists(SECRET_PATH) and client.request("GET", SECRET_PATH)["metadata"]["uid"] != before, 60
    )
    garbage = b64encode(b"garbage").decode()
    client.request("PATCH", SECRET_PATH, {"data": {"tls.crt": garbage}}, content=MERGE)
    eventually(lambda: client.request("GET", SECRET_PATH)["data"]["tls.crt"] != garbage, 60)
    for path in PATHS:
        entries = client.request("GET", path)["webhooks"]
        for entry in entries:
            del entry["clientConfig"]["caBundle"]
        client.request("PATCH", path, {"webhooks": entries}, content=MERGE)
        eventually(
            lambda path=path: all("caBundle" in e["clientConfig"] for e in client.request("GET", path)["webhooks"]), 60
        )
    eventually(lambda: refused(client), 60)


@dataclass
class Life:
    """The audit log of all that a release meets in its life but its end, and what helm says that it gave."""

    lines: list[str]
    settled: list[str]
    objects: list[dict[str, Any]]


@pytest.fixture(scope="module")
def life() -> Life:
    """`settled` lacks the lines of an API server that is not ready: it refuses whom it does not know yet."""
    with ControlPlane.start(audit=True) as control_plane:

        def lines() -> list[str]:
            return control_plane.layout.audit_log.read_text().splitlines()

        release = Installation(control_plane, {"inventory": {"complete": True}})
        release.install()
        use_jobs_and_pods(control_plane.client)
        mistake_the_settings(release, control_plane.client)
        take_the_certificate(control_plane.client)
        before = lines()
        control_plane.restart_api_server()
        ready = len(lines())
        eventually(lambda: refused(control_plane.client), 60)
        control_plane.helm("test", RELEASE, "--namespace", NAMESPACE)
        texts = [
            control_plane.helm("get", what, RELEASE, "--namespace", NAMESPACE).stdout for what in ("manifest", "hooks")
        ]
        found = lines()
        objects = [item for text in texts for item in yaml.safe_load_all(text) if item]
    return Life(found, before + found[ready:], objects)


def is_discovery(use: Right) -> bool:
    return use.verb == "get" and use.resource.startswith("/api")


@pytest.mark.parametrize("account", ACCOUNTS)
def test_what_an_account_does_and_what_it_may_do_are_the_same(life: Life, account: str) -> None:
    rights = granted(life.objects, NAMESPACE, account)
    used = Record.of(life.lines, NAMESPACE, account).used
    assert rights
    # What resources there are, which Kopf asks for, every account may ask (system:discovery).
    assert without_grant((use for use in used if not is_discovery(use)), rights) == []
    assert without_use(used, rights) == []


@pytest.mark.parametrize("account", ACCOUNTS)
def test_no_account_asks_for_what_it_may_not_do(life: Life, account: str) -> None:
    assert Record.of(life.settled, NAMESPACE, account).forbidden == frozenset()


def test_no_process_is_known_by_another_name(life: Life) -> None:
    """Whoever asks from a pod of the release is one of the accounts: nobody has an administrator's rights."""
    entries = [json.loads(line) for line in life.lines]
    agents = {
        entry["user"]["username"]
        for entry in entries
        if entry.get("userAgent", "").startswith(("llmjob", "kopf")) or "kopf" in entry.get("userAgent", "")
    }
    assert agents == {f"system:serviceaccount:{NAMESPACE}:llmjob-{name}" for name in ("webhook", "controller")}
