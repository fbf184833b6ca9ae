"""The webhook configurations: which levels are asked, by which path, and what happens when nobody answers."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

pytestmark = pytest.mark.cluster

OUTSIDE = ("webhook.url=https://127.0.0.1:1", "webhook.enabled=false", "controller.enabled=false")
WAYS = pytest.mark.parametrize("way", [(), OUTSIDE], ids=["service", "url"])
LOGS = "termination-message.mutate.llmjob.dev"
LEVELS = ("audit", "warn", "enforce", "strict", "default")


def entries(objects: list[dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    for item in objects:
        for entry in item.get("webhooks", ()):
            yield item["kind"], entry


def path(client: Mapping[str, Any]) -> str:
    if "url" in client:
        return str(client["url"]).removeprefix("https://127.0.0.1:1")
    service = client["service"]
    assert (service["namespace"], service["name"], service["port"]) == ("llmjob-system", "llmjob-webhook", 443)
    return str(service["path"])


@WAYS
def test_each_level_has_its_entries_and_off_has_none(render: Any, way: tuple[str, ...]) -> None:
    found = [entry for _, entry in entries(render(*way)) if entry["name"] != LOGS]
    assert sorted(path(entry["clientConfig"]) for entry in found) == sorted(
        f"/v1/{level}/{what}"
        for level in LEVELS
        for what in ("llmjobs/validate", "pods/validate", "pods/mutate", "pods/mutate/exclude", "pods/mutate/off")
    )
    for entry in found:
        selector = entry["namespaceSelector"]["matchExpressions"]
        level = next(item for item in selector if item["key"] == "llmjob.dev/enforcement")
        if level["operator"] == "In":
            assert level["values"] == [path(entry["clientConfig"]).split("/")[2]]
        else:
            assert level["values"] == ["audit", "warn", "enforce", "strict", "off"]


@WAYS
def test_who_asks_for_logs_by_a_namespaces_label_has_one_entry_but_where_the_level_is_off(
    render: Any, way: tuple[str, ...]
) -> None:
    [entry] = [entry for _, entry in entries(render(*way)) if "termination-message" in path(entry["clientConfig"])]
    assert (entry["name"], path(entry["clientConfig"])) == (LOGS, "/v1/termination-message/pods/mutate")
    assert entry["namespaceSelector"]["matchExpressions"][1:] == [
        {"key": "llmjob.dev/enforcement", "operator": "NotIn", "values": ["off"]},
        {"key": "llmjob.dev/termination-message", "operator": "In", "values": ["logs"]},
    ]


def test_a_pod_waits_for_its_logs_policy_nowhere(render: Any) -> None:
    rendered = render("webhook.podFailurePolicy=Fail")
    policies = {entry["name"]: entry["failurePolicy"] for kind, entry in entries(rendered) if kind.startswith("Mutat")}
    assert [name for name, policy in policies.items() if policy == "Ignore"] == [LOGS]


@WAYS
@pytest.mark.parametrize("release", ["llmjob", "other"])
def test_both_configurations_keep_their_name_whatever_the_release(
    render: Any, way: tuple[str, ...], release: str
) -> None:
    found = [item for item in render(*way, release=release) if "webhooks" in item]
    assert sorted(item["kind"] for item in found) == ["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"]
    assert {item["metadata"]["name"] for item in found} == {"llmjob-admission"}


@WAYS
def test_no_entry_can_take_a_cluster_down(render: Any, way: tuple[str, ...]) -> None:
    for kind, entry in entries(render(*way)):
        excluded = entry["namespaceSelector"]["matchExpressions"][0]["values"]
        assert {"kube-system", "kube-node-lease", "llmjob-system", "gpu-operator"} == set(excluded)
        assert (entry["timeoutSeconds"], entry["sideEffects"]) == (3, "None")
        about_pods = entry["rules"][0]["resources"] == ["pods"]
        # What never refuses must not refuse because it is away.
        refuses = not about_pods and not entry["name"].startswith(("llmjobs.audit.", "llmjobs.warn."))
        assert entry["failurePolicy"] == ("Fail" if refuses else "Ignore")
        if about_pods:
            assert entry["objectSelector"]["matchExpressions"] == [{"key": "llmjob.dev/job", "operator": "Exists"}]
            assert entry["rules"][0]["operations"] == ["CREATE"]
        if kind.startswith("Mutating"):
            assert entry["reinvocationPolicy"] == "IfNeeded"


def test_the_ca_is_left_to_who_writes_it(render: Any) -> None:
    assert not any("caBundle" in entry["clientConfig"] for _, entry in entries(render()))


def test_without_processes_and_url_there_is_no_admission(render: Any) -> None:
    kinds = {item["kind"] for item in render("webhook.enabled=false", "controller.enabled=false")}
    assert kinds == {"ConfigMap"}
