"""What is built: one Go module a tool, its version read from the module's own `go.mod`."""

import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent

_KUBERNETES_VERSION_PACKAGES: Final = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """A Go module of this directory and the commands built from it.

    `requirement` is the module whose pinned version is the tool's; `packages` maps each binary to its Go package;
    `module` is its directory, where that has not the tool's name; `tags` are Go's build tags; `minutes` is how long
    two cores build it from nothing.
    """

    name: str
    requirement: str
    packages: Mapping[str, str]
    minutes: int
    module: str = ""
    tags: str = ""

    @property
    def directory(self) -> Path:
        return ROOT / (self.module or self.name)

    @property
    def version(self) -> str:
        """The pinned version, as `go.mod` writes it (v1.37.2)."""
        text = (self.directory / "go.mod").read_text(encoding="utf-8")
        found = re.search(rf"^(?:require\s+|\t){re.escape(self.requirement)} (v\S+)", text, re.MULTILINE)
        if found is None:
            raise ValueError(f"{self.directory / 'go.mod'} does not require {self.requirement}")
        return found[1]

    @property
    def go(self) -> tuple[int, ...]:
        """The oldest Go that builds it: the `go` line of its `go.mod`."""
        text = (self.directory / "go.mod").read_text(encoding="utf-8")
        found = re.search(r"^go (\d+(?:\.\d+)*)", text, re.MULTILINE)
        if found is None:
            raise ValueError(f"{self.directory / 'go.mod'} has no go line")
        return tuple(int(part) for part in found[1].split("."))

    @property
    def ldflags(self) -> str:
        """Linker flags: without the version a server calls itself v0.0.0 and every kubeVersion check fails."""
        flags = ["-s", "-w"]
        if self.name == "kubernetes":
            major, minor, _patch = self.version.removeprefix("v").split(".", 2)
            values = {
                "gitVersion": self.version,
                "gitMajor": major,
                "gitMinor": minor,
                "gitTreeState": "clean",
                "gitCommit": "0" * 40,
                "buildDate": "2026-01-01T00:00:00Z",
            }
            for package in _KUBERNETES_VERSION_PACKAGES:
                for key, value in values.items():
                    flags += ["-X", f"{package}.{key}={value}"]
        if self.name == "helm":
            flags += ["-X", f"helm.sh/helm/v4/internal/version.version={self.version}"]
        if self.name == "prometheus":  # its modules are numbered 0.XYY.Z where the release is X.YY.Z
            _zero, minor, patch = self.version.removeprefix("v").split(".", 2)
            release = f"{int(minor) // 100}.{int(minor) % 100}.{patch}"
            flags += ["-X", f"github.com/prometheus/common/version.Version={release}"]
        return " ".join(flags)

    @property
    def key(self) -> str:
        """Names the cache entry: a change of the module, its sums, its sources or its flags is another entry."""
        digest = hashlib.sha256((self.ldflags + self.tags).encode())
        for path in sorted(self.directory.glob("*")):
            if path.suffix in {".go", ".mod", ".sum"}:
                digest.update(path.name.encode() + b"\0" + path.read_bytes())
        return f"{self.name}-{self.version}-{digest.hexdigest()[:12]}"


class UnknownKubernetes(Exception):
    """KUBERNETES names a version that has no module here."""


def _kubernetes(module: str) -> Tool:
    commands = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl")
    packages = {name: f"k8s.io/kubernetes/cmd/{name}" for name in commands}
    return Tool(name="kubernetes", requirement="k8s.io/kubernetes", packages=packages, minutes=9, module=module)


ETCD: Final = Tool(
    name="etcd", requirement="go.etcd.io/etcd/server/v3", packages={"etcd": "llmjob.dev/controlplane/etcd"}, minutes=2
)
KWOK: Final = Tool(
    name="kwok", requirement="sigs.k8s.io/kwok", packages={"kwok": "sigs.k8s.io/kwok/cmd/kwok"}, minutes=2
)
HELM: Final = Tool(name="helm", requirement="helm.sh/helm/v4", packages={"helm": "helm.sh/helm/v4/cmd/helm"}, minutes=3)
PROMETHEUS: Final = Tool(
    name="prometheus",
    requirement="github.com/prometheus/prometheus",
    packages={name: f"github.com/prometheus/prometheus/cmd/{name}" for name in ("prometheus", "promtool")},
    minutes=3,
    tags="remove_all_sd",  # service discovery but static targets: four minutes of building that nothing here uses
)

KUBERNETES_DEFAULT: Final = "1.37"
KUBERNETES_VERSIONS: Final[Mapping[str, Tool]] = {
    "1.34": _kubernetes("kubernetes-1.34"),
    KUBERNETES_DEFAULT: _kubernetes("kubernetes"),
}
KUBERNETES: Final = KUBERNETES_VERSIONS[KUBERNETES_DEFAULT]


def chosen(environment: Mapping[str, str] = os.environ) -> tuple[Tool, ...]:
    """A control plane's tools, Kubernetes as KUBERNETES names it (unset or empty: the newest).

    Raises UnknownKubernetes.
    """
    wanted = environment.get("KUBERNETES") or KUBERNETES_DEFAULT
    kubernetes = KUBERNETES_VERSIONS.get(wanted)
    if kubernetes is None:
        there_are = ", ".join(KUBERNETES_VERSIONS)
        raise UnknownKubernetes(f"KUBERNETES is {wanted!r}, which is not built here: set it to one of {there_are}")
    return (ETCD, kubernetes, KWOK, HELM)
