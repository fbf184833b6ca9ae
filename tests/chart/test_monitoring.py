"""What scrapes the processes, and who may reach them."""

from typing import Any

import pytest

pytestmark = pytest.mark.cluster


def of_kind(objects: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [item for item in objects if item["kind"] == kind]


def test_one_service_monitor_scrapes_both_services_and_keeps_the_jobs_namespace(render: Any) -> None:
    objects = render("serviceMonitor.enabled=true", "serviceMonitor.labels.release=prometheus")
    (monitor,) = of_kind(objects, "ServiceMonitor")
    assert monitor["metadata"]["labels"]["release"] == "prometheus"
    (endpoint,) = monitor["spec"]["endpoints"]
    # Without it a job's namespace arrives as exported_namespace.
    assert endpoint["honorLabels"] is True
    wanted = monitor["spec"]["selector"]["matchLabels"].items()
    services = [item for item in of_kind(objects, "Service") if wanted <= item["metadata"]["labels"].items()]
    assert {item["metadata"]["name"] for item in services} == {"llmjob-webhook", "llmjob-controller"}
    for service in services:
        assert endpoint["port"] in {port["name"] for port in service["spec"]["ports"]}


def test_admission_comes_from_anywhere_and_metrics_from_whom_is_named(render: Any) -> None:
    peer = {"namespaceSelector": {"matchLabels": {"team": "observability"}}}
    objects = render(
        "networkPolicy.enabled=true",
        "networkPolicy.metricsFrom[0].namespaceSelector.matchLabels.team=observability",
    )
    policies = {item["metadata"]["name"]: item["spec"] for item in of_kind(objects, "NetworkPolicy")}
    metrics = {"ports": [{"protocol": "TCP", "port": "metrics"}], "from": [peer]}
    assert policies["llmjob-controller"]["ingress"] == [metrics]
    assert policies["llmjob-webhook"]["ingress"] == [{"ports": [{"protocol": "TCP", "port": "https"}]}, metrics]
    # What goes out is not limited: the API server's address is not known.
    assert {tuple(policy["policyTypes"]) for policy in policies.values()} == {("Ingress",)}
    selectors = [policy["podSelector"]["matchLabels"] for policy in policies.values()]
    deployments = of_kind(objects, "Deployment")
    assert all(item["spec"]["selector"]["matchLabels"] in selectors for item in deployments)


def test_neither_is_rendered_unasked(render: Any) -> None:
    assert not of_kind(render(), "ServiceMonitor")
    assert not of_kind(render(), "NetworkPolicy")
