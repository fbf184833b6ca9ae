"""Settings of the installed release, changed as an administrator would; on a control plane of its own, since what is
wrong with them for a moment would be wrong for every other test.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from controlplane import nodes
from controlplane.installation import NAMESPACE, Installation
from controlplane.start import ControlPlane
from tests.cluster.support import answer, eventually, job, jobs

COMPLETE = "inventory: {complete: true}\n"
CONFIG_MAP = f"/api/v1/namespaces/{NAMESPACE}/configmaps/llmjob-settings"
RELOADED = "llmjob_settings_last_reload_successful"


@dataclass
class Rig:
    """A release with two webhooks and a controller, a fleet of one T4, and a job that is too large for it."""

    cluster: ControlPlane
    release: Installation

    def reloaded(self) -> list[float]:
        """What each process says of its last reading of the settings."""
        return [
            sample.value
            for component in ("webhook", "controller")
            for replica in self.release.replicas(component)
            for family in text_string_to_metric_families(replica.metrics)
            for sample in family.samples
            if sample.name == RELOADED
        ]

    def refused(self) -> bool:
        """Whether the job, made anew in a namespace that enforces, is refused."""
        return answer(self.cluster.client, "enforced") == "refused"

    def reason(self) -> str:
        found = self.cluster.client.request("GET", jobs("watched", "large"))
        return str(found.get("status", {}).get("summary", {}).get("reason"))

    def verdicts(self) -> set[str]:
        """The reasons that the controller's metrics give for the job."""
        [controller] = self.release.replicas("controller")
        return {
            sample.labels["reason"]
            for family in text_string_to_metric_families(controller.metrics)
            for sample in family.samples
            if sample.name == "llmjob_verdict_info"
        }

    def events(self) -> list[tuple[str, str, str]]:
        """Of the ConfigMap, the oldest first."""
        items = self.cluster.client.request("GET", f"/api/v1/namespaces/{NAMESPACE}/events")["items"]
        items.sort(key=lambda item: int(item["metadata"]["resourceVersion"]))
        return [
            (item["type"], item["reason"], item["message"])
            for item in items
            if (item["involvedObject"]["kind"], item["involvedObject"]["name"]) == ("ConfigMap", "llmjob-settings")
        ]

    def logs(self) -> list[str]:
        """All that each pod has written."""
        return [
            self.release.agent.log(replica.name, component)
            for component in ("webhook", "controller")
            for replica in self.release.replicas(component)
        ]


@pytest.fixture(scope="module")
def started() -> Iterator[Rig]:
    with ControlPlane.start() as cluster:
        cluster.client.request("POST", "/api/v1/nodes", nodes.node("small", nodes.T4))
        for name, level in (("watched", "warn"), ("enforced", "enforce")):
            metadata = {"name": name, "labels": {"llmjob.dev/enforcement": level}}
            cluster.client.request("POST", "/api/v1/namespaces", {"metadata": metadata})
        release = Installation(cluster, {"inventory": {"complete": True}})
        release.install()
        rig = Rig(cluster, release)
        eventually(rig.refused)
        cluster.client.request("POST", jobs("watched"), job("large", "405B"))
        yield rig


@pytest.fixture
def rig(started: Rig) -> Iterator[Rig]:
    """Good settings in force before and after each test."""
    eventually(lambda: started.reason() == "InsufficientGPUMemory" and started.refused())
    yield started
    started.release.set_settings(COMPLETE)
    eventually(lambda: started.reloaded() == [1, 1, 1])


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("inventory: {complete: false, compleet: false}\n", "inventory.compleet is unknown"),
        ("inventory: {complete: false}\nviews: {maxAge: 10}\n", "views.maxAge: is no duration"),
    ],
    ids=["unknown key", "wrong unit"],
)
def test_a_mistake_leaves_the_last_good_settings_and_every_process_says_so(rig: Rig, text: str, named: str) -> None:
    before = len(rig.events())
    rig.release.set_settings(text)
    eventually(lambda: rig.reloaded() == [0, 0, 0])
    assert rig.refused()
    assert all(named in log for log in rig.logs())
    [(kind, reason, message)] = eventually(lambda: rig.events()[before:])
    assert (kind, reason) == ("Warning", "SettingsInvalid")
    assert named in message
    rig.release.set_settings(COMPLETE)
    eventually(lambda: rig.reloaded() == [1, 1, 1])
    eventually(lambda: [found[:2] for found in rig.events()[before + 1 :]] == [("Normal", "SettingsValid")])


def test_the_kill_switch_acts_in_settings_that_are_wrong_otherwise(rig: Rig) -> None:
    rig.release.set_settings("enabled: false\nviews: {maxAge: 10}\n")
    eventually(lambda: not rig.refused())
    assert rig.reloaded() == [0, 0, 0]
    rig.release.set_settings(COMPLETE)
    eventually(rig.refused)
    eventually(lambda: rig.reloaded() == [1, 1, 1])


def test_a_config_map_that_is_deleted_or_lost_its_key_leaves_the_last_good_settings(rig: Rig) -> None:
    client, before = rig.cluster.client, len(rig.events())
    stored = client.request("GET", CONFIG_MAP)
    client.request("DELETE", CONFIG_MAP)
    eventually(lambda: rig.reloaded() == [0, 0, 0])
    [(_, _, message)] = eventually(lambda: rig.events()[before:])
    assert "there is no such ConfigMap" in message
    del stored["metadata"]["resourceVersion"], stored["metadata"]["uid"]
    client.request("POST", CONFIG_MAP.rpartition("/")[0], {**stored, "data": {"other": "enabled: false"}})
    eventually(lambda: len(rig.events()) == before + 2)
    assert "no key settings.yaml; it holds other" in rig.events()[-1][2]
    assert rig.refused()
    assert rig.reloaded() == [0, 0, 0]


def test_the_kill_switch_acts_within_seconds_in_both_processes(rig: Rig) -> None:
    rig.release.set_settings(COMPLETE + "enabled: false\n")
    eventually(lambda: not rig.refused(), 5)
    rig.release.set_settings(COMPLETE)
    eventually(rig.refused, 5)


def test_a_change_judges_every_job_again_in_status_and_metrics(rig: Rig) -> None:
    assert rig.verdicts() == {"InsufficientGPUMemory"}
    rig.release.set_settings("inventory: {complete: false}\n")
    eventually(lambda: rig.reason() == "IncompleteInventory", 5)
    assert rig.verdicts() == {"IncompleteInventory"}
    assert not rig.refused()


def test_a_start_with_a_mistake_ends_with_64_and_its_pod_names_the_key(rig: Rig) -> None:
    path = f"/api/v1/namespaces/{NAMESPACE}/pods"
    selector = "labelSelector=app.kubernetes.io/component=controller"
    [old] = rig.release.replicas("controller")
    rig.release.set_settings("enabeld: true\n")
    rig.cluster.client.request("DELETE", f"{path}/{old.name}")

    def ended_again() -> dict[str, Any] | None:
        for pod in rig.cluster.client.request("GET", f"{path}?{selector}")["items"]:
            for status in pod["status"].get("containerStatuses", []):
                ended = status["state"].get("terminated") or status.get("lastState", {}).get("terminated")
                if pod["metadata"]["name"] != old.name and status["restartCount"] >= 1 and ended:
                    return dict(ended)
        return None

    found = eventually(ended_again, 60)
    assert found["exitCode"] == 64
    lines = found["message"].strip().splitlines()  # what kubectl describe shows
    assert "configmap:llmjob-system/llmjob-settings: enabeld is unknown; did you mean enabled?" in lines[-1]
    rig.release.set_settings(COMPLETE)
    eventually(lambda: len(rig.release.replicas("controller")) == 1, 60)


def test_list_and_watch_of_one_name_are_all_that_reading_the_settings_needs(rig: Rig) -> None:
    client, path = rig.cluster.client, f"/apis/rbac.authorization.k8s.io/v1/namespaces/{NAMESPACE}"
    rule = {
        "apiGroups": [""], "resources": ["configmaps"], "resourceNames": ["llmjob-settings"], "verbs": ["list", "watch"]
    }  # fmt: skip
    client.request("POST", f"{path}/roles", {"metadata": {"name": "reader"}, "rules": [rule]})
    subject = {"kind": "ServiceAccount", "name": "reader", "namespace": NAMESPACE}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "reader"}
    binding = {"metadata": {"name": "reader"}, "roleRef": role, "subjects": [subject]}
    client.request("POST", f"{path}/rolebindings", binding)

    def may(query: str) -> bool:
        asked = CONFIG_MAP.rpartition("/")[0] + query
        answer = rig.cluster.kubectl(
            "get", "--raw", asked, f"--as=system:serviceaccount:{NAMESPACE}:reader", check=False
        )
        assert answer.returncode == 0 or "Forbidden" in answer.stderr, answer.stderr
        return answer.returncode == 0

    named = "?fieldSelector=metadata.name%3Dllmjob-settings"
    eventually(lambda: may(named))
    assert may(f"{named}&watch=true&timeoutSeconds=1")
    assert not may("")
    assert not may("?fieldSelector=metadata.name%3Dother")
