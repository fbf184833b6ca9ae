"""Least rights: what each ServiceAccount may do, and that nothing is granted that a mode does not need."""

from typing import Any

import pytest

pytestmark = pytest.mark.cluster


def granted(objects: list[dict[str, Any]], component: str) -> set[tuple[str, str, str, str]]:
    """(scope, verb, resource, name or "*") of every rule bound to the account."""
    found = set()
    for item in objects:
        if item["kind"] not in {"Role", "ClusterRole"} or item["metadata"]["name"] != f"llmjob-{component}":
            continue
        scope = item["metadata"].get("namespace", "cluster")
        for rule in item["rules"]:
            assert not {"*"} & {*rule["apiGroups"], *rule["resources"], *rule["verbs"]}
            for group in rule["apiGroups"]:
                for resource in rule["resources"]:
                    full = f"{resource}.{group}".rstrip(".")
                    for verb in rule["verbs"]:
                        found |= {(scope, verb, full, name) for name in rule.get("resourceNames", ["*"])}
    return found


def test_the_webhook_reads_and_writes_nothing(render: Any) -> None:
    found = granted(render(), "webhook")
    assert {verb for _, verb, _, _ in found} <= {"get", "list", "watch"}
    assert {resource for _, _, resource, _ in found} == {"nodes", "llmjobs.llmjob.dev", "configmaps"}


@pytest.mark.parametrize("component", ["webhook", "controller"])
def test_only_its_own_settings_are_read(render: Any, component: str) -> None:
    maps = {(scope, name) for scope, _, resource, name in granted(render(), component) if resource == "configmaps"}
    assert maps == {("llmjob-system", "llmjob-settings")}


def test_one_secret_and_the_configurations_by_name(render: Any) -> None:
    found = granted(render(), "controller")
    secrets = {(scope, verb, name) for scope, verb, resource, name in found if resource == "secrets"}
    # The right to create cannot be limited by name.
    assert {item for item in secrets if item[2] == "*"} == {("llmjob-system", "create", "*")}
    assert {(scope, name) for scope, _, name in secrets if name != "*"} == {("llmjob-system", "llmjob-webhook-tls")}
    configurations = {name for _, _, resource, name in found if "webhookconfigurations" in resource}
    assert configurations == {"llmjob-admission"}


@pytest.mark.parametrize(
    "sets",
    [("certificates.mode=certManager",), ("webhook.enabled=false",)],
    ids=["cert-manager", "no webhook here"],
)
def test_who_makes_no_certificate_has_no_right_to_one(render: Any, sets: tuple[str, ...]) -> None:
    resources = {resource for _, _, resource, _ in granted(render(*sets), "controller")}
    assert resources == {
        "nodes", "pods", "llmjobs.llmjob.dev", "llmjobs/status.llmjob.dev", "events", "configmaps",
    }  # fmt: skip


def test_every_account_is_bound_to_its_own_roles_only(render: Any) -> None:
    for item in render():
        if item["kind"] in {"RoleBinding", "ClusterRoleBinding"}:
            (subject,) = item["subjects"]
            assert (subject["name"], subject["namespace"]) == (item["roleRef"]["name"], "llmjob-system")


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
