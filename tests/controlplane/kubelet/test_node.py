import platform

import pytest

from controlplane.kubelet.node import node


@pytest.mark.parametrize(("machine", "label"), [("x86_64", "amd64"), ("aarch64", "arm64"), ("riscv64", "riscv64")])
def test_the_nodes_architecture_is_this_machines(machine: str, label: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: machine)
    assert node()["metadata"]["labels"]["kubernetes.io/arch"] == label
