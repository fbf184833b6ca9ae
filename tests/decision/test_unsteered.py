import copy
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from llmjob.decision.steering import steer
from llmjob.decision.unsteered import unsteered
from llmjob.decision.verdict import Exclusion
from llmjob.fleet.scheduling import Scheduling

OURS = (Exclusion(key="nvidia.com/gpu.product", values=("NVIDIA-L4", "Tesla-T4")),)
Json = dict[str, Any]


def pod(terms: list[Json] | None) -> Json:
    if terms is None:
        return {"spec": {"nodeName": ""}}
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}
    return {"spec": {"affinity": {"nodeAffinity": required}}}


def steered(content: Json) -> Json:
    terms = steer(content["spec"], OURS)
    return content if terms is None else {"spec": {**content["spec"], **pod(terms)["spec"]}}


def admitted(content: Any, labels: dict[str, str]) -> bool:
    return Scheduling(affinity=content["spec"].get("affinity")).admits(labels, ())


_EXPRESSIONS = st.fixed_dictionaries(
    {"key": st.sampled_from(["a", "b"]), "operator": st.sampled_from(["In", "NotIn"]), "values": st.just(["x"])}
)
_TERMS = st.lists(
    st.fixed_dictionaries({"matchExpressions": st.lists(_EXPRESSIONS, min_size=1, max_size=2)}), min_size=1, max_size=3
)


@given(st.none() | _TERMS, st.dictionaries(st.sampled_from(["a", "b"]), st.sampled_from(["x", "y"])))
def test_a_steered_pod_without_our_exclusions_admits_what_the_original_admits(terms, labels):
    original = pod(terms)
    kept = copy.deepcopy(original)
    back = unsteered(steered(original), OURS)
    for product in ("Tesla-T4", "NVIDIA-H100"):
        node = {**labels, "nvidia.com/gpu.product": product}
        assert admitted(back, node) == admitted(kept, node)


def test_a_term_that_held_nothing_but_ours_required_nothing():
    mine = {"matchExpressions": [{"key": "pool", "operator": "In", "values": ["small"]}]}
    ours = {"matchExpressions": [{"key": OURS[0].key, "operator": "NotIn", "values": list(OURS[0].values)}]}
    assert "affinity" not in unsteered(pod([mine, ours]), OURS)["spec"]


def test_another_exclusion_is_the_users_own_and_stays():
    theirs = pod([{"matchExpressions": [{"key": OURS[0].key, "operator": "NotIn", "values": ["Tesla-T4"]}]}])
    assert unsteered(theirs, OURS) is theirs


def test_other_affinity_stays():
    content = steered(pod(None))
    content["spec"]["affinity"]["podAffinity"] = {"x": 1}
    content["spec"]["affinity"]["nodeAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"] = []
    assert unsteered(content, OURS)["spec"]["affinity"] == {
        "podAffinity": {"x": 1},
        "nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": []},
    }
