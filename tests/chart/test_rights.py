"""Least rights: what each ServiceAccount may do, and that nothing is granted that a mode does not need."""

from typing import Any

import pytest

from controlplane.rights import ANY, Right, granted
from llmjob.names import WEBHOOK_CONFIGURATION

pytestmark = pytest.mark.cluster


NAMESPACE = "llmjob-system"


def rights(objects: list[dict[str, Any]], component: str) -> frozenset[Right]:
    """What the component's account may do; never every verb, resource or group."""
    found = granted(objects, NAMESPACE, f"llmjob-{component}")
    assert found
    assert not [right for right in found if ANY in {right.verb, right.group, right.resource}]
    return found


def test_the_webhook_reads_and_writes_nothing(render: Any) -> None:
    found = rights(render(), "webhook")
    assert {right.verb for right in found} <= {"get", "list", "watch"}
    assert {(right.group, right.resource) for right in found} == {
        ("", "nodes"), ("llmjob.dev", "llmjobs"), ("", "configmaps"),
    }  # fmt: skip


@pytest.mark.parametrize("component", ["webhook", "controller"])
def test_only_its_own_settings_are_read(render: Any, component: str) -> None:
    found = rights(render(), component)
    maps = {(right.namespace, right.name) for right in found if right.resource == "configmaps"}
    assert maps == {(NAMESPACE, "llmjob-settings")}


def test_one_secret_and_the_configurations_by_name(render: Any) -> None:
    found = rights(render(), "controller")
    secrets = {right for right in found if right.resource == "secrets"}
    # The right to create cannot be limited by name.
    assert {right for right in secrets if right.name == ANY} == {Right("create", "", "secrets", ANY, NAMESPACE)}
    named = {(right.namespace, right.name) for right in secrets if right.name != ANY}
    assert named == {(NAMESPACE, "llmjob-webhook-tls")}
    configurations = {right.name for right in found if right.resource.endswith("webhookconfigurations")}
    assert configurations == {WEBHOOK_CONFIGURATION}


@pytest.mark.parametrize(
    "sets",
    [("certificates.mode=certManager",), ("webhook.enabled=false",)],
    ids=["cert-manager", "no webhook here"],
)
def test_who_makes_no_certificate_has_no_right_to_one(render: Any, sets: tuple[str, ...]) -> None:
    resources = {(right.group, right.resource) for right in rights(render(*sets), "controller")}
    assert resources == {
        ("", "nodes"), ("", "pods"), ("", "events"), ("", "configmaps"),
        ("llmjob.dev", "llmjobs"), ("llmjob.dev", "llmjobs/status"),
    }  # fmt: skip


def test_every_account_is_bound_to_its_own_roles_only(render: Any) -> None:
    for item in render():
        if item["kind"] in {"RoleBinding", "ClusterRoleBinding"}:
            (subject,) = item["subjects"]
            assert (subject["name"], subject["namespace"]) == (item["roleRef"]["name"], NAMESPACE)


def test_tokens_are_mounted_by_pods_that_say_so(render: Any) -> None:
    for item in render():
        if item["kind"] == "ServiceAccount":
            assert item["automountServiceAccountToken"] is False


def test_helm_test_leaves_no_right_behind(render: Any) -> None:
    hooks = [item for item in render() if "helm.sh/hook" in item["metadata"].get("annotations", {})]
    assert sorted(item["kind"] for item in hooks) == ["Pod", "Role", "RoleBinding", "ServiceAccount"]
    for item in hooks:
        policy = item["metadata"]["annotations"]["helm.sh/hook-delete-policy"].split(",")
        assert {"before-hook-creation", "hook-succeeded"} <= set(policy)
        # The pod that failed stays for its log.
        assert ("hook-failed" in policy) is (item["kind"] != "Pod")
