"""The CustomResourceDefinition of LLMJob, rendered from the models."""

from typing import Any, Final

from llmjob.api.llmjob import LLMJob, Metadata, Spec
from llmjob.api.schema import structural_schema
from llmjob.api.status import Status
from llmjob.names import CATEGORY, GROUP, KIND, PLURAL, SHORT_NAME, SINGULAR, VERSION

_COLUMNS: Final = (
    ("Model", "string", ".status.summary.model", 0, "The model."),
    ("Task", "string", ".status.summary.task", 0, "Inference or the fine-tuning method."),
    ("Need", "string", ".status.summary.need", 0, "Need per GPU: expected (lower–upper)."),
    ("GPUs", "string", ".status.summary.gpus", 0, "Pods of an instance × GPUs a pod."),
    ("Fits", "string", ".status.conditions[?(@.type=='Fits')].status", 0, "Whether it fits on a GPU of this cluster."),
    ("Reason", "string", ".status.summary.reason", 0, "Why."),
    ("Class", "string", ".status.roles[0].referenceClass", 1, "The GPU class the estimate is for."),
    ("Used", "string", ".status.summary.used", 1, "What was in use at most on the fullest GPU."),
    ("Message", "string", ".status.conditions[?(@.type=='Fits')].message", 1, "The verdict in words."),
    ("Age", "date", ".metadata.creationTimestamp", 0, "Since when the job is there."),
)


def render_crd() -> dict[str, Any]:
    """The CustomResourceDefinition as a mapping."""
    spec = structural_schema(Spec)
    spec["description"] = LLMJob.model_fields["spec"].description
    status = structural_schema(Status)
    _mark_lists(status)
    name = Metadata.model_json_schema()["properties"]["name"]
    schema = {
        "type": "object",
        "description": (LLMJob.__doc__ or "").strip(),
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string", "description": "The API's version."},
            "kind": {"type": "string", "description": f"{KIND}."},
            "metadata": {
                "type": "object",
                "properties": {"name": {"type": "string", "maxLength": name["maxLength"], "pattern": name["pattern"]}},
            },
            "spec": spec,
            "status": status,
        },
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{PLURAL}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {
                "plural": PLURAL, "singular": SINGULAR, "kind": KIND, "listKind": f"{KIND}List",
                "shortNames": [SHORT_NAME], "categories": [CATEGORY],
            },
            "versions": [
                {
                    "name": VERSION,
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}},
                    "additionalPrinterColumns": [
                        # The API server drops a priority of 0, and whoever applies one then conflicts with others.
                        {"name": name, "type": kind, "jsonPath": path, "description": text}
                        | ({"priority": priority} if priority else {})
                        for name, kind, path, priority, text in _COLUMNS
                    ],
                    "schema": {"openAPIV3Schema": schema},
                }
            ],
        },
    }  # fmt: skip


def _mark_lists(status: dict[str, Any]) -> None:
    """Lists of status that are maps by a key, so that server-side apply merges them."""
    for field, key in (("roles", "name"), ("conditions", "type")):
        status["properties"][field] |= {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": [key]}


def crd_yaml() -> str:
    """The CustomResourceDefinition as YAML, the same bytes every time."""
    import yaml  # noqa: PLC0415, only where it is printed

    text: str = yaml.safe_dump(render_crd(), sort_keys=False, allow_unicode=True, width=120)
    return f"# Generated from the models in operator/llmjob/api; change those and run `make generate`.\n{text}"
