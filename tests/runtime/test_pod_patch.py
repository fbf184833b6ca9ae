"""The patch of a pod: what was forged is overwritten or removed, and a second pass changes nothing."""

from llmjob.decision.verdict import Action, Exclusion, Verdict
from llmjob.estimator.interval import Interval
from llmjob.names import NEED_ANNOTATION, Reason
from llmjob.quantity import GiB
from llmjob.runtime.pod_patch import patch_of

UNKNOWN = Verdict(name="p", reason=Reason.PENDING, message="no job", action=Action.WARN)
KNOWN = Verdict(
    name="p",
    reason=Reason.FITS,
    message="fits",
    action=Action.ALLOW,
    need=Interval(1 * GiB, 2 * GiB, 3 * GiB),
    exclusions=(Exclusion(key="nvidia.com/gpu.product", values=("Tesla-T4",)),),
)


def pod(annotations=None, **spec):
    return {"metadata": {"annotations": annotations or {}}, "spec": {"containers": [], **spec}}


def test_a_forged_need_is_removed_where_none_is_known():
    operations = patch_of(pod({NEED_ANNOTATION: "1Gi"}), UNKNOWN, steering=True)
    assert {"op": "remove", "path": "/metadata/annotations/status.llmjob.dev~1need"} in operations


def test_a_forged_need_is_overwritten_where_one_is_known():
    operations = patch_of(pod({NEED_ANNOTATION: "1Gi"}), KNOWN, steering=True)
    written = next(item for item in operations if item["path"].endswith("status.llmjob.dev~1need"))
    assert written["value"] == "2.0Gi (1.0Gi-3.0Gi)"


def test_steering_is_not_written_where_it_is_off_or_the_pod_has_its_node():
    def steered(content, *, on):
        return [item for item in patch_of(content, KNOWN, steering=on) if item["path"].startswith("/spec")]

    assert steered(pod(), on=True)
    assert not steered(pod(), on=False)
    assert not steered(pod(nodeName="t4-1"), on=True)
