"""The Deployments: what they run is what the command takes, and they run with as little as they need."""

import base64
from typing import Any

import click
import pytest
import yaml

from llmjob.cli.controller import command as controller
from llmjob.cli.webhook import command as webhook
from llmjob.runtime.settings import Settings, config_map_of
from tools import renders

pytestmark = pytest.mark.cluster

CA = base64.b64encode(b"-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n").decode()
COMMANDS = {"webhook": webhook, "controller": controller}
POD = {"POD_IP": "127.0.0.2", "POD_NAME": "pod", "POD_NAMESPACE": "llmjob-system"}


def only(objects: list[dict[str, Any]], kind: str, name: str) -> dict[str, Any]:
    found = [item for item in objects if (item["kind"], item["metadata"]["name"]) == (kind, name)]
    assert len(found) == 1
    return found[0]


def pod_of(objects: list[dict[str, Any]], process: str) -> dict[str, Any]:
    spec = only(objects, "Deployment", f"llmjob-{process}")["spec"]["template"]["spec"]
    assert isinstance(spec, dict)
    return spec


def parameters(pod: dict[str, Any]) -> dict[str, Any]:
    """The container's arguments as the command reads them."""
    container = pod["containers"][0]
    assert {item["name"] for item in container["env"]} == POD.keys()
    arguments = container["args"]
    for name, value in POD.items():
        arguments = [text.replace(f"$({name})", value) for text in arguments]
    assert container["command"] == ["llmjob"]
    assert arguments[0] == container["name"]
    context: click.Context = COMMANDS[arguments[0]].make_context(arguments[0], arguments[1:])
    return context.params


@pytest.mark.parametrize("process", COMMANDS)
@pytest.mark.parametrize("sets", [(), ("webhook.url=https://h:1",)], ids=["service", "url"])
def test_the_command_takes_the_arguments(render: Any, process: str, sets: tuple[str, ...]) -> None:
    pod = pod_of(render(*sets), process)
    found = parameters(pod)
    ports = {item["name"]: item["containerPort"] for item in pod["containers"][0]["ports"]}
    assert found["host"] == "127.0.0.2"
    assert found["metrics_port"] == ports["metrics"]
    assert config_map_of(found["settings"]) == ("llmjob-system", "llmjob-settings")
    if process == "webhook":
        assert found["port"] == ports["https"]
        mount = next(item for item in pod["containers"][0]["volumeMounts"] if item["name"] == "tls")
        assert {found["tls_cert"], found["tls_key"]} == {
            f"{mount['mountPath']}/{key}" for key in ("tls.crt", "tls.key")
        }


def test_the_webhook_waits_for_its_certificate_and_never_sees_the_cas_key(render: Any) -> None:
    volume = next(item for item in pod_of(render(), "webhook")["volumes"] if item["name"] == "tls")
    assert volume["secret"]["optional"] is True
    assert volume["secret"]["secretName"] == "llmjob-webhook-tls"
    assert [item["key"] for item in volume["secret"]["items"]] == ["tls.crt", "tls.key"]


@pytest.mark.parametrize(
    ("sets", "flags"),
    [
        ((), {"--certificate-secret=$(POD_NAMESPACE)/llmjob-webhook-tls",
              "--webhook-service=$(POD_NAMESPACE)/llmjob-webhook"}),
        (("webhook.url=https://[::1]:8443",), {"--certificate-secret=$(POD_NAMESPACE)/llmjob-webhook-tls",
                                               "--webhook-name=::1"}),
        (("certificates.mode=certManager",), set()),
        (("webhook.enabled=false",), set()),
    ],
    ids=["service", "url", "cert-manager", "no webhook here"],
)  # fmt: skip
def test_the_controller_makes_a_certificate_where_nobody_else_does(
    render: Any, sets: tuple[str, ...], flags: set[str]
) -> None:
    args = pod_of(render(*sets), "controller")["containers"][0]["args"]
    assert {text for text in args if text.startswith(("--certificate", "--webhook"))} == flags


def test_a_settings_change_restarts_nothing(render: Any) -> None:
    before, after = render(), render("settings.defaultEnforcement=audit")
    for process in COMMANDS:
        name = f"llmjob-{process}"
        assert only(before, "Deployment", name) == only(after, "Deployment", name)
    content = only(after, "ConfigMap", "llmjob-settings")["data"]["settings.yaml"]
    assert Settings.from_text(content) == Settings(default_enforcement="audit")


def test_endpoints_are_withdrawn_before_a_replica_stops(render: Any) -> None:
    pod = pod_of(render("webhook.drainSeconds=7"), "webhook")
    assert pod["containers"][0]["lifecycle"]["preStop"] == {"sleep": {"seconds": 7}}
    # The server's own ten seconds for requests under way come after.
    assert pod["terminationGracePeriodSeconds"] > 7 + 10
    strategy = only(render(), "Deployment", "llmjob-webhook")["spec"]["strategy"]
    assert strategy["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}


@pytest.mark.parametrize(("replicas", "budgets"), [(1, 0), (2, 1)])
def test_one_of_several_replicas_stays_in_a_drain(render: Any, replicas: int, budgets: int) -> None:
    found = [item for item in render(f"webhook.replicas={replicas}") if item["kind"] == "PodDisruptionBudget"]
    assert [item["spec"]["minAvailable"] for item in found] == [1] * budgets


def test_two_controllers_never_overlap_in_a_rollout(render: Any) -> None:
    spec = only(render(), "Deployment", "llmjob-controller")["spec"]
    assert (spec["replicas"], spec["strategy"]) == (1, {"type": "Recreate"})


@pytest.mark.parametrize("process", COMMANDS)
def test_a_service_and_its_pods_find_each_other(render: Any, process: str) -> None:
    objects = render()
    deployment, service = (only(objects, kind, f"llmjob-{process}") for kind in ("Deployment", "Service"))
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    assert deployment["spec"]["selector"]["matchLabels"] == labels == service["spec"]["selector"]
    names = {item["name"] for item in deployment["spec"]["template"]["spec"]["containers"][0]["ports"]}
    assert {item["targetPort"] for item in service["spec"]["ports"]} == names


@pytest.mark.parametrize(
    ("sets", "image"),
    [
        ((), "llmjob-operator:0.1.0"),
        (("image.registry=r.example:5000/team", "image.tag=1.2"), "r.example:5000/team/llmjob-operator:1.2"),
        ((f"image.digest=sha256:{'a' * 64}", "image.tag=1.2"), f"llmjob-operator@sha256:{'a' * 64}"),
    ],
)
def test_the_image_has_no_host_but_a_stated_one(render: Any, sets: tuple[str, ...], image: str) -> None:
    objects = render(*sets)
    assert {pod_of(objects, process)["containers"][0]["image"] for process in COMMANDS} == {image}


@pytest.mark.parametrize(
    ("release", "name"),
    [("llmjob", "llmjob"), ("team-llmjob-1", "team-llmjob-1"), ("gpu", "gpu-llmjob"), ("v1.2", "v1-2-llmjob")],
)
def test_names_come_from_the_release(render: Any, release: str, name: str) -> None:
    only(render(release=release), "Deployment", f"{name}-webhook")


def strings_of(found: Any, path: str = "") -> dict[str, Any]:
    """Every name, namespace, label, selector and class in an object, by its path."""
    kept: dict[str, Any] = {}
    for key, value in found.items() if isinstance(found, dict) else enumerate(found):
        here = f"{path}.{key}"
        if isinstance(value, (dict, list)):
            kept |= strings_of(value, here)
        elif key in {"name", "namespace", "secretName", "serviceAccountName", "priorityClassName"} or (
            str(key).startswith(("app.kubernetes.io/", "helm.sh/"))
        ):
            kept[here] = value
    return kept


@pytest.mark.parametrize("name", ["2024", "true", "1e3", "null"])
@pytest.mark.parametrize("mode", ["controller", "certManager", "existing"])
def test_names_that_look_like_something_else_stay_text(name: str, mode: str) -> None:
    answer = renders.template(
        "--namespace", name, "--set", f"certificates.mode={mode}", "--set", "serviceMonitor.enabled=true",
        "--set", "networkPolicy.enabled=true", "--set-string", f"priorityClassName={name}",
        "--set-string", f"certificates.secretName={name if mode == 'existing' else ''}",
        "--set-string", f"test.namespace={name}", "--set", f"webhook.caBundle={CA if mode == 'existing' else ''}",
        release=name if name.isalpha() else "llmjob",
    )  # fmt: skip
    assert answer.returncode == 0, answer.stderr
    for item in yaml.safe_load_all(answer.stdout):
        wrong = {path: value for path, value in strings_of(item or {}).items() if not isinstance(value, str)}
        assert not wrong, wrong


def test_the_controller_mounts_what_its_settings_name(render: Any) -> None:
    pod = pod_of(
        render(
            "controller.extraVolumes[0].name=ca", "controller.extraVolumes[0].configMap.name=prometheus-ca",
            "controller.extraVolumeMounts[0].name=ca", "controller.extraVolumeMounts[0].mountPath=/etc/prometheus",
        ),
        "controller",
    )  # fmt: skip
    assert {"name": "ca", "configMap": {"name": "prometheus-ca"}} in pod["volumes"]
    assert {"name": "ca", "mountPath": "/etc/prometheus"} in pod["containers"][0]["volumeMounts"]


def test_the_longest_release_name_gives_names_that_services_can_have(render: Any) -> None:
    services = [item for item in render(release="r" * 53) if item["kind"] == "Service"]
    assert max(len(item["metadata"]["name"]) for item in services) == 63


def test_a_url_names_the_host_in_a_certificate_of_cert_manager(render: Any) -> None:
    def names(url: str) -> dict[str, Any]:
        objects = render("certificates.mode=certManager", f"webhook.url={url}")
        spec = only(objects, "Certificate", "llmjob-webhook")["spec"]
        return {key: spec[key] for key in ("dnsNames", "ipAddresses") if key in spec}

    assert names("https://llmjob.example:8443") == {"dnsNames": ["llmjob.example"]}
    assert names("https://10.0.0.7") == {"ipAddresses": ["10.0.0.7"]}
    assert names("https://[fd00::7]:8443") == {"ipAddresses": ["fd00::7"]}


def test_settings_survive_the_way_through_the_config_map(render: Any) -> None:
    objects = render(
        "settings.inventory.pools[0].name=nvidia-l4", "settings.inventory.pools[0].memory=24Gi",
        "settings.inventory.pools[0].labels.pool=l4", "settings.inventory.complete=true",
    )  # fmt: skip
    settings = Settings.from_text(only(objects, "ConfigMap", "llmjob-settings")["data"]["settings.yaml"])
    assert settings.inventory.complete
    assert [dict(pool) for pool in settings.inventory.pools] == yaml.safe_load(
        "[{name: nvidia-l4, memory: 24Gi, labels: {pool: l4}}]"
    )
