"""The webhook over raw HTTPS: broken reviews, other paths, certificates that change under it."""

import json
import socket
import ssl
from typing import Any

import pytest

from controlplane.installation import HOST, NAMESPACE, SECRET

REVIEW: dict[str, Any] = {
    "apiVersion": "admission.k8s.io/v1",
    "kind": "AdmissionReview",
    "request": {
        "uid": "1",
        "operation": "CREATE",
        "namespace": "default",
        "resource": {"group": "", "version": "v1", "resource": "pods"},
        "object": {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": []}},
    },
}
PODS = "/v1/warn/pods/validate"


def ask(
    running: Any, path: str, body: bytes | None, *, method: str = "POST", content: str = "application/json"
) -> tuple[int, str]:
    connection = running.connection()
    try:
        connection.request(method, path, body, {"Content-Type": content})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def changed(**changes: Any) -> bytes:
    request = {key: value for key, value in {**REVIEW["request"], **changes}.items() if value is not None}
    return json.dumps({**REVIEW, "request": request}).encode()


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "no JSON"),
        (json.dumps(REVIEW).encode()[:-9], "no JSON"),
        (b"[]", "no AdmissionReview"),
        (b'{"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1beta1"}', "v1beta1"),
        (b'{"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1"}', "request is missing"),
        (changed(object=None), "request.object is missing"),
        (changed(uid=None), "request.uid is missing"),
        (changed(operation="PATCH"), "request.operation is 'PATCH'"),
        (changed(resource={"group": "apps", "resource": "deployments"}), "this path answers pods"),
        (b"[" * 100_000, "no JSON"),
    ],
)
def test_a_broken_review_gets_400_and_says_what_is_wrong(running: Any, body: bytes, said: str) -> None:
    status, text = ask(running, PODS, body)
    assert status == 400
    assert said in json.loads(text)["error"]


def test_a_wrong_content_type_gets_415(running: Any) -> None:
    status, text = ask(running, PODS, json.dumps(REVIEW).encode(), content="text/plain")
    assert (status, "text/plain" in text) == (415, True)


def test_a_sound_review_about_nothing_of_ours_is_allowed(running: Any) -> None:
    status, text = ask(running, PODS, json.dumps(REVIEW).encode())
    assert status == 200
    assert json.loads(text)["response"] == {"uid": "1", "allowed": True}


@pytest.mark.parametrize("path", ["/", "/v1/off/pods/validate", "/v1/warn/llmjobs/mutate", "/v1/warn/nodes/validate"])
def test_any_other_path_is_not_found(running: Any, path: str) -> None:
    assert ask(running, path, json.dumps(REVIEW).encode())[0] == 404


def test_a_body_of_eight_mebibytes_is_read_and_a_larger_one_refused(running: Any) -> None:
    frame = len(changed(object={"metadata": {}, "filler": ""}))
    filler = "x" * (8 * 2**20 - frame)
    assert ask(running, PODS, changed(object={"metadata": {}, "filler": filler}))[0] == 200
    assert ask(running, PODS, changed(object={"metadata": {}, "filler": filler + "x" * 1024}))[0] == 413


def served(running: Any, replica: Any) -> bytes:
    connection = running.connection(replica)
    connection.connect()
    found = connection.sock.getpeercert(binary_form=True)
    connection.close()
    return bytes(found)


def test_a_renewed_certificate_is_served_by_each_replica_and_open_connections_stay(running: Any) -> None:
    replicas = running.replicas()
    assert len(replicas) == 2
    kept = running.connection(replicas[0])
    kept.request("POST", PODS, json.dumps(REVIEW).encode(), {"Content-Type": "application/json"})
    assert kept.getresponse().read()
    before = served(running, replicas[0])
    assert served(running, replicas[1]) == before
    running.cluster.client.request("DELETE", f"/api/v1/namespaces/{NAMESPACE}/secrets/{SECRET}")
    running.eventually(lambda: trusted(running, replicas[0]) != before)
    running.eventually(lambda: trusted(running, replicas[1]) == served(running, replicas[0]))
    kept.request("POST", PODS, json.dumps(REVIEW).encode(), {"Content-Type": "application/json"})
    assert kept.getresponse().status == 200
    kept.close()
    running.wait_for_denial()


def trusted(running: Any, replica: Any) -> bytes | None:
    """What it serves, once the API server's caBundle proves that; None while that changes."""
    try:
        return served(running, replica)
    except ssl.SSLCertVerificationError:
        return None


def test_a_pair_that_does_not_match_changes_nothing(running: Any) -> None:
    own = f"own-{SECRET}"
    first, second = (running.pair() for _ in range(2))
    running.put_secret(own, *first)

    def use_own(spec: dict[str, Any]) -> None:
        spec["volumes"][0]["secret"]["secretName"] = own

    with running.copy("webhook", use_own) as webhook:
        running.eventually(lambda: webhook.probe("readyz") == 200, 60)
        context = ssl.create_default_context(cafile=str(running.cluster.ca))

        def serves() -> str:
            plain = socket.create_connection((webhook.address, 8443), 10)
            with context.wrap_socket(plain, server_hostname=HOST) as connection:
                return ssl.DER_cert_to_PEM_cert(connection.getpeercert(binary_form=True) or b"")

        assert serves() in first[0].decode()
        running.put_secret(own, second[0], first[1])
        running.eventually(lambda: "the old pair stays" in webhook.log)
        assert serves() in first[0].decode()
        assert webhook.probe("readyz") == 200
