"""Steering by exclusion: off the cards that are surely too small, and off nothing else."""

import copy
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmjob.decision.decide import decide
from llmjob.decision.policy import Policy
from llmjob.decision.steering import exclusions, steer
from llmjob.decision.verdict import Exclusion
from llmjob.fleet.gpu_class import GPUClass
from llmjob.fleet.scheduling import Scheduling
from llmjob.names import Level
from tests.decision.cases import FITS_NOTHING, fleet, l4, request, t4, unified
from tests.fleet.nodes import gpu_node

PRODUCT = "nvidia.com/gpu.product"
MEMORY, NAME = "karpenter.k8s.aws/instance-gpu-memory", "karpenter.k8s.aws/instance-gpu-name"
T4_OFF = Exclusion(key=PRODUCT, values=("Tesla-T4",))


def gpu_class(called, **keys):
    renamed = {"product": PRODUCT, "memory": MEMORY, "name": NAME}
    carried = {renamed[key]: frozenset(values.split()) for key, values in keys.items()}
    return GPUClass(name=called, vendor="nvidia", product=called, steering_keys=carried)


class TestExclusions:
    def test_the_values_of_too_small_classes_are_excluded(self):
        found = exclusions(
            [(gpu_class("t4", product="Tesla-T4 NVIDIA-T4"), True), (gpu_class("l4", product="NVIDIA-L4"), False)]
        )
        assert found == (Exclusion(key=PRODUCT, values=("NVIDIA-T4", "Tesla-T4")),)

    def test_a_value_that_another_class_carries_is_kept(self):
        classes = [(gpu_class("t4", product="Tesla-T4"), True), (gpu_class("t4-shared", product="Tesla-T4"), False)]
        assert exclusions(classes) == ()
        assert exclusions([(found, True) for found, _ in classes]) == (T4_OFF,)

    def test_each_dialect_gives_one_expression_by_its_first_key(self):
        found = exclusions([(gpu_class("t4", product="Tesla-T4", memory="16384", name="t4"), True)])
        assert [item.key for item in found] == [PRODUCT, MEMORY]

    def test_the_next_key_stands_in_where_the_first_is_not_carried(self):
        assert exclusions([(gpu_class("t4", name="t4"), True)]) == (Exclusion(key=NAME, values=("t4",)),)

    def test_nothing_too_small_excludes_nothing(self):
        assert exclusions([(gpu_class("t4", product="Tesla-T4"), False)]) == ()

    @given(
        st.lists(
            st.tuples(
                st.dictionaries(
                    st.sampled_from([PRODUCT, MEMORY, NAME]), st.frozensets(st.sampled_from("abcdef"), min_size=1)
                ),
                st.booleans(),
            ),
            max_size=8,
        ),
        st.randoms(),
    )
    def test_the_order_of_classes_changes_nothing_and_no_other_card_is_hit(self, drawn, order):
        classes = [
            (GPUClass(name=str(i), vendor="v", product="p", steering_keys=keys), small)
            for i, (keys, small) in enumerate(drawn)
        ]
        found = exclusions(classes)
        order.shuffle(classes)
        assert exclusions(classes) == found
        assert len(found) <= 8
        for item in found:
            for other, small in classes:
                assert small or not (other.steering_keys.get(item.key, frozenset()) & set(item.values))


class TestDecided:
    def policy(self, level=Level.WARN, **more):
        return Policy(level=level, inventory_complete=True, **more)

    @pytest.mark.parametrize(("level", "acts"), [(Level.OFF, False), (Level.AUDIT, False), (Level.WARN, True),
                                                 (Level.ENFORCE, True), (Level.STRICT, True)])  # fmt: skip
    def test_small_cards_are_excluded_from_level_warn_on(self, level, acts):
        verdict = decide(request(11), fleet(t4(), l4()), self.policy(level))
        assert verdict.exclusions == ((T4_OFF,) if acts else ())
        assert verdict.excluded_classes == (("nvidia-t4",) if acts else ())

    def test_steering_may_be_switched_off(self):
        assert decide(request(11), fleet(t4(), l4()), self.policy(steering=False)).exclusions == ()

    def test_where_nothing_fits_warn_keeps_no_pod_from_starting(self):
        gpus = fleet(t4(), l4())
        assert decide(request(FITS_NOTHING), gpus, self.policy()).exclusions == ()
        (found,) = decide(request(FITS_NOTHING), gpus, self.policy(Level.ENFORCE)).exclusions
        assert found.values == ("NVIDIA-L4", "Tesla-T4")

    def test_where_one_card_is_too_small_and_the_other_node_has_too_few_nothing_fits_either(self):
        gpus = fleet(t4(count=4), l4())
        asked = request(11, gpus_per_pod=4)
        assert decide(asked, gpus, self.policy()).exclusions == ()
        assert decide(asked, gpus, self.policy(Level.ENFORCE)).exclusions == (T4_OFF,)

    def test_an_unknown_class_is_somewhere_to_go(self):
        assert decide(request(FITS_NOTHING), fleet(t4(), unified()), self.policy()).exclusions == (T4_OFF,)

    def test_too_few_gpus_are_never_steered(self):
        assert decide(request(gpus_per_pod=4), fleet(t4(), l4(count=4)), self.policy(Level.ENFORCE)).exclusions == ()

    def test_nothing_is_added_when_no_eligible_class_is_too_small(self):
        scheduling = Scheduling(node_selector={"pool": "large"})
        gpus = fleet(t4(), l4(labels={"pool": "large"}))
        assert decide(request(11, scheduling=scheduling), gpus, self.policy()).exclusions == ()

    def test_a_value_that_an_ineligible_class_carries_is_weighed_as_well(self):
        # The renamed resource leaves the product label alone: time-sliced and whole cards share it.
        labels = {"nvidia.com/gpu.replicas": "2"}
        renamed = gpu_node("s", "Quasar", 60000, allocatable={"nvidia.com/gpu.shared": "2"}, labels=labels)
        small = gpu_node("w", "Quasar", 10000)
        asked = request(11, gpu_resource="nvidia.com/gpu")
        assert decide(asked, fleet(l4(), [small]), self.policy()).exclusions == (
            Exclusion(key=PRODUCT, values=("Quasar",)),
        )
        assert decide(asked, fleet(l4(), [small, renamed]), self.policy()).exclusions == ()

    def test_pods_that_may_run_elsewhere_get_the_same_exclusions(self):
        nodes = [*t4(labels={"pool": "a"}), *l4(labels={"pool": "a"}), gpu_node("x", "Tesla-V100-SXM2-16GB", 16160)]
        here = Scheduling(node_selector={"pool": "a"})
        everywhere = decide(request(11), fleet(nodes), self.policy())
        random.Random(1).shuffle(nodes)
        assert decide(request(11, scheduling=here), fleet(nodes), self.policy()).exclusions == everywhere.exclusions


def spec(*terms, **more):
    required = {"nodeSelectorTerms": list(terms)}
    return {"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}, **more}}


def applied(pod_spec, terms):
    return pod_spec if terms is None else spec(*terms)


class TestSteer:
    def test_without_affinity_it_is_one_new_term(self):
        expected = [{"matchExpressions": [{"key": PRODUCT, "operator": "NotIn", "values": ["Tesla-T4"]}]}]
        for pod_spec in ({}, {"affinity": None}, {"affinity": {"podAffinity": {}}}, {"affinity": {"nodeAffinity": {}}}):
            assert steer(pod_spec, [T4_OFF]) == expected

    def test_it_is_anded_into_every_term_that_is_not_empty(self):
        zone = {"key": "zone", "operator": "In", "values": ["a"]}
        named = {"key": "metadata.name", "operator": "In", "values": ["n"]}
        added = {"key": PRODUCT, "operator": "NotIn", "values": ["Tesla-T4"]}
        terms = steer(spec({"matchExpressions": [zone]}, {}, {"matchFields": [named]}), [T4_OFF])
        assert terms == [{"matchExpressions": [zone, added]}, {}, {"matchFields": [named], "matchExpressions": [added]}]

    def test_empty_terms_alone_match_nothing_and_stay_so(self):
        assert steer(spec({}), [T4_OFF]) is None
        assert steer(spec(), [T4_OFF]) is None

    def test_nothing_to_exclude_changes_nothing(self):
        assert steer({}, []) is None

    def test_a_wider_exclusion_of_the_users_own_is_enough(self):
        own = {"key": PRODUCT, "operator": "NotIn", "values": ["NVIDIA-L4", "Tesla-T4"]}
        assert steer(spec({"matchExpressions": [own]}), [T4_OFF]) is None

    def test_a_narrower_one_is_not(self):
        own = {"key": PRODUCT, "operator": "NotIn", "values": ["NVIDIA-L4"]}
        (term,) = steer(spec({"matchExpressions": [own]}), [T4_OFF])
        assert len(term["matchExpressions"]) == 2

    def test_the_pods_own_object_is_left_alone(self):
        pod_spec = spec({"matchExpressions": [{"key": "zone", "operator": "Exists"}]})
        before = copy.deepcopy(pod_spec)
        steer(pod_spec, [T4_OFF])
        assert pod_spec == before


VALUES = st.sampled_from(["Tesla-T4", "NVIDIA-L4", "x", "5"])
EXPRESSION = st.fixed_dictionaries(
    {"key": st.sampled_from([PRODUCT, MEMORY, "zone"]),
     "operator": st.sampled_from(["In", "NotIn", "Exists", "DoesNotExist", "Gt"]),
     "values": st.lists(VALUES, max_size=2)}
)  # fmt: skip
TERM = st.fixed_dictionaries(
    {}, optional={"matchExpressions": st.lists(EXPRESSION, max_size=3),
                  "matchFields": st.just([{"key": "metadata.name", "operator": "In", "values": ["n"]}])}
)  # fmt: skip
EXCLUSIONS = st.lists(
    st.builds(
        Exclusion, key=st.sampled_from([PRODUCT, MEMORY]), values=st.lists(VALUES, min_size=1, unique=True).map(tuple)
    ),
    max_size=2,
)
NODE = st.dictionaries(st.sampled_from([PRODUCT, MEMORY, "zone"]), VALUES)


@given(st.lists(TERM, max_size=3), EXCLUSIONS, NODE)
def test_steering_admits_exactly_what_the_user_admits_less_what_is_excluded(terms, excluded, labels):
    pod_spec = spec(*terms)
    steered = applied(pod_spec, steer(pod_spec, excluded))
    hit = any(labels.get(item.key) in item.values for item in excluded)
    before = Scheduling(affinity=pod_spec["affinity"]).admits(labels, (), "n")
    assert Scheduling(affinity=steered["affinity"]).admits(labels, (), "n") == (before and not hit)


@given(st.none() | st.lists(TERM, max_size=3), EXCLUSIONS)
def test_a_second_pass_patches_nothing(terms, excluded):
    pod_spec = {} if terms is None else spec(*terms)
    assert steer(applied(pod_spec, steer(pod_spec, excluded)), excluded) is None


@given(
    st.recursive(
        st.none() | st.text() | st.integers(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_an_odd_affinity_never_fails(odd):
    steer({"affinity": odd}, [T4_OFF])
    steer(spec(odd), [T4_OFF])
