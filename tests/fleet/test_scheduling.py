"""Eligibility, as the scheduler's NodeAffinity and TaintToleration filters have it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmjob.fleet.scheduling import ANYWHERE, Scheduling, Taint

LABELS = {"zone": "a", "memory": "16384", "word": "x"}


def required(*terms):
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": list(terms)}}}


def expression(key, operator, *values):
    return {"key": key, "operator": operator, "values": list(values)} if values else {"key": key, "operator": operator}


def admits(*expressions, labels=LABELS, fields=(), name="node-1"):
    term = {"matchExpressions": list(expressions), "matchFields": list(fields)}
    return Scheduling(affinity=required(term)).admits(labels, (), name)


@pytest.mark.parametrize(
    ("stated", "answer"),
    [
        (expression("zone", "In", "a", "b"), True),
        (expression("zone", "In", "b"), False),
        (expression("none", "In", "a"), False),
        (expression("zone", "NotIn", "b"), True),
        (expression("zone", "NotIn", "a"), False),
        (expression("none", "NotIn", "a"), True),
        (expression("zone", "Exists"), True),
        (expression("none", "Exists"), False),
        (expression("none", "DoesNotExist"), True),
        (expression("zone", "DoesNotExist"), False),
        (expression("memory", "Gt", "16383"), True),
        (expression("memory", "Gt", "16384"), False),
        (expression("memory", "Lt", "16385"), True),
        (expression("memory", "Lt", "16384"), False),
        (expression("memory", "Gt", "-1"), True),
        (expression("word", "Gt", "1"), False),
        (expression("memory", "Gt", "x"), False),
        (expression("none", "Lt", "1"), False),
        (expression("memory", "Gt", "1", "2"), False),
        (expression("zone", "Like", "a"), False),
        (expression("zone", "In"), False),
        (expression("zone", "NotIn"), False),
    ],
)
def test_an_expression_holds_as_the_scheduler_has_it(stated, answer):
    assert admits(stated) is answer


def test_expressions_of_a_term_are_anded_and_terms_are_ored():
    here, there = expression("zone", "In", "a"), expression("zone", "In", "b")
    assert not admits(here, there)
    scheduling = Scheduling(affinity=required({"matchExpressions": [there]}, {"matchExpressions": [here]}))
    assert scheduling.admits(LABELS, ())


@pytest.mark.parametrize("terms", [[], [{}], [{"matchExpressions": []}], [{"matchFields": []}]])
def test_an_empty_term_matches_nothing(terms):
    assert not Scheduling(affinity=required(*terms)).admits(LABELS, ())


@pytest.mark.parametrize("affinity", [None, {}, {"nodeAffinity": {}}, {"podAffinity": {"x": 1}}])
def test_nothing_required_matches_every_node(affinity):
    assert Scheduling(affinity=affinity).admits({}, ())


def test_fields_match_the_name_of_the_node():
    named = expression("metadata.name", "In", "node-1")
    assert admits(fields=[named])
    assert not admits(fields=[named], name="node-2")
    assert not admits(fields=[named], labels={"metadata.name": "node-1"}, name="node-2")
    assert not admits(expression("zone", "In", "b"), fields=[named])


def test_the_node_selector_needs_every_label():
    assert Scheduling(node_selector={"zone": "a", "word": "x"}).admits(LABELS, ())
    assert not Scheduling(node_selector={"zone": "a", "word": "y"}).admits(LABELS, ())
    assert not Scheduling(node_selector={"none": ""}).admits(LABELS, ())


GPU = Taint("nvidia.com/gpu", "present", "NoSchedule")


@pytest.mark.parametrize(
    ("toleration", "tolerated"),
    [
        ({"key": "nvidia.com/gpu", "operator": "Exists"}, True),
        ({"key": "nvidia.com/gpu", "operator": "Equal", "value": "present"}, True),
        ({"key": "nvidia.com/gpu", "value": "present"}, True),
        ({"key": "nvidia.com/gpu", "value": "absent"}, False),
        ({"key": "nvidia.com/gpu"}, False),
        ({"operator": "Exists"}, True),
        ({"operator": "Equal", "value": "present"}, False),
        ({"key": "other", "operator": "Exists"}, False),
        ({"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}, True),
        ({"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoExecute"}, False),
    ],
)
def test_a_taint_is_tolerated_as_kubernetes_has_it(toleration, tolerated):
    assert Scheduling(tolerations=[toleration]).admits({}, [GPU]) is tolerated


@pytest.mark.parametrize("effect", ["NoSchedule", "NoExecute"])
def test_every_repelling_taint_needs_a_toleration(effect):
    other = Taint("team", "x", effect)
    assert not Scheduling(tolerations=[{"key": GPU.key, "operator": "Exists"}]).admits({}, [GPU, other])


def test_a_preference_repels_nobody():
    assert Scheduling().admits({}, [Taint("team", "x", "PreferNoSchedule")])


@pytest.mark.parametrize(
    "key",
    ["node.kubernetes.io/unschedulable", "node.kubernetes.io/not-ready",
     "node.cloudprovider.kubernetes.io/uninitialized",
     "karpenter.sh/unregistered", "karpenter.sh/disrupted"],
)  # fmt: skip
@pytest.mark.parametrize("effect", ["NoSchedule", "NoExecute"])
def test_a_passing_state_of_a_node_repels_nobody(key, effect):
    assert Scheduling().admits({}, [Taint(key, "", effect)])


def test_taints_do_not_count_where_tolerations_are_not_known():
    assert ANYWHERE.admits({}, [GPU])
    assert not Scheduling().admits({}, [GPU])


KEYS = st.sampled_from(["zone", "memory", "word", "none"])
EXPRESSIONS = st.fixed_dictionaries(
    {"key": KEYS, "operator": st.sampled_from(["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"]),
     "values": st.lists(st.sampled_from(["a", "b", "16384", "x"]), min_size=1, max_size=2)}
)  # fmt: skip


@given(st.lists(EXPRESSIONS, min_size=1, max_size=4), st.lists(EXPRESSIONS, max_size=3))
def test_more_expressions_never_admit_more(some, more):
    assert admits(*some) or not admits(*some, *more)


@given(
    st.recursive(
        st.none() | st.text() | st.integers(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_an_odd_affinity_never_fails(odd):
    Scheduling(affinity={"nodeAffinity": odd}).admits(LABELS, ())
    Scheduling(affinity=required(odd)).admits(LABELS, ())
