"""Where a pod may run, read from its spec."""

from llmjob.fleet.scheduling import Scheduling, Taint
from llmjob.workloads.pod_scheduling import scheduling_of

REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"


def test_a_pod_without_constraints_tolerates_no_taint():
    assert scheduling_of({"spec": {}}) == Scheduling()
    assert not scheduling_of({"spec": {}}).ignore_taints


def test_selector_tolerations_runtime_class_and_required_affinity_are_read():
    terms = [
        {
            "matchExpressions": [{"key": "pool", "operator": "In", "values": ["a", "b"]}],
            "matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n1"]}],
        },
        {"matchExpressions": [{"key": "gpu", "operator": "Exists"}]},
    ]
    scheduling = scheduling_of(
        {
            "spec": {
                "nodeSelector": {"pool": "a"},
                "tolerations": [{"key": "gpu", "operator": "Exists", "effect": "NoSchedule", "tolerationSeconds": 3}],
                "runtimeClassName": "nvidia",
                "affinity": {"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": terms}}, "podAffinity": {}},
            }
        }
    )
    assert scheduling.node_selector == {"pool": "a"}
    assert scheduling.tolerations == ({"key": "gpu", "operator": "Exists", "effect": "NoSchedule"},)
    assert scheduling.runtime_class == "nvidia"
    terms[1]["matchExpressions"][0]["values"] = []
    assert scheduling.affinity == {"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": terms}}}


def test_preferences_decide_nothing():
    preferred = {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 1, "preference": {}}]}
    assert scheduling_of({"spec": {"affinity": {"nodeAffinity": preferred}}}).affinity is None


def test_an_empty_term_stays_a_term():
    required = {REQUIRED: {"nodeSelectorTerms": [{}]}}
    assert scheduling_of({"spec": {"affinity": {"nodeAffinity": required}}}).affinity == {"nodeAffinity": required}


def test_odd_shapes_are_left_out():
    spec = {
        "nodeSelector": {"a": 1, "b": "2", 3: "c"},
        "affinity": {"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": [7, {"matchExpressions": "x"}]}}},
        "tolerations": ["all", {"key": 1, "operator": "Exists"}],
        "runtimeClassName": 7,
    }
    scheduling = scheduling_of({"spec": spec})
    assert scheduling.node_selector == {"b": "2"}
    assert scheduling.affinity == {"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": [{"matchExpressions": []}]}}}
    assert scheduling.tolerations == ({"operator": "Exists"},)
    assert scheduling.runtime_class is None
    assert scheduling_of({"spec": "x"}) == Scheduling()


def test_a_pod_that_names_its_node_is_judged_by_that_node_alone() -> None:
    # The scheduler is passed by: its taints and labels decide nothing.
    spec = {"nodeName": "t4-1", "nodeSelector": {"pool": "big"}}
    found = scheduling_of({"spec": spec})
    taints = (Taint("reserved", "", "NoSchedule"),)
    assert found.admits({}, taints, "t4-1")
    assert not found.admits({"pool": "big"}, (), "h100-1")
