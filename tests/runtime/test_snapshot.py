"""One reading of a cluster for the command line, against a small server of the test's own."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from llmjob.cli.inventory import BadContent, inventory
from llmjob.decision.policy import Policy
from llmjob.names import Level
from llmjob.runtime.paths import JOBS, NODES, config_map_path
from llmjob.runtime.snapshot import Unreachable, take_snapshot


class Server(ThreadingHTTPServer):
    """Answers each path with what it holds, else with 404."""

    def __init__(self) -> None:
        self.held = {NODES: {"items": []}, JOBS: {"items": []}}
        held = self.held

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                found = held.get(self.path.split("?")[0])
                body = json.dumps(found or {}).encode()
                self.send_response(200 if found is not None else 404)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        super().__init__(("127.0.0.1", 0), Handler)


@pytest.fixture
def rig(tmp_path):
    server = Server()
    serving = threading.Thread(target=server.serve_forever, args=(0.01,))
    serving.start()
    path = tmp_path / "kubeconfig"
    content = {
        "apiVersion": "v1", "kind": "Config", "current-context": "x",
        "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{server.server_port}"}}],
        "users": [{"name": "u", "user": {}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u", "namespace": "team"}}],
    }  # fmt: skip
    path.write_text(json.dumps(content))
    yield server, str(path)
    server.shutdown()
    serving.join()
    server.server_close()


def test_nodes_jobs_declared_pools_and_settings_are_read(rig, made):
    server, kubeconfig = rig
    server.held[NODES] = {"items": [made.node("a", made.t4)]}
    server.held[JOBS] = {"items": [made.job("one"), made.job("odd", fineTuning={})]}
    text = "inventory: {complete: true, pools: [{name: l4, gpusPerNode: 4}]}\nsteering: 'off'"
    server.held[config_map_path("llmjob-system", "llmjob-settings")] = {"data": {"settings.yaml": text}}
    found = take_snapshot(kubeconfig, None, None)
    assert [item.name for item in found.fleet.classes()] == ["nvidia-l4", "nvidia-t4"]
    assert (found.settings.inventory.complete, found.settings.steering) == (True, "off")
    assert found.find_job(None, "one").metadata.name == "one"
    assert found.find_job("team", "odd") is None
    assert ["odd" in text or "cannot be read" in text for text in found.warnings] == [True]


def test_the_command_line_judges_by_the_policy_of_the_settings(rig):
    server, kubeconfig = rig
    text = "inventory: {complete: true}\ndefaultEnforcement: strict\nsteering: 'off'"
    server.held[config_map_path("n", "s")] = {"data": {"settings.yaml": text}}
    found = inventory((), None, kubeconfig=kubeconfig, settings="configmap:n/s")
    assert found.policy == Policy(level=Level.STRICT, inventory_complete=True, steering=False)


def test_without_settings_the_inventory_is_not_complete_and_that_is_said(rig):
    _, kubeconfig = rig
    found = take_snapshot(kubeconfig, None, None)
    assert found.settings.policy() == Policy()
    assert "incomplete" in found.warnings[0]


def test_a_cluster_without_the_crd_has_no_jobs(rig):
    server, kubeconfig = rig
    del server.held[JOBS]
    found = take_snapshot(kubeconfig, None, None)
    assert (found.jobs, len(found.warnings)) == ({}, 1)


def test_a_cluster_that_does_not_answer_is_unreachable(rig):
    server, kubeconfig = rig
    del server.held[NODES]
    with pytest.raises(Unreachable, match="404"):
        take_snapshot(kubeconfig, None, None)


@pytest.mark.parametrize("place", ["configmap:n/absent", "configmap:n", "/does/not/exist.yaml"])
def test_settings_that_are_named_must_be_readable(rig, place):
    _, kubeconfig = rig
    with pytest.raises(BadContent, match="--settings"):
        inventory((), None, kubeconfig=kubeconfig, settings=place)


def test_named_settings_with_a_wrong_unit_are_refused_by_key(rig):
    server, kubeconfig = rig
    server.held[config_map_path("n", "s")] = {"data": {"settings.yaml": "views: {maxAge: 10 minutes}"}}
    with pytest.raises(BadContent, match="maxAge"):
        inventory((), None, kubeconfig=kubeconfig, settings="configmap:n/s")
