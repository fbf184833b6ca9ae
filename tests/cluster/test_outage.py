"""An API server that is away for longer than a restart; on a control plane of its own, which takes long to recover."""

import json
import time

from controlplane.installation import NAMESPACE, Installation
from controlplane.start import ControlPlane
from tests.cluster.support import eventually, job

AWAY_SECONDS = 70


def restarts(control_plane: ControlPlane) -> list[int]:
    """How often each container of llmjob was started again."""
    pods = control_plane.client.request("GET", f"/api/v1/namespaces/{NAMESPACE}/pods")["items"]
    return [item["restartCount"] for pod in pods for item in pod["status"]["containerStatuses"]]


def test_both_processes_outlive_an_api_server_that_is_away_for_longer() -> None:
    with ControlPlane.start() as control_plane:
        llmjob = Installation(control_plane, {"inventory": {"complete": True}})
        llmjob.install()
        control_plane.api_server.kill()
        time.sleep(AWAY_SECONDS)
        control_plane.restart_api_server()
        assert restarts(control_plane) == [0, 0, 0]
        control_plane.kubectl("apply", "-f", "-", stdin=json.dumps(job("job", "7B")))
        eventually(lambda: '"NoEligibleGPU"' in control_plane.kubectl("get", "llmjob", "job", "-o", "json").stdout, 60)
        assert restarts(control_plane) == [0, 0, 0]
        assert (len(llmjob.replicas("webhook")), len(llmjob.replicas("controller"))) == (2, 1)
