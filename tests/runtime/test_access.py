import base64
import json
from pathlib import Path

import pytest

from llmjob.runtime import access as module
from llmjob.runtime.access import NoCluster, find_access


def kubeconfig(tmp_path, user, cluster=None):
    path = tmp_path / "kubeconfig"
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": {"server": "https://h:1", **(cluster or {})}}],
        "users": [{"name": "u", "user": user}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    path.write_text(json.dumps(content))
    return str(path)


def test_a_kubeconfig_gives_server_authority_and_token(tmp_path):
    data = base64.b64encode(b"PEM").decode()
    found = find_access(kubeconfig(tmp_path, {"token": "secret"}, {"certificate-authority-data": data}))
    assert (found.server, found.bearer(), found.verify) == ("https://h:1", "secret", True)
    assert Path(found.ca_file).read_text() == "PEM"
    assert found.connection().token == "secret"


def test_insecure_is_said_not_assumed(tmp_path):
    found = find_access(kubeconfig(tmp_path, {"token": "t"}, {"insecure-skip-tls-verify": True}))
    assert found.verify is False
    assert found.connection().insecure is True


@pytest.mark.parametrize("content", ["", "{", "kind: Config"])
def test_a_kubeconfig_that_is_none_is_named(tmp_path, content):
    path = tmp_path / "bad"
    path.write_text(content)
    with pytest.raises(NoCluster, match="bad"):
        find_access(str(path))


def test_in_a_pod_the_mounted_account_and_the_environment_count(tmp_path, monkeypatch):
    (tmp_path / "token").write_text("one")
    monkeypatch.setattr(module, "_ACCOUNT", tmp_path)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "fd00::1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "6443")
    found = find_access(None)
    assert (found.server, found.ca_file, found.bearer()) == ("https://[fd00::1]:6443", str(tmp_path / "ca.crt"), "one")
    (tmp_path / "token").write_text("two")
    assert found.bearer() == "two"


def test_without_either_there_is_no_cluster(monkeypatch):
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    with pytest.raises(NoCluster, match="--kubeconfig"):
        find_access(None)
