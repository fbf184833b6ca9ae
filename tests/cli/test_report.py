"""`llmjob report` as a user runs it, against a small API server and a small Prometheus of the test's own."""

import json
import re
import threading
import time
from datetime import UTC, datetime
from html.parser import HTMLParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import click
import pytest
from click.testing import CliRunner

from llmjob.cli.inventory import BadContent, ClusterUnreachable
from llmjob.cli.report import command
from llmjob.observation.course import COMPARED, NEEDED, USED
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


def observed(gib, kind="used", since=None, last=None):
    seen = {"kind": kind, "sampledMax": f"{gib}Gi", "source": "DCGM", "errorPercent": 0, "lastSample": last or ago(0)}
    return {"pods": 1, "since": since or ago(23), "kinds": [seen]}


def ago(hours):
    return datetime.fromtimestamp(NOW - hours * 3600, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def cluster(server, *jobs, pods=()):
    nodes = [node("big", "NVIDIA-A100-SXM4-80GB", 81920), node("middle", "NVIDIA-L4", 23034)]
    server.held |= {NODES: {"items": nodes}, PODS: {"items": pods}, TEAM_PODS: {"items": pods},
                    JOBS: {"items": jobs}, TEAM_JOBS: {"items": jobs}}  # fmt: skip


def series(name, values, namespace="team", role="main"):
    """Values by hours before now."""
    labels = {"namespace": namespace, "llmjob": name, "role": role}
    return {"metric": labels, "values": [[NOW - hours * 3600, str(value)] for hours, value in values]}


def run(server, *args):
    asked = ["--kubeconfig", server.kubeconfig, *args]
    shown = CliRunner().invoke(command, asked, standalone_mode=False)
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


@pytest.mark.parametrize(("state", "told"), [("True", True), ("Unknown", False)])
def test_a_figure_that_has_not_changed_since_its_first_minutes_counts_while_use_is_seen(server, state, told):
    """The controller writes changes of 2 % only: a job at its plateau has an old last sample."""
    stored = job("tune", observed=observed(16, since=ago(10), last=ago(9.9)))
    stored["status"]["conditions"] = [{"type": "UsageObserved", "status": state}]
    cluster(server, stored, pods=[pod("p", "tune", "big")])
    (role,) = record(server)["roles"]
    assert bool(role["findings"]) is told
    assert ("9.9h ago" in run(server).stdout) is not told


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


@pytest.mark.parametrize("output", ["text", "html", "markdown"])
def test_no_job_at_all_is_a_report_too(server, output):
    cluster(server)
    shown = run(server, "-o", output)
    assert (shown.return_value, shown.stderr) == (0, "")
    assert "o LLMJob here" in shown.stdout


def test_json_has_the_keys_that_the_documentation_names(server):
    cluster(server, job("tune", observed=observed(16)), pods=[pod("p", "tune", "big")])
    found = record(server)
    text = (Path(__file__).parents[2] / "docs" / "report.md").read_text()
    (role,) = found["roles"]
    keys = [*found, *role, *role["actual"], *role["smaller"], *found["classes"][0]]
    assert [key for key in keys if f"`{key}`" not in text] == []
    assert found["schemaVersion"] == "1"
    assert found["sinceSeconds"] == 86400


def test_json_of_a_cluster_without_use_or_jobs_has_every_key_and_null(server):
    cluster(server, {**job("new"), "status": None})
    (role,) = record(server)["roles"]
    assert (role["predicted"], role["actual"], role["gpuClass"], role["smaller"]) == (None, None, None, None)
    assert role["findings"] == []


def test_only_the_contexts_namespace_is_asked_for_unless_another_or_all_are(server):
    cluster(server)
    server.held[JOBS] = {"items": [job("far", namespace="other")]}
    assert record(server)["roles"] == []
    everywhere = record(server, "-A")
    assert [role["namespace"] for role in everywhere["roles"]] == ["other"]
    assert everywhere["namespace"] is None
    server.held["/apis/llmjob.dev/v1alpha1/namespaces/other/llmjobs"] = {"items": [job("near", namespace="other")]}
    other = record(server, "-n", "other")
    assert [role["name"] for role in other["roles"]] == ["near"]
    assert other["namespace"] == "other"


def test_prometheus_is_asked_for_that_namespace_only_and_for_as_long_as_is_said(server):
    cluster(server)
    record(server, "--prometheus", server.url, "--since", "96m")
    assert all('{namespace="team"}' in form["query"][0] for form in server.asked)
    (form, *_) = server.asked
    assert form["step"] == ["60.000"]
    assert float(form["end"][0]) - float(form["start"][0]) == 95 * 60
    server.asked.clear()
    record(server, "--prometheus", server.url, "-A")
    assert not any("namespace=" in form["query"][0] for form in server.asked)


@pytest.mark.parametrize(
    "broken",
    [(500, "boom"), (401, "<html>"), (200, "<html>"), (200, '{"status": "success", "data": {"resultType": "scalar"}}')],
)
def test_a_prometheus_that_gives_no_answer_is_told_and_the_status_is_shown(server, broken):
    cluster(server, job("tune", observed=observed(16)), pods=[pod("p", "tune", "big")])
    server.broken = broken
    shown = run(server, "--prometheus", server.url, "-o", "json")
    found = json.loads(shown.stdout)
    assert shown.return_value == 0
    assert "warning: Prometheus gave no use" in shown.stderr
    assert "Prometheus gave no use" in found["notes"][0]
    assert found["source"] == "Status"
    assert found["roles"][0]["actual"]["source"] == "Status"


def test_a_prometheus_without_the_rules_is_told_and_the_status_is_shown(server):
    cluster(server, job("tune", observed=observed(16)))
    found = record(server, "--prometheus", server.url)
    assert COMPARED in found["notes"][0]
    assert found["source"] == "Status"
    assert found["roles"][0]["actual"]["sampledMax"] == 16 * GiB


def test_a_role_that_prometheus_does_not_know_is_read_from_its_status(server):
    cluster(server, job("known"), job("tune", observed=observed(16)))
    server.series = {COMPARED: [series("known", [(1, 20 * GiB)])]}
    found = record(server, "--prometheus", server.url)
    assert {role["name"]: role["actual"]["source"] for role in found["roles"]} == {
        "known": "Prometheus",
        "tune": "Status",
    }


def test_samples_that_cannot_be_true_are_gaps(server):
    cluster(server, job("tune"))
    values = [(4, "NaN"), (3, "+Inf"), (2, "-5"), (1, 20 * GiB)]
    server.series = {COMPARED: [series("tune", values)]}
    (role,) = record(server, "--prometheus", server.url)["roles"]
    assert [point["sampledMax"] for point in role["actual"]["course"] if point["sampledMax"]] == [20 * GiB]


def test_a_need_is_one_where_prometheus_records_a_need(server):
    cluster(server, job("chat", task={"inference": {"engine": "vLLM"}}))
    server.series = {COMPARED: [series("chat", [(1, 20 * GiB)])], NEEDED: [series("chat", [(1, 20 * GiB)])]}
    (role,) = record(server, "--prometheus", server.url)["roles"]
    assert role["actual"]["kind"] == "need"


def test_use_of_an_engine_that_fills_the_card_is_shown_but_not_compared(server):
    cluster(server, job("chat", observed=observed(70), task={"inference": {"engine": "vLLM"}}))
    (role,) = record(server)["roles"]
    assert role["actual"] is None
    assert role["used"] == 70 * GiB
    assert "(70.0 used)" in run(server).stdout


def test_nodes_that_may_not_be_read_leave_the_rest_of_the_report(server):
    cluster(server, job("tune", observed=observed(16)), pods=[pod("p", "tune", "big")])
    del server.held[NODES]
    found = record(server)
    (role,) = found["roles"]
    assert any(note.startswith("nodes cannot be read") for note in found["notes"])
    assert (role["gpuClass"], role["usable"], role["running"]) == ("nvidia-a100-80gb", 79 * GiB, [])
    assert role["actual"]["sampledMax"] == 16 * GiB
    assert "would do" not in run(server).stdout


def test_pods_that_may_not_be_read_leave_the_class_of_the_estimate(server):
    cluster(server, job("tune", observed=observed(16)), pods=[pod("p", "tune", "big")])
    del server.held[TEAM_PODS]
    found = record(server)
    assert any(note.startswith("pods cannot be read") for note in found["notes"])
    assert found["roles"][0]["gpuClass"] == "nvidia-a100-80gb"
    assert found["roles"][0]["running"] == []


def test_the_smallest_class_that_its_pods_run_on_counts(server):
    pods = [pod("p", "tune", "big"), pod("q", "tune", "middle"), pod("r", "tune", "middle")]
    cluster(server, job("tune"), pods=pods)
    (role,) = record(server)["roles"]
    assert role["gpuClass"] == "nvidia-l4"
    assert role["running"] == [{"gpuClass": "nvidia-a100-80gb", "gpus": 1}, {"gpuClass": "nvidia-l4", "gpus": 2}]


def test_a_job_that_ran_out_of_memory_is_told_though_nothing_was_sampled(server):
    stored = job("tune")
    stored["status"]["conditions"] = [{"type": "MemoryExhausted", "status": "True"}]
    cluster(server, stored)
    (role,) = record(server)["roles"]
    assert [item["finding"] for item in role["findings"]] == ["MemoryExhausted"]


def test_a_card_that_is_too_large_where_no_smaller_one_would_do_says_so(server):
    cluster(server, job("tune", observed=observed(30)), pods=[pod("p", "tune", "big")])
    assert "no smaller GPU that it may use would do" in run(server).stdout


def test_roles_are_those_of_the_spec_and_of_the_status_where_that_cannot_be_read(server):
    readable, odd, bare = job("readable"), job("odd"), job("bare")
    readable["status"]["roles"].append({"name": "gone"})
    odd["spec"] = bare["spec"] = {"model": 7}
    odd["status"]["roles"][0]["name"] = "trainer"
    del bare["status"]
    cluster(server, readable, odd, bare)
    names = {(role["name"], role["role"]) for role in record(server)["roles"]}
    assert names == {("readable", "main"), ("odd", "trainer"), ("bare", "main")}


def test_every_gpu_of_a_pod_counts(server):
    wide = job("chat", task={"inference": {"engine": "vLLM"}, "parallelism": {"tensor": 2}})
    cluster(server, wide, pods=[pod("p", "chat", "big"), pod("q", "chat", "big")])
    (role,) = record(server)["roles"]
    assert role["running"] == [{"gpuClass": "nvidia-a100-80gb", "gpus": 4}]


def test_a_job_that_does_not_run_any_more_is_told_what_would_do_next_time(server):
    cluster(server, job("tune", observed=observed(16)))
    (role,) = record(server)["roles"]
    assert (role["running"], role["findings"]) == ([], [])
    assert role["smaller"]["gpuClass"] == "nvidia-l4"


def test_a_cluster_without_llmjobs_is_unreachable_for_the_report(server):
    with pytest.raises(ClusterUnreachable, match="404"):
        run(server)


def test_settings_that_are_named_and_cannot_be_read_are_bad_input(server):
    cluster(server)
    with pytest.raises(BadContent, match="--settings /nowhere"):
        run(server, "--settings", "/nowhere")


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["-n", "a", "-A"], "not both"),
        (["-n", "Not_A_Name"], "--namespace"),
        (["--prometheus", "prometheus:9090"], "--prometheus"),
        (["--prometheus-token-file", "/dev/null"], "need --prometheus"),
        (["--since", "5"], "write it like"),
        (["--since", "1s"], "1m to 720h"),
        (["--since", "721h"], "1m to 720h"),
        (["-o", "pdf"], "pdf"),
    ],
)
def test_what_cannot_be_meant_is_usage(server, args, said):
    with pytest.raises(click.UsageError, match=said):
        run(server, *args)


def tags(html):
    """The elements that a browser would make."""
    found = set()
    parser = HTMLParser()
    parser.handle_starttag = lambda tag, _: found.add(tag)
    parser.feed(html)
    return found


def test_every_name_is_escaped(server):
    evil = "<img src=x onerror=alert(1)>|`a`*b*\x1b[31m"
    stored = job("tune", observed=observed(16))
    stored["status"]["model"]["name"] = evil
    stored["status"]["roles"][0] |= {"name": evil}
    cluster(server, stored)
    html = run(server, "-o", "html").stdout
    assert tags(html).isdisjoint({"img", "script", "iframe", "link", "object", "a"})
    assert "&lt;img src=x onerror=alert(1)&gt;" in html
    markdown = run(server, "-o", "markdown").stdout
    assert "<img" not in markdown.replace("\\<img", "")
    rows = [line for line in markdown.splitlines() if line.startswith("| team/tune")]
    assert len({len(re.findall(r"(?<!\\)\|", row)) for row in rows}) == 1
    assert all("\x1b" not in text for text in (html, markdown, run(server).stdout))
