"""A kube-apiserver takes the CRD, answers the corpus as the package does, and explains the fields."""

import json
import urllib.error
import urllib.request
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
import yaml

from controlplane.start import ControlPlane
from llmjob.api.crd import crd_yaml, render_crd
from tests.cluster.support import eventually

DATA = Path(__file__).parents[1] / "data"
GROUP = "/apis/llmjob.dev/v1alpha1"
SCALARS = json.loads((DATA / "yaml_scalars.json").read_text())
SCHEMA = render_crd()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]
# Strings with a pattern, at their longest.
LONGEST = {
    "id": f"{'o' * 96}/{'m' * 96}",
    "revision": "r" * 128,
    "parameters": "9999.999999999T",
    "activeParameters": "9999999999999999",
    "gpuMemoryUtilization": "0.999999",
    "dropout": "0.999999",
}


@pytest.fixture(scope="session")
def llmjobs(control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> ControlPlane:
    """The control plane with our CRD, established and served."""
    file = tmp_path_factory.mktemp("crd") / "crd.yaml"
    file.write_text(crd_yaml())
    control_plane.kubectl("apply", "--server-side", "--force-conflicts", "-f", str(file))
    control_plane.kubectl("wait", "--for=condition=Established", "--timeout=30s", "crd/llmjobs.llmjob.dev")
    eventually(lambda: control_plane.client.exists(f"{GROUP}/llmjobs"))
    return control_plane


def send(cluster: ControlPlane, method: str, path: str, text: str, content: str) -> tuple[int, dict[str, Any]]:
    request = urllib.request.Request(cluster.client.url + path, data=text.encode(), method=method)
    request.add_header("Authorization", f"Bearer {cluster.client.token}")
    request.add_header("Accept", "application/json")
    request.add_header("Content-Type", content)
    try:
        with urllib.request.urlopen(request, timeout=30, context=cluster.client.context) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def create(cluster: ControlPlane, namespace: str, text: str, *, dry_run: bool = True) -> tuple[int, dict[str, Any]]:
    options = "?fieldValidation=Strict" + ("&dryRun=All" if dry_run else "")
    return send(cluster, "POST", f"{GROUP}/namespaces/{namespace}/llmjobs{options}", text, "application/yaml")


def cases() -> list[Any]:
    return [
        pytest.param(case, id=f"{path.stem}: {case['name']}")
        for path in sorted((DATA / "llmjobs").glob("*.yaml"))
        for case in yaml.safe_load(path.read_text())
    ]


@pytest.mark.parametrize("case", cases())
def test_the_api_server_answers_the_corpus_as_the_package_does(llmjobs: ControlPlane, case: dict[str, str]) -> None:
    head = "apiVersion: llmjob.dev/v1alpha1\nkind: LLMJob\nmetadata: {name: a}\n"
    text = case.get("manifest") or f"{head}spec: {case['spec']}\n"
    code, answer = create(llmjobs, "default", text)
    if code == HTTPStatus.CREATED:
        assert "invalid" not in case
        assert "unknown" not in case
    elif "unknown" in case:
        assert code == HTTPStatus.BAD_REQUEST
        assert f'unknown field "{case["unknown"]}"' in answer["message"]
    elif code == HTTPStatus.UNPROCESSABLE_ENTITY:
        assert case["invalid"] in [cause["field"] for cause in answer["details"]["causes"]], answer["message"]
    else:
        assert code == HTTPStatus.BAD_REQUEST, answer["message"]
        assert "invalid" in case, answer["message"]


@pytest.mark.parametrize("text", SCALARS)
def test_the_api_server_reads_a_yaml_scalar_as_the_table_says(llmjobs: ControlPlane, text: str) -> None:
    manifest = (
        "apiVersion: llmjob.dev/v1alpha1\nkind: LLMJob\nmetadata: {name: a}\n"
        f"spec:\n  inference: {{}}\n  model:\n    config:\n      v: {text}\n"
    )
    code, answer = create(llmjobs, "default", manifest)
    if "error" in SCALARS[text]:
        assert code == HTTPStatus.BAD_REQUEST
        return
    assert code == HTTPStatus.CREATED, answer["message"]
    value = answer["spec"]["model"]["config"].get("v")
    expected = SCALARS[text]["value"]
    assert value == expected if not isinstance(expected, float) else float(value) == expected
    assert isinstance(value, (bool, str)) == isinstance(expected, (bool, str))


def fullest(node: dict[str, Any], name: str = "") -> Any:
    """A value with every string, list and map at its maximum."""
    if "enum" in node:
        return max(node["enum"], key=len)
    if "properties" in node:
        return {key: fullest(value, key) for key, value in node["properties"].items()}
    if node["type"] == "array":
        return full_list(node, name)
    if node["type"] == "object":
        values = node.get("additionalProperties", {"type": "string", "maxLength": 256})
        return {f"{'k' * 40}{number:04d}": fullest(values) for number in range(node["maxProperties"])}
    if node["type"] == "string":
        return LONGEST[name] if "pattern" in node else "x" * node["maxLength"]
    return node.get("maximum", True)


def full_list(node: dict[str, Any], name: str) -> list[Any]:
    keys = node.get("x-kubernetes-list-map-keys", [])
    items = [fullest(node["items"], name) for _ in range(node["maxItems"])]
    for number, item in enumerate(items):
        for key in keys:
            item[key] = f"{number:x>{len(item[key])}}"
    return items


def full_spec(task: str) -> dict[str, Any]:
    spec: dict[str, Any] = fullest(SCHEMA["spec"])
    del spec["inference" if task == "fineTuning" else "fineTuning"]
    spec["topology"] = {"podsPerInstance": 16384, "gpusPerPod": 64}
    spec["parallelism"] |= {"tensor": 64, "pipeline": 64, "context": 16, "data": 16}
    if task == "fineTuning":
        spec["fineTuning"]["sharding"]["degree"] = 16
    return spec


@pytest.mark.parametrize("task", ["inference", "fineTuning"])
def test_the_api_server_takes_a_spec_with_everything_at_its_maximum(
    llmjobs: ControlPlane, namespace: str, task: str
) -> None:
    job = {
        "apiVersion": "llmjob.dev/v1alpha1",
        "kind": "LLMJob",
        "metadata": {"name": "n" * 63},
        "spec": full_spec(task),
    }
    code, answer = create(llmjobs, namespace, json.dumps(job), dry_run=False)
    assert code == HTTPStatus.CREATED, answer["message"][:2000]


def test_the_api_server_takes_a_status_with_everything_at_its_maximum(llmjobs: ControlPlane, namespace: str) -> None:
    spec = {"model": {"id": "gpt2"}, "inference": {}}
    job = {"apiVersion": "llmjob.dev/v1alpha1", "kind": "LLMJob", "metadata": {"name": "a"}, "spec": spec}
    assert create(llmjobs, namespace, json.dumps(job), dry_run=False)[0] == HTTPStatus.CREATED
    patch = json.dumps({"status": fullest(SCHEMA["status"])})
    path = f"{GROUP}/namespaces/{namespace}/llmjobs/a/status?fieldValidation=Strict"
    code, answer = send(llmjobs, "PATCH", path, patch, "application/merge-patch+json")
    assert code == HTTPStatus.OK, answer["message"][:2000]
    assert answer["status"] == fullest(SCHEMA["status"])


@pytest.mark.parametrize(
    ("field", "words"),
    [
        ("llmjob", "An LLM job: how much GPU memory it needs, on which GPUs it fits"),
        ("llmjob.spec", "exactly one task (inference or fineTuning)"),
        ("llmjob.spec.model", "at least one of id, config and parameters"),
        ("llmjob.spec.inference", "maxModelLen <integer> Longest sequence, prompt and output together, in tokens."),
        ("llmjob.spec.fineTuning.adapter", "rank <integer> Rank of the adapter, as 16."),
        ("llmjob.spec.scheduling.tolerations", "effect <string> enum: NoSchedule, PreferNoSchedule, NoExecute"),
        ("llmjob.status.roles.classes", "headroom <string> Bytes left: usable less upper"),
    ],
)
def test_kubectl_explains_a_field_in_words(llmjobs: ControlPlane, field: str, words: str) -> None:
    explained = " ".join(llmjobs.kubectl("explain", field).stdout.split())
    assert words in explained


@pytest.mark.parametrize("name", ["llmjobs", "llmjob", "llmj", "llm"])
def test_kubectl_lists_jobs_by_every_name_with_the_columns(llmjobs: ControlPlane, namespace: str, name: str) -> None:
    text = (
        "apiVersion: llmjob.dev/v1alpha1\nkind: LLMJob\nmetadata: {name: a}\nspec: {model: {id: gpt2}, inference: {}}\n"
    )
    assert create(llmjobs, namespace, text, dry_run=False)[0] == HTTPStatus.CREATED
    status = {
        "summary": {
            "model": "gpt2",
            "task": "Inference",
            "need": "1.0 (0.9–1.1) GiB",
            "gpus": "1x1",
            "reason": "Fits",
        },
        "conditions": [
            {
                "type": "Fits",
                "status": "True",
                "reason": "Fits",
                "message": "fits",
                "lastTransitionTime": "2026-01-01T00:00:00Z",
            }
        ],
    }
    patch = json.dumps({"status": status})
    send(llmjobs, "PATCH", f"{GROUP}/namespaces/{namespace}/llmjobs/a/status", patch, "application/merge-patch+json")
    head, row = llmjobs.kubectl("get", name, "--namespace", namespace).stdout.splitlines()
    assert head.split() == ["NAME", "MODEL", "TASK", "NEED", "GPUS", "FITS", "REASON", "AGE"]
    assert row.split()[:-1] == ["a", "gpt2", "Inference", "1.0", "(0.9–1.1)", "GiB", "1x1", "True", "Fits"]


def test_an_unset_degree_is_one_and_data_stays_unset(llmjobs: ControlPlane) -> None:
    text = (
        "apiVersion: llmjob.dev/v1alpha1\nkind: LLMJob\nmetadata: {name: a}\n"
        "spec: {model: {id: gpt2}, inference: {}, parallelism: {tensor: 2}}\n"
    )
    code, answer = create(llmjobs, "default", text)
    assert code == HTTPStatus.CREATED
    assert answer["spec"]["parallelism"] == {"tensor": 2, "pipeline": 1, "context": 1, "decodeContext": 1, "expert": 1}
    assert create(llmjobs, "default", text.replace(", parallelism: {tensor: 2}", ""))[1]["spec"]["parallelism"] == {
        "tensor": 1,
        "pipeline": 1,
        "context": 1,
        "decodeContext": 1,
        "expert": 1,
    }
