"""A wrong value is refused with its name, before anything reaches the cluster."""

import base64
from typing import Any

import pytest

pytestmark = pytest.mark.cluster

PEM = base64.b64encode(b"-----BEGIN CERTIFICATE-----\n").decode()
# What is set, and what the message must hold: the value's name, and what it should be.
WRONG = (
    (["webhok.url=https://h"], "'webhok' not allowed"),
    (["webhook.uri=https://h"], "'uri' not allowed"),
    (["webhook.url=http://127.0.0.1"], "'/webhook/url'"),
    (["webhook.url=https://h/path"], "'/webhook/url'"),
    (["webhook.replicas=two"], "'/webhook/replicas': got string, want integer"),
    (["webhook.replicas=0"], "'/webhook/replicas': minimum: got 0, want 1"),
    (["webhook.timeoutSeconds=0"], "'/webhook/timeoutSeconds': minimum: got 0, want 3"),
    (["webhook.podFailurePolicy=ignore"], "'/webhook/podFailurePolicy': value must be one of 'Ignore', 'Fail'"),
    (["webhook.service.port=70000"], "'/webhook/service/port'"),
    (["webhook.drainSeconds=0"], "'/webhook/drainSeconds'"),
    (["webhook.resources.limits.memory=768MB"], "'/webhook/resources/limits/memory'"),
    (["controller.resources.memory=1Gi"], "'memory' not allowed"),
    (["controller.enabled=maybe"], "'/controller/enabled': got string, want boolean"),
    (["certificates.mode=cert-manager"], "'/certificates/mode'"),
    (["certificates.certManager.issuerRef.name=My_Issuer"], "'/certificates/certManager/issuerRef/name'"),
    (["settings.enabled=yes"], "'/settings/enabled': got string, want boolean"),
    (["settings.defaultEnforcement=Enforce"], "'/settings/defaultEnforcement'"),
    (["settings.defaultLevel=warn"], "'defaultLevel' not allowed"),
    (["settings.steering=on"], "'/settings/steering'"),
    (["settings.inventory.complete=1"], "'/settings/inventory/complete': got number, want boolean"),
    (["settings.inventory.pools[0].gpus=4"], "'gpus' not allowed"),
    (["settings.inventory.pools[0].gpusPerNode=4"], "missing property 'name'"),
    (["settings.inventory.pools[0].name=l4", "settings.inventory.pools[0].memory=24GB"], "pools/0/memory'"),
    (["settings.views.maxAge=10"], "'/settings/views/maxAge': got number, want string"),
    (["settings.views.listInterval=5 minutes"], "'/settings/views/listInterval'"),
    (["settings.views.listInterval=0s"], "'/settings/views/listInterval'"),
    (["settings.views.maxAge=25h"], "'/settings/views/maxAge'"),
    (["settings.views.maxAge=86401s"], "'/settings/views/maxAge'"),
    (["settings.prometheus.interval=11m"], "'/settings/prometheus/interval'"),
    (["settings.inventory.pools[0].name=l4", "settings.inventory.pools[0].gpusPerNode=0"], "pools/0/gpusPerNode'"),
    (["settings.inventory.pools[0].name=l4", "settings.inventory.pools[0].memory=0Gi"], "pools/0/memory'"),
    (["settings.inventory.pools[0].name=l4", "settings.inventory.pools[0].memory=24m"], "pools/0/memory'"),
    (["image.registry=registry.example/"], "'/image/registry'"),
    (["image.digest=latest"], "'/image/digest'"),
    (["excludedNamespaces=gpu-operator"], "'/excludedNamespaces': got string, want array"),
    (["excludedNamespaces[0]=GPU"], "'/excludedNamespaces/0'"),
    (["nodeSelector.gpu=true"], "'/nodeSelector/gpu': got boolean, want string"),
    (["serviceMonitor.interval=30"], "'/serviceMonitor/interval'"),
    (["networkPolicy.metricsFrom.namespace=monitoring"], "'/networkPolicy/metricsFrom': got object, want array"),
    (["test.namespace="], "'/test/namespace'"),
    # Right each, and wrong together.
    (["controller.enabled=false"], "certificates.mode: controller.enabled is false"),
    (["certificates.mode=existing"], "certificates.secretName: certificates.mode is existing"),
    (["certificates.secretName=mine"], "certificates.secretName: is for certificates.mode existing only"),
    ([f"webhook.caBundle={PEM}"], "webhook.caBundle: is written by the controller"),
    ([f"webhook.caBundle={PEM}", "certificates.mode=certManager"], "webhook.caBundle: is written by cert-manager"),
    (["certificates.mode=existing", "certificates.secretName=mine"], "webhook.caBundle: certificates.mode is existing"),
    (
        ["certificates.mode=existing", "certificates.secretName=mine", "webhook.caBundle=AAAA"],
        "webhook.caBundle: holds no PEM certificate",
    ),
    (["webhook.replicas=1", "webhook.podFailurePolicy=Fail"], "webhook.podFailurePolicy: Fail needs webhook.replicas"),
)


@pytest.mark.parametrize(("sets", "said"), WRONG, ids=lambda item: ",".join(item) if isinstance(item, list) else "")
def test_a_wrong_value_is_refused_with_its_name(refusal: Any, sets: list[str], said: str) -> None:
    assert said in refusal(*(part for item in sets for part in ("--set", item)))


def test_an_older_kubernetes_is_refused(refusal: Any) -> None:
    assert ">=1.30.0" in refusal("--kube-version", "1.29.9")
