"""Pods on the node agent's node: what they see, what they may, how they live and end, by the real API server."""

import json
import os
import time
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest

from controlplane.kubelet.node import VALUES
from controlplane.node_agent import NodeAgent
from controlplane.start import ControlPlane
from tests.cluster.support import eventually

FACTS = """
import json, os, pathlib
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
def writable(path):
    try:
        pathlib.Path(path, "probe").write_text("x")
    except OSError:
        return False
    return True
print(json.dumps({
    "uid": os.getresuid(), "gid": os.getresgid(), "groups": os.getgroups(),
    "rights": {status[key].strip() for key in ("CapPrm", "CapEff", "CapAmb")} == {"0" * 16},
    "no_new_privs": status["NoNewPrivs"].strip(), "environment": dict(os.environ),
    "writable": [path for path in ("/", "/usr", "/etc", "/tmp", "/dev", os.__file__[:-6]) if writable(path)],
    "there": sorted(os.listdir("/")), "etc": sorted(os.listdir("/etc")),
    "processes": len([name for name in os.listdir("/proc") if name.isdigit()]),
    "hosts": open("/etc/hosts").read(), "host": os.uname().nodename,
    "seen": [path for path in %s if os.path.exists(path)],
}))
"""
WHO = """
import json, os, ssl, urllib.request
account = "/var/run/secrets/kubernetes.io/serviceaccount/"
read = lambda name: open(account + name).read()
url = "https://%s:%s/apis/authentication.k8s.io/v1/selfsubjectreviews" % (
    os.environ["KUBERNETES_SERVICE_HOST"], os.environ["KUBERNETES_SERVICE_PORT"])
body = json.dumps({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}).encode()
headers = {"Authorization": "Bearer " + read("token"), "Content-Type": "application/json"}
request = urllib.request.Request(url, body, headers)
answer = urllib.request.urlopen(request, context=ssl.create_default_context(cafile=account + "ca.crt"))
print(json.loads(answer.read())["status"]["userInfo"]["username"], read("namespace"))
"""
RESTRICTED = {
    "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]},
}  # fmt: skip
ASLEEP = "import time; time.sleep(1000)"
DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(1000)"
POLITE = (
    "import signal, sys, time; signal.signal(signal.SIGTERM, lambda *_: (print('term', flush=True), sys.exit(0)));"
    "print('up', flush=True); time.sleep(1000)"
)


class Place:
    """A namespace's pods on the agent's node."""

    def __init__(self, control_plane: ControlPlane, namespace: str) -> None:
        self.client, self.namespace = control_plane.client, namespace
        self.agent: NodeAgent = control_plane.node_agent()

    def path(self, name: str = "", plural: str = "pods") -> str:
        return f"/api/v1/namespaces/{self.namespace}/{plural}{'/' if name else ''}{name}"

    def run(self, name: str, program: str, *, container: dict[str, Any] | None = None, **spec: Any) -> None:
        main = {
            "name": "main", "image": "llmjob-operator:test", "command": ["python3", "-c", program],
            "securityContext": RESTRICTED, **(container or {}),
        }  # fmt: skip
        security = {"runAsUser": 65532, "runAsGroup": 65532, "runAsNonRoot": True}
        pod = {
            "metadata": {"name": name},
            "spec": {"securityContext": security, "containers": [main], "restartPolicy": "Never", **VALUES, **spec},
        }
        self.client.request("POST", self.path(), pod)

    def pod(self, name: str) -> dict[str, Any]:
        found = self.client.request("GET", self.path(name))
        assert isinstance(found, dict)
        return found

    def state(self, name: str) -> dict[str, Any]:
        """The status of its only container."""
        found = self.pod(name)["status"].get("containerStatuses") or [{"state": {}, "restartCount": 0}]
        assert isinstance(found[0], dict)
        return found[0]

    def ended(self, name: str) -> tuple[str, int]:
        """Its phase and exit code, once it has ended."""
        code = eventually(lambda: self.state(name)["state"].get("terminated"))["exitCode"]
        eventually(lambda: self.pod(name)["status"]["phase"] in {"Succeeded", "Failed"})
        return self.pod(name)["status"]["phase"], code

    def log(self, name: str) -> str:
        return self.agent.log(name, "main")


@pytest.fixture
def place(control_plane: ControlPlane, namespace: str) -> Place:
    return Place(control_plane, namespace)


def test_a_container_is_nobody_sees_nothing_and_writes_only_into_its_empty_directories(place: Place) -> None:
    hidden = [str(Path.home() / ".cache"), __file__, "/var/lib", "/run", str(place.agent.directory)]
    empty = {"volumes": [{"name": "tmp", "emptyDir": {"medium": "Memory"}}], "automountServiceAccountToken": False}
    mounted = {"volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}]}
    place.run("facts", FACTS % json.dumps(hidden), container=mounted, **empty)
    assert place.ended("facts") == ("Succeeded", 0), place.log("facts")
    facts = json.loads(place.log("facts"))
    assert facts["uid"] == facts["gid"] == [65532] * 3
    assert set(facts["groups"]) <= {65532}
    assert (facts["rights"], facts["no_new_privs"]) == (True, "1")
    assert facts["writable"] == ["/tmp"]
    assert facts["seen"] == []
    assert facts["processes"] <= 2
    assert {"hosts", "passwd", "resolv.conf"} <= set(facts["etc"]) <= {
        "group", "hostname", "hosts", "ld.so.cache", "passwd", "resolv.conf",
    }  # fmt: skip
    assert facts["host"] == "facts"
    assert f"{place.pod('facts')['status']['podIP']}\tfacts" in facts["hosts"]
    assert not set(facts["environment"]) & {"HOME", "KUBECONFIG", "USER", "PYTHONPATH", "VIRTUAL_ENV"}
    assert {"home", "srv", "mnt", "sys", "boot"}.isdisjoint(facts["there"])


def test_its_only_identity_is_its_service_account(place: Place) -> None:
    place.run("who", WHO)
    assert place.ended("who") == ("Succeeded", 0), place.log("who")
    assert place.log("who").split() == [f"system:serviceaccount:{place.namespace}:default", place.namespace]


def test_a_size_limit_bounds_an_empty_directory(place: Place) -> None:
    volumes = [{"name": "tmp", "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}}]
    mounted = {"volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}]}
    place.run("fill", "open('/tmp/x', 'wb').write(bytes(2**21))", container=mounted, volumes=volumes)
    assert place.ended("fill") == ("Failed", 1)
    assert "No space left" in place.log("fill")


def test_a_secret_appears_and_changes_in_a_running_container(place: Place) -> None:
    program = (
        "import pathlib, time\nlast = None\nwhile True:\n"
        "    path = pathlib.Path('/pair/key')\n"
        "    now = path.read_text() if path.exists() else 'none'\n"
        "    if now != last: print(now, flush=True)\n"
        "    last = now\n    time.sleep(0.05)"
    )
    volumes = [{"name": "pair", "secret": {"secretName": "pair", "optional": True}}]
    mounted = {"volumeMounts": [{"name": "pair", "mountPath": "/pair"}]}
    place.run("watch", program, container=mounted, volumes=volumes)
    eventually(lambda: place.log("watch") == "none\n")
    data = {"key": b64encode(b"first").decode()}
    place.client.request("POST", place.path(plural="secrets"), {"metadata": {"name": "pair"}, "data": data})
    eventually(lambda: place.log("watch").split() == ["none", "first"])
    change = {"data": {"key": b64encode(b"second").decode()}}
    place.client.request(
        "PATCH", place.path("pair", "secrets"), change, content="application/merge-patch+json"
    )  # fmt: skip
    eventually(lambda: place.log("watch").split() == ["none", "first", "second"])


READ = """
import json, os
def text(name):
    try:
        return open("/pair/" + name).read()
    except PermissionError:
        return None
print(json.dumps([os.getgroups(), text("open"), text("closed")]))
"""


@pytest.mark.parametrize(("group", "closed"), [(None, None), (4242, "b")])
def test_a_secret_of_mode_0600_is_roots_and_an_fs_groups(place: Place, group: int | None, closed: str | None) -> None:
    if os.geteuid() != 0:  # all files are ours, and so the container's
        closed = "b"
    data = {name: b64encode(text.encode()).decode() for name, text in (("open", "a"), ("closed", "b"))}
    place.client.request("POST", place.path(plural="secrets"), {"metadata": {"name": "pair"}, "data": data})
    items = [{"key": "open", "path": "open", "mode": 0o644}, {"key": "closed", "path": "closed", "mode": 0o600}]
    volumes = [{"name": "pair", "secret": {"secretName": "pair", "items": items}}]
    security = {"runAsUser": 65532, "runAsGroup": 65532, **({"fsGroup": group} if group else {})}
    mounted = {"volumeMounts": [{"name": "pair", "mountPath": "/pair"}]}
    name = f"read-{group}".lower()
    place.run(name, READ, container=mounted, volumes=volumes, securityContext=security)
    assert place.ended(name) == ("Succeeded", 0), place.log(name)
    groups, *seen = json.loads(place.log(name))
    assert seen == ["a", closed]
    if os.geteuid() == 0:
        assert set(groups) - {65532} == ({group} if group else set())


@pytest.mark.parametrize(("code", "phase"), [(0, "Succeeded"), (3, "Failed")])
def test_an_end_is_told_with_its_exit_code(place: Place, code: int, phase: str) -> None:
    place.run("once", f"raise SystemExit({code})")
    assert place.ended("once") == (phase, code)
    assert place.state("once")["restartCount"] == 0


def test_an_error_is_told_with_the_end_of_the_log_where_that_is_asked_for(place: Place) -> None:
    container = {"terminationMessagePolicy": "FallbackToLogsOnError"}
    place.run("once", "raise SystemExit('a mistake')", container=container)
    assert place.ended("once") == ("Failed", 1)
    assert place.state("once")["state"]["terminated"]["message"] == "a mistake\n"


def test_a_container_that_crashes_is_started_again_ever_more_slowly(place: Place) -> None:
    place.run("crash", "raise SystemExit(5)", restartPolicy="Always")
    eventually(lambda: place.state("crash")["restartCount"] >= 2)
    eventually(lambda: place.state("crash")["state"].get("waiting", {}).get("reason") == "CrashLoopBackOff")
    assert place.state("crash")["lastState"]["terminated"]["exitCode"] == 5
    assert place.pod("crash")["status"]["phase"] == "Running"


def test_a_deletion_is_a_pause_then_a_polite_request(place: Place) -> None:
    container = {"lifecycle": {"preStop": {"sleep": {"seconds": 1}}}}
    place.run("polite", POLITE, container=container, terminationGracePeriodSeconds=20)
    eventually(lambda: place.log("polite") == "up\n")
    place.client.request("DELETE", place.path("polite"))
    asked = time.monotonic()
    eventually(lambda: "term" in place.log("polite"))
    assert time.monotonic() - asked > 0.9
    eventually(lambda: not place.client.exists(place.path("polite")))
    assert time.monotonic() - asked < 10


def test_what_does_not_end_within_its_grace_is_killed(place: Place) -> None:
    place.run("deaf", DEAF, terminationGracePeriodSeconds=1)
    eventually(lambda: place.log("deaf") == "up\n")
    place.client.request("DELETE", place.path("deaf"))
    eventually(lambda: not place.client.exists(place.path("deaf")), 10)
    assert not commands("time.sleep(1000)", place.namespace)


def commands(program: str, namespace: str) -> list[int]:
    """Processes of this machine that run a program in a pod of the namespace."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            line = (entry / "cmdline").read_bytes().decode(errors="replace")
        except OSError:
            continue
        if program in line and f"/{namespace}_" in line and entry.name != str(os.getpid()):
            found.append(int(entry.name))
    return found


def test_a_pod_that_is_deleted_at_once_leaves_no_process(place: Place) -> None:
    place.run("sleeper", ASLEEP)
    eventually(lambda: place.state("sleeper")["state"].get("running"))
    assert commands("time.sleep(1000)", place.namespace)
    place.client.request("DELETE", f"{place.path('sleeper')}?gracePeriodSeconds=0")
    eventually(lambda: not commands("time.sleep(1000)", place.namespace))


def probe(code: str, **more: int) -> dict[str, Any]:
    return {"httpGet": {"path": f"/{code}", "port": 9000}, "periodSeconds": 1, **more}


SERVER = """
import http.server, os, pathlib
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        ok = self.path == "/live" or pathlib.Path("/pair/key").exists()
        self.send_response(200 if ok else 503); self.end_headers()
http.server.HTTPServer((os.environ["POD_IP"], 9000), Handler).serve_forever()
"""
POD_IP = [{"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}]


def ready(place: Place, name: str) -> bool:
    conditions = {item["type"]: item["status"] for item in place.pod(name)["status"].get("conditions", [])}
    return conditions.get("Ready") == "True"


def test_a_pod_is_ready_while_its_probe_says_so(place: Place) -> None:
    container = {
        "env": POD_IP,
        "volumeMounts": [{"name": "pair", "mountPath": "/pair"}],
        "startupProbe": probe("live", failureThreshold=30),
        "readinessProbe": probe("ready", failureThreshold=1),
    }
    volumes = [{"name": "pair", "secret": {"secretName": "pair", "optional": True}}]
    place.run("server", SERVER, container=container, volumes=volumes)
    eventually(lambda: place.state("server").get("started"))
    assert not ready(place, "server")
    place.client.request("POST", place.path(plural="secrets"), {"metadata": {"name": "pair"}, "data": {"key": ""}})
    eventually(lambda: ready(place, "server"))
    place.client.request("DELETE", place.path("pair", "secrets"))
    eventually(lambda: not ready(place, "server"))


def test_a_container_that_is_not_alive_is_started_again(place: Place) -> None:
    container = {"env": POD_IP, "livenessProbe": probe("ready", failureThreshold=1, initialDelaySeconds=1)}
    place.run("dead", SERVER, container=container, restartPolicy="Always")
    eventually(lambda: place.state("dead")["restartCount"] >= 1)


def test_one_that_is_not_alive_and_hears_nothing_is_killed(place: Place) -> None:
    container = {"livenessProbe": probe("live", failureThreshold=1, initialDelaySeconds=1)}
    place.run("stuck", DEAF, container=container, restartPolicy="Always")
    eventually(lambda: place.state("stuck")["restartCount"] >= 1)
    assert place.state("stuck")["lastState"]["terminated"]["exitCode"] == 137


@pytest.mark.parametrize(
    ("more", "named"),
    [
        ({"lifecycle": {"preStop": {"exec": {"command": ["true"]}}}}, "preStop.exec"),
        ({"livenessProbe": {"tcpSocket": {"port": 1}}}, "tcpSocket"),
        ({"workingDir": "/tmp"}, "spec.containers[main].workingDir"),
        ({"securityContext": {**RESTRICTED, "readOnlyRootFilesystem": False}}, "readOnlyRootFilesystem"),
    ],
)
def test_what_the_node_does_not_do_is_said_in_the_pods_status(place: Place, more: dict[str, Any], named: str) -> None:
    place.run("odd", ASLEEP, container=more)
    eventually(lambda: named in json.dumps(place.state("odd")["state"].get("waiting", {})))


def test_an_image_that_the_node_lacks_is_named_and_waited_for(place: Place) -> None:
    place.run("foreign", ASLEEP, container={"image": "example.invalid/vllm:1"})
    eventually(lambda: "vllm:1" in json.dumps(place.state("foreign")["state"].get("waiting", {})))
    assert place.pod("foreign")["status"]["phase"] == "Pending"
    place.client.request("DELETE", place.path("foreign"))
    eventually(lambda: not place.client.exists(place.path("foreign")))


def test_the_agent_is_a_node_that_may_read_its_own_pods_secrets_only(control_plane: ControlPlane, place: Place) -> None:
    client = control_plane.client
    client.request("POST", place.path(plural="secrets"), {"metadata": {"name": "others"}})
    kubeconfig = control_plane.layout.kubeconfig("system:node:llmjob-agent")
    answer = control_plane.kubectl(
        "get", "secret", "others", "-n", place.namespace, check=False, kubeconfig=kubeconfig
    )  # fmt: skip
    assert "no relationship found between node" in answer.stderr


def test_pods_that_are_not_made_for_it_do_not_land_there(place: Place) -> None:
    """No GPU job of a test or of the demonstration may end up on a node without GPUs."""
    node = place.client.request("GET", "/api/v1/nodes/llmjob-agent")
    assert [taint["effect"] for taint in node["spec"]["taints"]] == ["NoSchedule"]
    assert "nvidia.com/gpu" not in node["status"]["allocatable"]
