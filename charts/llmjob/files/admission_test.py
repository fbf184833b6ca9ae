"""`helm test`: an LLMJob that fits on no GPU is created as a dry run; the answer must be the webhook's own words.

Runs in the operator's image with its own ServiceAccount; needs only the standard library.
"""  # noqa: INP001, the chart embeds this file

import json
import os
import ssl
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
NAME = "llmjob-test"
# Two trillion parameters in 16 bit on one GPU. `Warn` tightens a namespace at level audit, so that something is said.
JOB = {
    "apiVersion": "llmjob.dev/v1alpha1",
    "kind": "LLMJob",
    "metadata": {"name": NAME},
    "spec": {"model": {"parameters": "2T"}, "inference": {}, "enforcement": "Warn"},
}
# A new certificate reaches the replicas, and a new configuration the API server, within this time.
PATIENCE_SECONDS = 60.0
PAUSE_SECONDS = 2.0


def create() -> tuple[int, str]:
    """The status of the dry run, and what was said: warnings, or the message of a refusal."""
    host = os.environ["KUBERNETES_SERVICE_HOST"]
    server = f"https://{f'[{host}]' if ':' in host else host}:{os.environ['KUBERNETES_SERVICE_PORT']}"
    path = f"/apis/llmjob.dev/v1alpha1/namespaces/{os.environ['TEST_NAMESPACE']}/llmjobs?dryRun=All"
    request = urllib.request.Request(server + path, json.dumps(JOB).encode(), method="POST")  # noqa: S310, always https
    request.add_header("Content-Type", "application/json")
    request.add_header("Authorization", f"Bearer {(ACCOUNT / 'token').read_text().strip()}")
    context = ssl.create_default_context(cafile=str(ACCOUNT / "ca.crt"))
    try:
        with urllib.request.urlopen(request, timeout=10, context=context) as answer:  # noqa: S310
            return answer.status, "; ".join(answer.headers.get_all("Warning") or ())
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read()).get("message", "")
    except OSError as error:
        return 0, str(error)


def judged(status: int, said: str) -> bool:
    """Whether the webhook spoke: it warned of the job by its name, or refused it."""
    if status == 201:  # noqa: PLR2004
        return f"{NAME}: " in said
    return status == 403 and "validate.llmjob.dev" in said  # noqa: PLR2004


def main() -> int:
    """0 once the webhook has judged the job; 1 where it has not in time, with what was said last."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        status, said = create()
        if judged(status, said):
            print(f"Admission answers ({status}): {said}")  # noqa: T201
            return 0
        if time.monotonic() > deadline:
            break
        time.sleep(PAUSE_SECONDS)
    if status == 201:  # noqa: PLR2004
        why = "nobody judged it: is `settings.enabled` false, or the namespace off or excluded?"
    else:
        why = f"the API server said {status}: {said}"
    print(f"Admission does not answer for namespace {os.environ['TEST_NAMESPACE']}: {why}", file=sys.stderr)  # noqa: T201
    return 1


if __name__ == "__main__":
    sys.exit(main())
