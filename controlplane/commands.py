"""The command line of each process of the control plane."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

CONTROLLERS: Final = (
    "clusterrole-aggregation-controller",
    "cronjob-controller",
    "daemonset-controller",
    "deployment-controller",
    "disruption-controller",
    "garbage-collector-controller",
    "job-controller",
    "namespace-controller",
    "node-lifecycle-controller",  # takes the not-ready taint, which admission puts on every new node, off again
    "pod-garbage-collector-controller",
    "replicaset-controller",
    "resourceclaim-controller",
    "resourcequota-controller",
    "root-ca-certificate-publisher-controller",
    "serviceaccount-controller",
    "statefulset-controller",
    "taint-eviction-controller",
)

KWOK_ANNOTATION: Final = "kwok.x-k8s.io/node"


class Pair(NamedTuple):
    """The files of a certificate and its key."""

    certificate: Path
    key: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Files and ports of one control plane."""

    directory: Path
    etcd_port: int
    etcd_peer_port: int
    api_port: int
    controller_manager_port: int
    scheduler_port: int
    kwok_port: int
    service_network: str

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.api_port}"

    @property
    def ca(self) -> Path:
        return self.directory / "ca.crt"

    @property
    def server_certificate(self) -> Path:
        return self.directory / "server.crt"

    @property
    def server_key(self) -> Path:
        return self.directory / "server.key"

    @property
    def etcd_ca(self) -> Path:
        """The authority of etcd alone: whoever has a certificate of it reads every Secret."""
        return self.directory / "etcd-ca.crt"

    @property
    def etcd_server(self) -> Pair:
        return Pair(self.directory / "etcd-server.crt", self.directory / "etcd-server.key")

    @property
    def etcd_client(self) -> Pair:
        return Pair(self.directory / "etcd-client.crt", self.directory / "etcd-client.key")

    @property
    def service_account_key(self) -> Path:
        return self.directory / "service-accounts.key"

    @property
    def tokens(self) -> Path:
        return self.directory / "tokens.csv"

    @property
    def audit_log(self) -> Path:
        return self.directory / "audit.log"

    @property
    def audit_policy(self) -> Path:
        return self.directory / "audit-policy.yaml"

    def kubeconfig(self, user: str) -> Path:
        return self.directory / f"{user.replace(':', '-')}.kubeconfig"

    def log(self, process: str) -> Path:
        return self.directory / f"{process}.log"


def etcd(binary: Path, layout: Layout) -> list[str]:
    """Both ports ask for a certificate: pods that really run share the loopback with it."""
    client, peer = f"https://127.0.0.1:{layout.etcd_port}", f"https://127.0.0.1:{layout.etcd_peer_port}"
    pair = layout.etcd_server
    return [
        str(binary),
        f"--data-dir={layout.directory / 'etcd'}",
        "--unsafe-no-fsync",  # the data is thrown away with the process
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=default={peer}",
        f"--cert-file={pair.certificate}",
        f"--key-file={pair.key}",
        f"--trusted-ca-file={layout.etcd_ca}",
        "--client-cert-auth",
        f"--peer-cert-file={pair.certificate}",
        f"--peer-key-file={pair.key}",
        f"--peer-trusted-ca-file={layout.etcd_ca}",
        "--peer-client-cert-auth",
        "--log-level=warn",
    ]


def api_server(binary: Path, layout: Layout, *, audit: bool, extra: tuple[str, ...]) -> list[str]:
    command = [
        str(binary),
        f"--etcd-servers=https://127.0.0.1:{layout.etcd_port}",
        f"--etcd-cafile={layout.etcd_ca}",
        f"--etcd-certfile={layout.etcd_client.certificate}",
        f"--etcd-keyfile={layout.etcd_client.key}",
        "--bind-address=127.0.0.1",
        f"--secure-port={layout.api_port}",
        f"--tls-cert-file={layout.server_certificate}",
        f"--tls-private-key-file={layout.server_key}",
        f"--token-auth-file={layout.tokens}",
        f"--client-ca-file={layout.ca}",
        "--authorization-mode=Node,RBAC",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={layout.service_account_key}",
        f"--service-account-signing-key-file={layout.service_account_key}",
        # Without kube-proxy a Service is reachable only where its address is a loopback one.
        f"--service-cluster-ip-range={layout.service_network}",
        "--endpoint-reconciler-type=none",
        "--allow-privileged=true",
    ]
    if audit:
        command += [f"--audit-policy-file={layout.audit_policy}", f"--audit-log-path={layout.audit_log}"]
    return [*command, *extra]


def controller_manager(binary: Path, layout: Layout) -> list[str]:
    return [
        str(binary),
        f"--kubeconfig={layout.kubeconfig('system:kube-controller-manager')}",
        f"--service-account-private-key-file={layout.service_account_key}",
        f"--root-ca-file={layout.ca}",
        "--use-service-account-credentials=true",
        "--leader-elect=false",
        f"--controllers={','.join(CONTROLLERS)}",
        "--bind-address=127.0.0.1",
        f"--secure-port={layout.controller_manager_port}",
        f"--tls-cert-file={layout.server_certificate}",
        f"--tls-private-key-file={layout.server_key}",
    ]


def scheduler(binary: Path, layout: Layout) -> list[str]:
    return [
        str(binary),
        f"--kubeconfig={layout.kubeconfig('system:kube-scheduler')}",
        "--leader-elect=false",
        "--bind-address=127.0.0.1",
        f"--secure-port={layout.scheduler_port}",
        f"--tls-cert-file={layout.server_certificate}",
        f"--tls-private-key-file={layout.server_key}",
    ]


def kwok(binary: Path, layout: Layout, stages: Path) -> list[str]:
    return kwok_on(binary, layout.kubeconfig("kwok"), stages, layout.kwok_port, value="fake")


def kwok_on(binary: Path, kubeconfig: Path, stages: Path, port: int, *, value: str) -> list[str]:
    """A kwok that manages the nodes whose annotation has that value, and no other's."""
    return [
        str(binary),
        f"--kubeconfig={kubeconfig}",
        f"--config={stages}",
        f"--manage-nodes-with-annotation-selector={KWOK_ANNOTATION}={value}",
        "--node-lease-duration-seconds=40",
        f"--server-address=127.0.0.1:{port}",
    ]
