"""Metrics of both processes against a sum that is made anew from what the API server has stored."""

from base64 import b64decode
from collections import Counter
from collections.abc import Callable
from fractions import Fraction
from typing import Any

from controlplane.installation import NAMESPACE

Space = Callable[..., str]
Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]

_SUFFIXES = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40, "Pi": 2**50}


def amount(quantity: str) -> int:
    """A Quantity in bytes, read apart from the product."""
    factor = _SUFFIXES.get(quantity[-2:], 1)
    return int(Fraction(quantity[:-2] if factor > 1 else quantity) * factor)


def of(samples: Samples, name: str, namespace: str) -> dict[frozenset[tuple[str, str]], float]:
    return {
        frozenset(label for label in labels if label[0] != "namespace"): value
        for (found, labels), value in samples.items()
        if found == name and ("namespace", namespace) in labels
    }


def expected(jobs: list[dict[str, Any]]) -> dict[str, dict[frozenset[tuple[str, str]], float]]:
    """What the contract's series must be, from the statuses of jobs."""
    parts: dict[frozenset[tuple[str, str]], float] = {}
    sums: dict[frozenset[tuple[str, str]], float] = {}
    fits: dict[frozenset[tuple[str, str]], float] = {}
    reasons: dict[frozenset[tuple[str, str]], float] = {}
    for job in jobs:
        status = job["status"]
        for role in status["roles"]:
            place = {("llmjob", job["metadata"]["name"]), ("role", role["name"])}
            total = 0
            for part in role.get("components", []):
                for bound in ("lower", "expected", "upper"):
                    key = frozenset({*place, ("component", part["name"]), ("bound", bound)})
                    parts[key] = amount(part[bound])
                total += amount(part["expected"])
            if role.get("components"):
                sums[frozenset({*place, ("measure", "process"), ("bound", "expected")})] = total
            state = next(c["status"] for c in status["conditions"] if c["type"] == "Fits")
            if state != "Unknown":
                fits[frozenset(place)] = float(state == "True")
            reasons[frozenset({*place, ("reason", status["summary"]["reason"])})] = 1
    return {"component_bytes": parts, "bytes": sums, "fits": fits, "reason": reasons}


def compare(running: Any, place: str) -> Counter[str]:
    """Compare every series of a namespace with its stored jobs; how many there were of each."""
    jobs = running.cluster.client.request("GET", f"/apis/llmjob.dev/v1alpha1/namespaces/{place}/llmjobs")["items"]
    wanted = expected(jobs)
    samples = running.samples("controller")[0]
    assert of(samples, "llmjob_estimated_gpu_memory_component_bytes", place) == wanted["component_bytes"]
    totals = of(samples, "llmjob_estimated_gpu_memory_bytes", place)
    assert {k: v for k, v in totals.items() if {("measure", "process"), ("bound", "expected")} <= k} == wanted["bytes"]
    assert of(samples, "llmjob_fits", place) == wanted["fits"]
    assert of(samples, "llmjob_verdict_info", place) == wanted["reason"]
    infos = of(samples, "llmjob_info", place)
    assert {dict(labels)["llmjob"] for labels in infos} == {job["metadata"]["name"] for job in jobs}
    return Counter({name: len(series) for name, series in wanted.items()})


def test_predictions_follow_status_through_create_change_and_delete(running: Any, space: Space) -> None:
    place = space("warn")
    job = running.llmjob
    running.apply(
        job("fits", pool="big"),
        job("not", pool="small", parameters="13B"),
        job("unknown", parameters=None, spec={"model": {"id": "acme/mystery"}}),
        namespace=place,
    )
    for name in ("fits", "not", "unknown"):
        running.judged(place, name)
    assert compare(running, place) == Counter(component_bytes=24, bytes=2, fits=2, reason=3)
    running.apply(job("fits", pool="small", parameters="14B"), namespace=place)
    running.judged(place, "fits", generation=2)
    compare(running, place)
    running.cluster.kubectl("delete", "llmjob", "fits", "not", "-n", place)

    def gone() -> bool:
        return len(of(running.samples("controller")[0], "llmjob_info", place)) == 1

    running.eventually(gone)
    assert compare(running, place) == Counter(component_bytes=0, bytes=0, fits=0, reason=1)


def test_fleet_series_are_the_nodes_that_there_are(running: Any) -> None:
    items = running.cluster.client.request("GET", "/api/v1/nodes")["items"]
    t4 = [n for n in items if n["metadata"]["labels"].get("nvidia.com/gpu.product") == "Tesla-T4"]
    gpus = sum(int(n["status"]["allocatable"]["nvidia.com/gpu"]) for n in t4)
    for samples in (*running.samples("controller"), *running.samples("webhook")):
        assert samples["llmjob_gpu_class_nodes", frozenset({("class", "nvidia-t4")})] == len(t4)
        assert samples["llmjob_gpu_class_gpus", frozenset({("class", "nvidia-t4")})] == gpus
        reported = frozenset({("class", "nvidia-t4"), ("kind", "reported_lower")})
        assert samples["llmjob_gpu_class_memory_bytes", reported] == 15360 * 2**20


def test_admissions_are_counted_by_what_was_answered(running: Any, space: Space) -> None:
    place = space("enforce")
    name = "llmjob_admission_requests_total"

    def count(outcome: str, reason: str) -> float:
        wanted = {("webhook", "llmjobs"), ("operation", "CREATE"), ("outcome", outcome), ("reason", reason)}
        return float(sum(samples.get((name, frozenset(wanted)), 0.0) for samples in running.samples("webhook")))

    before = count("allowed", "Fits"), count("warned", "Tight"), count("denied", "InsufficientGPUMemory")
    running.apply(running.llmjob("fits", pool="big"), namespace=place)
    running.apply(running.llmjob("tight", pool="small"), namespace=place)
    running.apply(running.llmjob("not", pool="small", parameters="13B"), namespace=place)
    after = count("allowed", "Fits"), count("warned", "Tight"), count("denied", "InsufficientGPUMemory")
    assert [new - old for new, old in zip(after, before, strict=True)] == [1, 1, 1]


def test_both_processes_say_how_old_their_views_are_and_the_webhook_when_its_certificate_ends(running: Any) -> None:
    for samples in (*running.samples("controller"), *running.samples("webhook")):
        for view in ("nodes", "llmjobs"):
            assert 0 <= samples["llmjob_view_age_seconds", frozenset({("view", view)})] < 600
    from cryptography import x509

    secret = running.cluster.client.request("GET", f"/api/v1/namespaces/{NAMESPACE}/secrets/llmjob-webhook-tls")
    certificate = x509.load_pem_x509_certificate(b64decode(secret["data"]["tls.crt"]))
    for samples in running.samples("webhook"):
        found = samples["llmjob_certificate_expiry_timestamp_seconds", frozenset()]
        assert found == certificate.not_valid_after_utc.timestamp()


def test_a_running_pod_of_a_job_is_told_of_by_its_class_until_it_is_gone(
    running: Any, space: Callable[..., str]
) -> None:
    place = space("warn")
    running.apply(running.llmjob("serve"), namespace=place)
    running.judged(place, "serve")
    running.apply(running.new_pod("a", "serve"), running.new_pod("b", None), namespace=place)

    def told() -> list[dict[str, str]]:
        [samples] = running.samples("controller")
        found = [dict(labels) for name, labels in samples if name == "llmjob_pod_info"]
        return [labels for labels in found if labels["namespace"] == place]

    assert running.eventually(told, 60) == [
        {"namespace": place, "pod": "a", "llmjob": "serve", "role": "main", "class": "nvidia-a100-80gb"}
    ]
    running.cluster.client.request("DELETE", f"/api/v1/namespaces/{place}/pods/a")
    running.eventually(lambda: not told(), 60)
