"""What the chart renders, and what the API server makes of it."""

from typing import Any

import pytest
import yaml

from controlplane.start import CommandFailed

CHART = "charts/llmjob"


def render(control_plane: Any, chart: str, *sets: str) -> list[dict[str, Any]]:
    arguments = [part for item in sets for part in ("--set", item)]
    text = control_plane.helm("template", "release", chart, "--namespace", "apart", *arguments).stdout
    return [found for found in yaml.safe_load_all(text) if found]


@pytest.fixture
def chart(request: pytest.FixtureRequest) -> str:
    return str(request.config.rootpath / CHART)


def test_each_level_has_its_entries_and_off_has_none(control_plane: Any, chart: str) -> None:
    found = render(control_plane, chart, "webhook.url=https://127.0.0.1:1")
    entries = [webhook for item in found for webhook in item["webhooks"]]
    levels = ("audit", "warn", "enforce", "strict", "default")
    urls = {entry["clientConfig"]["url"].removeprefix("https://127.0.0.1:1/v1/") for entry in entries}
    assert urls == {f"{level}/{path}" for level in levels for path in (
        "llmjobs/validate", "pods/validate", "pods/mutate", "pods/mutate/exclude", "pods/mutate/off",
    )}  # fmt: skip
    for entry in entries:
        selector = entry["namespaceSelector"]["matchExpressions"]
        level = next(item for item in selector if item["key"] == "llmjob.dev/enforcement")
        if level["operator"] == "In":
            assert level["values"] == [entry["clientConfig"]["url"].split("/")[4]]
        else:
            assert level["values"] == ["audit", "warn", "enforce", "strict", "off"]


def test_both_configurations_keep_their_name_whatever_the_release(control_plane: Any, chart: str) -> None:
    found = render(control_plane, chart, "webhook.url=https://127.0.0.1:1")
    assert sorted(item["kind"] for item in found) == ["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"]
    assert {item["metadata"]["name"] for item in found} == {"llmjob-admission"}


def test_no_entry_can_take_a_cluster_down(control_plane: Any, chart: str) -> None:
    for item in render(control_plane, chart, "webhook.url=https://127.0.0.1:1"):
        for entry in item["webhooks"]:
            excluded = entry["namespaceSelector"]["matchExpressions"][0]["values"]
            assert {"kube-system", "kube-node-lease", "apart", "gpu-operator"} == set(excluded)
            assert (entry["timeoutSeconds"], entry["sideEffects"]) == (3, "None")
            about_pods = entry["rules"][0]["resources"] == ["pods"]
            # What never refuses must not refuse because it is away.
            refuses = not about_pods and not entry["name"].startswith(("llmjobs.audit.", "llmjobs.warn."))
            assert entry["failurePolicy"] == ("Fail" if refuses else "Ignore")
            if about_pods:
                assert entry["objectSelector"]["matchExpressions"] == [{"key": "llmjob.dev/job", "operator": "Exists"}]
                assert entry["rules"][0]["operations"] == ["CREATE"]
            if item["kind"].startswith("Mutating"):
                assert entry["reinvocationPolicy"] == "IfNeeded"


def test_without_a_url_nothing_is_rendered(control_plane: Any, chart: str) -> None:
    assert render(control_plane, chart) == []


@pytest.mark.parametrize(
    "value",
    ["webhook.url=http://127.0.0.1", "webhook.url=https://h/path", "webhok.url=https://h", "webhook.timeoutSeconds=0"],
)
def test_a_mistake_in_the_values_is_refused(control_plane: Any, chart: str, value: str) -> None:
    with pytest.raises(CommandFailed, match="schema"):
        render(control_plane, chart, value)
