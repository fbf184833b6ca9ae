"""AdmissionReview v1: the request read, the response written. Source: k8s.io/api/admission/v1."""

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import NoneType
from typing import Any, Final

from llmjob.decision.message import single_line
from llmjob.names import GROUP

_VERSION: Final = "admission.k8s.io/v1"
_RESOURCES: Final = {"llmjobs": (GROUP, "llmjobs"), "pods": ("", "pods")}
_OPERATIONS: Final = frozenset({"CREATE", "UPDATE", "DELETE", "CONNECT"})

Patch = Sequence[Mapping[str, Any]]


class BrokenReview(Exception):
    """A body that is no AdmissionReview we can answer; `status` is the HTTP status."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """A reason for a denial with the field it is about."""

    field: str
    message: str
    reason: str = "FieldValueInvalid"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the API server is told: allowed or not, why, what to change, what to warn of."""

    uid: str
    allowed: bool = True
    reason: str = ""
    code: int = 403
    message: str = ""
    causes: tuple[Cause, ...] = ()
    warnings: tuple[str, ...] = ()
    audit: Mapping[str, str] = field(default_factory=dict)
    patch: Patch = ()

    @property
    def outcome(self) -> str:
        """allowed, warned or denied, for the counter."""
        if not self.allowed:
            return "denied"
        return "warned" if self.warnings else "allowed"

    def render(self) -> str:
        """The AdmissionReview as JSON."""
        response: dict[str, Any] = {"uid": self.uid, "allowed": self.allowed}
        if not self.allowed:
            details = {"causes": [{"reason": c.reason, "message": c.message, "field": c.field} for c in self.causes]}
            response["status"] = {
                "code": self.code,
                "reason": "Forbidden" if self.code == 403 else "Invalid",  # noqa: PLR2004
                "message": self.message,
                "details": details,
            }
        if self.warnings:
            response["warnings"] = [single_line(warning) for warning in self.warnings]
        if self.audit:
            response["auditAnnotations"] = dict(self.audit)
        if self.patch:
            response["patchType"] = "JSONPatch"
            response["patch"] = base64.b64encode(json.dumps(list(self.patch)).encode()).decode()
        return json.dumps({"apiVersion": _VERSION, "kind": "AdmissionReview", "response": response})


def read_review(body: object, resource: str) -> Mapping[str, Any]:
    """The request of a review, checked to be about `resource` (llmjobs or pods).

    Raises:
        BrokenReview: naming what is missing or wrong.
    """
    if not isinstance(body, Mapping) or body.get("kind") != "AdmissionReview":
        raise BrokenReview("the body is no AdmissionReview")
    if body.get("apiVersion") != _VERSION:
        raise BrokenReview(f"apiVersion is {body.get('apiVersion')!r}; this webhook answers {_VERSION}")
    request = body.get("request")
    if not isinstance(request, Mapping):
        raise BrokenReview("request is missing")
    if not isinstance(request.get("uid"), str) or not request["uid"]:
        raise BrokenReview("request.uid is missing")
    operation = request.get("operation")
    if not isinstance(operation, str) or operation not in _OPERATIONS:
        raise BrokenReview(f"request.operation is {request.get('operation')!r}")
    about = request.get("resource")
    asked = (about.get("group"), about.get("resource")) if isinstance(about, Mapping) else (None, None)
    if asked != _RESOURCES[resource]:
        raise BrokenReview(f"request.resource is {asked[1]!r} of group {asked[0]!r}; this path answers {resource}")
    if request["operation"] in {"CREATE", "UPDATE"} and not isinstance(request.get("object"), Mapping):
        raise BrokenReview("request.object is missing")
    for name in ("object", "oldObject"):
        _check_metadata(name, request.get(name))
    return request


def _check_metadata(name: str, content: object) -> None:
    """Metadata, labels and annotations are mappings where they are at all; the API server sends nothing else."""
    if not isinstance(content, Mapping):
        return
    metadata = content.get("metadata")
    if metadata is None:
        return
    if not isinstance(metadata, Mapping):
        raise BrokenReview(f"request.{name}.metadata is no object")
    for part in ("labels", "annotations"):
        if not isinstance(metadata.get(part), (Mapping, NoneType)):
            raise BrokenReview(f"request.{name}.metadata.{part} is no object")
