"""`llmjob report` as a user runs it, against a small API server and a small Prometheus of the test's own."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest
from click.testing import CliRunner

from llmjob.cli.report import command
from llmjob.observation.course import COMPARED, USED
from llmjob.quantity import GiB
from llmjob.runtime.paths import NODES, PODS, jobs_path

NOW = time.time()
JOBS = jobs_path(None)
TEAM_JOBS, TEAM_PODS = "/apis/llmjob.dev/v1alpha1/namespaces/team/llmjobs", "/api/v1/namespaces/team/pods"


class Server(ThreadingHTTPServer):
    """Answers a GET with what it holds, and range queries with the series of the rule that they name."""

    def __init__(self):
        self.held, self.series, self.asked, self.headers = {}, {}, [], []
        self.broken = None
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                found = server.held.get(urlsplit(self.path).path)
                self.answer(200 if found is not None else 404, json.dumps(found or {}))

            def do_POST(self):
                form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
                server.asked.append(form)
                server.headers.append(dict(self.headers))
                if server.broken is not None:
                    self.answer(*server.broken)
                    return
                (query,) = form["query"]
                result = next((found for rule, found in server.series.items() if rule in query), [])
                self.answer(200, json.dumps({"status": "success", "data": {"resultType": "matrix", "result": result}}))

            def answer(self, status, body):
                content = body.encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_):
                pass

        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"


@pytest.fixture
def server(tmp_path):
    found = Server()
    serving = threading.Thread(target=found.serve_forever, args=(0.01,))
    serving.start()
    content = {
        "apiVersion": "v1", "kind": "Config", "current-context": "x",
        "clusters": [{"name": "c", "cluster": {"server": found.url}}], "users": [{"name": "u", "user": {}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u", "namespace": "team"}}],
    }  # fmt: skip
    (tmp_path / "kubeconfig").write_text(json.dumps(content))
    found.kubeconfig = str(tmp_path / "kubeconfig")
    yield found
    found.shutdown()
    serving.join()
    found.server_close()


def node(name, product, mib):
    labels = {"nvidia.com/gpu.product": product, "nvidia.com/gpu.memory": str(mib), "nvidia.com/gpu.count": "1"}
    return {"metadata": {"name": name, "labels": labels}, "status": {"allocatable": {"nvidia.com/gpu": "1"}}}


def pod(name, job, where, namespace="team"):
    limits = {"containers": [{"name": "c", "resources": {"limits": {"nvidia.com/gpu": "1"}}}], "nodeName": where}
    metadata = {"name": name, "namespace": namespace, "labels": {"llmjob.dev/job": job}}
    return {"metadata": metadata, "spec": limits, "status": {"phase": "Running"}}


def job(name, *, observed=None, need=(14, 18, 22), namespace="team", task=None, **model):
    """A stored LLMJob whose estimate is for an A100, in GiB."""
    bounds = {key: f"{amount}Gi" for key, amount in zip(("lower", "expected", "upper"), need, strict=True)}
    judged = {"name": "nvidia-a100-80gb", "outcome": "Fits", **bounds, "usable": "79Gi"}
    role = {"name": "main", "referenceClass": "nvidia-a100-80gb", "classes": [judged]}
    if observed:
        role["observed"] = observed
    return {
        "apiVersion": "llmjob.dev/v1alpha1", "kind": "LLMJob", "metadata": {"name": name, "namespace": namespace},
        "spec": {"model": {"parameters": "7B", **model}, **(task or {"fineTuning": {"method": "LoRA"}})},
        "status": {"summary": {"task": "LoRA"}, "model": {"name": "7B"}, "roles": [role]},
    }  # fmt: skip


def observed(gib, kind="used", since="2027-01-14T08:00:00Z", last="2027-01-15T07:00:00Z"):
    seen = {"kind": kind, "sampledMax": f"{gib}Gi", "source": "DCGM", "errorPercent": 0, "lastSample": last}
    return {"pods": 1, "since": since, "kinds": [seen]}


def cluster(server, *jobs, pods=()):
    nodes = [node("big", "NVIDIA-A100-SXM4-80GB", 81920), node("middle", "NVIDIA-L4", 23034)]
    server.held |= {NODES: {"items": nodes}, PODS: {"items": pods}, TEAM_PODS: {"items": pods},
                    JOBS: {"items": jobs}, TEAM_JOBS: {"items": jobs}}  # fmt: skip


def series(name, values, namespace="team", role="main"):
    """Values by hours before now."""
    labels = {"namespace": namespace, "llmjob": name, "role": role}
    return {"metric": labels, "values": [[NOW - hours * 3600, str(value)] for hours, value in values]}


def run(server, *args):
    shown = CliRunner().invoke(command, ["--kubeconfig", server.kubeconfig, *args], standalone_mode=False)
    if shown.exception is not None:
        raise shown.exception
    return shown


def record(server, *args):
    return json.loads(run(server, *args, "-o", "json").stdout)


def test_without_prometheus_the_status_says_what_was_used(server):
    cluster(server, job("tune", observed=observed(16)), pods=[pod("p", "tune", "big")])
    found = record(server)
    (role,) = found["roles"]
    assert found["source"] == "Status"
    assert role["actual"]["sampledMax"] == 16 * GiB
    assert role["predicted"] == {"lower": 14 * GiB, "expected": 18 * GiB, "upper": 22 * GiB}
    assert role["running"] == [{"gpuClass": "nvidia-a100-80gb", "gpus": 1}]
    assert [item["finding"] for item in role["findings"]] == ["GPUTooLarge"]
    assert role["smaller"]["gpuClass"] == "nvidia-l4"


def test_prometheus_says_what_was_used_and_when(server):
    cluster(server, job("tune", observed=observed(16)), pods=[pod("p", "tune", "big")])
    server.series = {
        COMPARED: [series("tune", [(2, 20 * GiB), (1, 23 * GiB)])],
        USED: [series("tune", [(1, 24 * GiB)])],
    }
    found = record(server, "--prometheus", server.url)
    (role,) = found["roles"]
    assert found["source"] == role["actual"]["source"] == "Prometheus"
    assert role["actual"]["sampledMax"] == 23 * GiB
    assert role["actual"]["kind"] == "used"
    assert role["used"] == 24 * GiB
    assert role["findings"][0]["finding"] == "AbovePrediction"
    assert len(role["actual"]["course"]) == 96
    assert [p["sampledMax"] for p in role["actual"]["course"] if p["sampledMax"]] == [20 * GiB, 23 * GiB]


@pytest.mark.parametrize("output", ["text", "html", "markdown", "json"])
def test_no_job_at_all_is_a_report_too(server, output):
    cluster(server)
    shown = run(server, "-o", output)
    assert shown.return_value == 0
    assert "LLMJob" in shown.stdout or output == "json"
