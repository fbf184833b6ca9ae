"""What a container is told of its pod."""

from typing import Any

import pytest

from controlplane.kubelet.downward import Unsupported, environment, expanded, field_value

POD: dict[str, Any] = {
    "metadata": {"name": "p", "namespace": "here", "labels": {"app.kubernetes.io/name": "x"}},
    "spec": {"serviceAccountName": "account"},
    "status": {"podIP": "127.1.2.3"},
}


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("--host=$(POD_IP)", "--host=127.1.2.3"),
        ("$(POD_IP)$(POD_IP)", "127.1.2.3127.1.2.3"),
        ("$$(POD_IP)", "$(POD_IP)"),
        ("$(UNKNOWN)", "$(UNKNOWN)"),
        ("$POD_IP ${POD_IP} $", "$POD_IP ${POD_IP} $"),
    ],
)
def test_variables_are_expanded_as_kubernetes_does_it(text: str, meant: str) -> None:
    assert expanded(text, {"POD_IP": "127.1.2.3"}) == meant


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("metadata.namespace", "here"),
        ("status.podIP", "127.1.2.3"),
        ("spec.serviceAccountName", "account"),
        ("metadata.labels['app.kubernetes.io/name']", "x"),
    ],
)
def test_a_field_reference_is_its_value(path: str, value: str) -> None:
    assert field_value(POD, {"fieldPath": path}) == value


def test_a_field_that_the_pod_lacks_is_named() -> None:
    with pytest.raises(Unsupported, match=r"status\.hostIP"):
        field_value(POD, {"fieldPath": "status.hostIP"})


def test_variables_see_those_before_them_and_a_container_has_nothing_else() -> None:
    container = {
        "resources": {"limits": {"memory": "768Mi"}},
        "env": [
            {"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
            {"name": "URL", "value": "http://$(POD_IP)$(LATER)"},
            {"name": "LATER", "value": "x"},
            {"name": "LIMIT", "valueFrom": {"resourceFieldRef": {"resource": "limits.memory", "divisor": "1Mi"}}},
        ],
    }
    assert environment(POD, container, {"PATH": "/bin"}) == {
        "PATH": "/bin",
        "POD_IP": "127.1.2.3",
        "URL": "http://127.1.2.3$(LATER)",
        "LATER": "x",
        "LIMIT": "768",
    }


@pytest.mark.parametrize(
    ("container", "named"),
    [
        ({"env": [{"name": "A", "valueFrom": {"secretKeyRef": {}}}]}, "secretKeyRef"),
        ({"env": [{"name": "A", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}}]}, r"limits\.cpu"),
    ],
)
def test_what_is_not_done_is_named(container: dict[str, Any], named: str) -> None:
    with pytest.raises(Unsupported, match=named):
        environment(POD, container, {})
