import base64
import json

import pytest

from llmjob.runtime.admission_review import Answer, BrokenReview, Cause, read_review


def test_a_denial_is_a_status_with_code_reason_and_causes():
    answer = Answer(uid="1", allowed=False, message="no", causes=(Cause(field="spec", message="too large"),))
    response = json.loads(answer.render())["response"]
    assert response["allowed"] is False
    assert response["status"] == {
        "code": 403,
        "reason": "Forbidden",
        "message": "no",
        "details": {"causes": [{"reason": "FieldValueInvalid", "message": "too large", "field": "spec"}]},
    }
    assert answer.outcome == "denied"


def test_what_is_invalid_says_so():
    response = json.loads(Answer(uid="1", allowed=False, code=422).render())["response"]
    assert (response["status"]["code"], response["status"]["reason"]) == (422, "Invalid")


def test_a_patch_is_base64_of_json():
    answer = Answer(uid="1", patch=({"op": "add", "path": "/metadata/labels", "value": {}},))
    response = json.loads(answer.render())["response"]
    assert response["patchType"] == "JSONPatch"
    assert json.loads(base64.b64decode(response["patch"])) == [{"op": "add", "path": "/metadata/labels", "value": {}}]


def test_a_warning_is_one_printable_line_of_at_most_256_bytes():
    answer = Answer(uid="1", warnings=("a\nb\x00c\td", "ä" * 300))
    first, second = json.loads(answer.render())["response"]["warnings"]
    assert first == "a b c d"
    assert len(second.encode()) <= 256
    assert answer.outcome == "warned"


def test_a_delete_needs_no_object():
    request = {"uid": "1", "operation": "DELETE", "resource": {"group": "", "resource": "pods"}}
    body = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}
    assert read_review(body, "pods") == request
    with pytest.raises(BrokenReview):
        read_review(body, "llmjobs")
