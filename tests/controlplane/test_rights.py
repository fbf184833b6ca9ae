"""The comparison of granted and used rights, on small inputs."""

import json
from typing import Any

import pytest

from controlplane.rights import Record, Right, granted, without_grant, without_use


def binding(kind: str, role_kind: str, namespace: str | None, account: str = "worker") -> dict[str, Any]:
    return {
        "kind": kind,
        "metadata": {"name": "b", **({"namespace": namespace} if namespace else {})},
        "roleRef": {"kind": role_kind, "name": "r"},
        "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": "system"}],
    }


CLUSTER_ROLE = {
    "kind": "ClusterRole",
    "metadata": {"name": "r"},
    "rules": [{"apiGroups": [""], "resources": ["nodes"], "verbs": ["list", "watch"]}],
}
ROLE = {
    "kind": "Role",
    "metadata": {"name": "r", "namespace": "system"},
    "rules": [{"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["a", "b"], "verbs": ["get"]}],
}
BINDINGS = [binding("ClusterRoleBinding", "ClusterRole", None), binding("RoleBinding", "Role", "system")]


def test_each_verb_resource_and_name_is_a_right_where_its_binding_says() -> None:
    assert granted([CLUSTER_ROLE, ROLE, *BINDINGS], "system", "worker") == {
        Right("list", "", "nodes"),
        Right("watch", "", "nodes"),
        Right("get", "", "secrets", "a", "system"),
        Right("get", "", "secrets", "b", "system"),
    }


def test_a_cluster_role_bound_in_a_namespace_holds_there_only() -> None:
    found = granted([CLUSTER_ROLE, binding("RoleBinding", "ClusterRole", "here")], "system", "worker")
    assert {right.namespace for right in found} == {"here"}


@pytest.mark.parametrize(("namespace", "account"), [("system", "other"), ("elsewhere", "worker")])
def test_another_account_has_nothing(namespace: str, account: str) -> None:
    assert granted([CLUSTER_ROLE, ROLE, *BINDINGS], namespace, account) == frozenset()


def entry(code: int = 200, user: str = "system:serviceaccount:system:worker", **about: str) -> str:
    found: dict[str, Any] = {"user": {"username": user}, "verb": "patch", "requestURI": "/version?x=1"}
    if about:
        found["objectRef"] = about
    return json.dumps({**found, "responseStatus": {"code": code}})


def test_the_log_gives_what_an_account_used_and_what_it_was_refused() -> None:
    log = [
        entry(apiGroup="llmjob.dev", resource="llmjobs", subresource="status", name="job", namespace="team"),
        entry(403, resource="pods", namespace="team"),
        entry(user="system:serviceaccount:system:other", resource="nodes"),
        entry(),
    ]
    record = Record.of(log, "system", "worker")
    assert record.used == {
        Right("patch", "llmjob.dev", "llmjobs/status", "job", "team"),
        Right("patch", "", "/version"),
    }
    assert record.forbidden == {Right("patch", "", "pods", "", "team")}


USE = Right("get", "", "secrets", "a", "system")


@pytest.mark.parametrize(
    ("right", "covered"),
    [
        (USE, True),
        (Right("get", "", "secrets"), True),
        (Right("list", "", "secrets"), False),
        (Right("get", "apps", "secrets"), False),
        (Right("get", "", "secrets/status"), False),
        (Right("get", "", "secrets", "b"), False),
        (Right("get", "", "secrets", "a", "other"), False),
    ],
)
def test_a_use_and_a_right_that_differ_in_anything_are_both_told(right: Right, covered: bool) -> None:  # noqa: FBT001
    assert without_grant([USE], [right]) == ([] if covered else [USE])
    assert without_use([USE], [right]) == ([] if covered else [right])
