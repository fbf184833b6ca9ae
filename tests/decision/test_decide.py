"""The decision's table: each row at each level, and the precedence of reasons."""

from dataclasses import replace

import pytest

from llmjob.decision.decide import decide
from llmjob.decision.policy import Policy, effective_level
from llmjob.decision.verdict import Action
from llmjob.estimator.task import FineTuning, Inference, Parallelism
from llmjob.fleet.scheduling import Scheduling
from llmjob.names import Level, Reason
from tests.decision.cases import FITS_L4, FITS_NOTHING, TIGHT_ON_T4, fleet, l4, request, t4, unified, unknown_request

TAINT = [{"key": "gpu", "effect": "NoSchedule"}]
# reason: request, fleet, what else the policy says
ROWS = {
    Reason.FITS: (request(), fleet(t4()), {}),
    Reason.TIGHT: (request(TIGHT_ON_T4), fleet(t4()), {}),
    Reason.INSUFFICIENT_GPU_MEMORY: (request(FITS_NOTHING), fleet(t4(), l4()), {}),
    Reason.NOT_ENOUGH_GPUS_PER_NODE: (request(gpus_per_pod=8), fleet(t4(), l4(count=4)), {}),
    Reason.INCOMPLETE_INVENTORY: (request(FITS_NOTHING), fleet(t4()), {"inventory_complete": False}),
    Reason.NO_ELIGIBLE_GPU: (request(scheduling=Scheduling()), fleet(t4(taints=TAINT)), {}),
    Reason.GPU_COUNT_MISMATCH: (request(pod_gpus=2), fleet(t4(count=4)), {}),
    Reason.MODEL_UNKNOWN: (unknown_request(), fleet(t4()), {}),
    Reason.INVENTORY_UNKNOWN: (request(FITS_NOTHING), fleet(t4(), unified()), {}),
    Reason.PENDING: (unknown_request(Reason.PENDING), fleet(t4()), {}),
    Reason.STALE: (request(FITS_NOTHING), fleet(t4()), {"stale": True}),
    Reason.BAD_INPUT: (unknown_request(Reason.BAD_INPUT), fleet(t4()), {}),
}
DENIED = (Reason.INSUFFICIENT_GPU_MEMORY, Reason.NOT_ENOUGH_GPUS_PER_NODE)


def judge(reason, level, **more):
    asked, gpus, policy = ROWS[reason]
    return decide(asked, gpus, Policy(**{"level": level, "inventory_complete": True, **policy, **more}))


def test_the_table_has_every_reason():
    assert set(ROWS) == set(Reason)


@pytest.mark.parametrize("level", Level)
@pytest.mark.parametrize("reason", Reason)
def test_each_row_of_the_table_at_each_level(reason, level):
    verdict = judge(reason, level)
    assert verdict.reason is reason
    if level in (Level.OFF, Level.AUDIT) or reason is Reason.FITS:
        expected = Action.ALLOW
    elif level in (Level.ENFORCE, Level.STRICT) and reason in DENIED:
        expected = Action.DENY
    else:
        expected = Action.WARN
    assert verdict.action is expected


@pytest.mark.parametrize("level", [Level.ENFORCE, Level.STRICT])
@pytest.mark.parametrize("reason", DENIED)
def test_what_is_not_deniable_is_warned(reason, level):
    assert judge(reason, level, deniable=False).action is Action.WARN


class TestPending:
    def test_a_job_that_surely_is_not_there_is_denied_under_strict_only(self):
        actions = {level: judge(Reason.PENDING, level, missing=True).action for level in Level}
        assert actions.pop(Level.STRICT) is Action.DENY
        assert Action.DENY not in actions.values()

    def test_a_get_that_failed_denies_nobody(self):
        assert judge(Reason.PENDING, Level.STRICT, missing=False).action is Action.WARN

    def test_only_a_pending_pod_is_denied_for_a_missing_job(self):
        assert judge(Reason.MODEL_UNKNOWN, Level.STRICT, missing=True).action is Action.WARN


class TestLevels:
    @pytest.mark.parametrize("asked", Level)
    @pytest.mark.parametrize("level", Level)
    def test_a_job_may_only_tighten_and_not_where_it_is_off(self, level, asked):
        order = list(Level)
        expected = level if level is Level.OFF else max(level, asked, key=order.index)
        assert effective_level(level, asked) is expected

    def test_a_job_that_asks_for_enforcement_is_denied_under_warn(self):
        asked = request(FITS_NOTHING, enforcement=Level.ENFORCE)
        assert decide(asked, fleet(t4()), Policy(inventory_complete=True)).action is Action.DENY

    def test_a_job_that_asks_for_audit_is_still_denied_under_enforce(self):
        asked = request(FITS_NOTHING, enforcement=Level.AUDIT)
        assert decide(asked, fleet(t4()), Policy(level=Level.ENFORCE, inventory_complete=True)).action is Action.DENY


class TestPrecedence:
    def test_an_unknown_model_comes_before_an_empty_fleet(self):
        assert decide(unknown_request(), fleet(), Policy()).reason is Reason.MODEL_UNKNOWN

    def test_no_eligible_gpu_comes_before_a_mismatch(self):
        assert decide(request(pod_gpus=2), fleet(), Policy()).reason is Reason.NO_ELIGIBLE_GPU

    def test_a_mismatch_comes_before_what_does_not_fit(self):
        assert decide(request(FITS_NOTHING, pod_gpus=2), fleet(t4()), Policy()).reason is Reason.GPU_COUNT_MISMATCH

    def test_one_class_that_fits_is_enough(self):
        for others in (t4(), unified(), [*t4(), *unified()]):
            assert decide(request(FITS_L4), fleet(l4(), others), Policy()).reason is Reason.FITS

    def test_a_tight_class_comes_before_an_unknown_one(self):
        assert decide(request(TIGHT_ON_T4), fleet(t4(), unified()), Policy()).reason is Reason.TIGHT

    def test_an_unknown_class_alone_is_unknown(self):
        policy = Policy(level=Level.STRICT, inventory_complete=True)
        verdict = decide(request(FITS_NOTHING), fleet(unified()), policy)
        assert (verdict.reason, verdict.action) == (Reason.INVENTORY_UNKNOWN, Action.WARN)

    def test_an_incomplete_inventory_comes_before_a_stale_view(self):
        assert decide(request(FITS_NOTHING), fleet(t4()), Policy(stale=True)).reason is Reason.INCOMPLETE_INVENTORY

    @pytest.mark.parametrize("reason", sorted(set(Reason) - {*DENIED, Reason.STALE}))
    def test_a_stale_view_changes_nothing_but_denials(self, reason):
        assert judge(reason, Level.ENFORCE, stale=True).reason is reason

    @pytest.mark.parametrize("reason", DENIED)
    def test_a_stale_view_denies_nobody(self, reason):
        verdict = judge(reason, Level.STRICT, stale=True)
        assert (verdict.reason, verdict.action) == (Reason.STALE, Action.WARN)

    def test_count_rules_out_only_where_it_rules_out_every_class(self):
        policy = Policy(inventory_complete=True)
        verdict = decide(request(FITS_NOTHING, gpus_per_pod=4), fleet(t4(), l4(count=4)), policy)
        assert verdict.reason is Reason.INSUFFICIENT_GPU_MEMORY


class TestCounts:
    def test_a_count_that_nobody_knows_is_not_judged(self):
        nodes = t4()
        del nodes[0]["metadata"]["labels"]["nvidia.com/gpu.count"]
        nodes[0]["status"]["allocatable"] = {}
        assert decide(request(gpus_per_pod=8), fleet(nodes), Policy()).reason is Reason.FITS

    def test_exactly_enough_gpus_are_enough(self):
        assert decide(request(gpus_per_pod=4), fleet(t4(count=4)), Policy()).reason is Reason.FITS

    @pytest.mark.parametrize(
        ("pod_gpus", "reason"), [(2, Reason.FITS), (8, Reason.FITS), (4, Reason.GPU_COUNT_MISMATCH)]
    )
    def test_inference_is_accepted_with_and_without_its_data_parallel_ranks(self, pod_gpus, reason):
        task = Inference(parallelism=Parallelism(tensor=2, data=4))
        asked = request(task=task, gpus_per_pod=2, pod_gpus=pod_gpus)
        assert decide(asked, fleet(t4(count=8)), Policy()).reason is reason

    def test_training_takes_all_its_ranks(self):
        task = FineTuning(method="LoRA", parallelism=Parallelism(tensor=2, data=4))
        asked = request(task=task, gpus_per_pod=8, pod_gpus=2)
        assert decide(asked, fleet(l4(count=8)), Policy()).reason is Reason.GPU_COUNT_MISMATCH


class TestEligibility:
    def test_only_eligible_classes_are_judged(self):
        scheduling = Scheduling(node_selector={"pool": "small"})
        gpus = fleet(t4(labels={"pool": "small"}), l4(labels={"pool": "large"}))
        policy = Policy(inventory_complete=True)
        verdict = decide(request(15, scheduling=scheduling), gpus, policy)
        assert verdict.reason is Reason.INSUFFICIENT_GPU_MEMORY
        assert [outcome.name for outcome in verdict.classes] == ["nvidia-t4"]

    def test_a_resource_that_nobody_offers_has_no_eligible_gpu(self):
        assert decide(request(gpu_resource="amd.com/gpu"), fleet(t4()), Policy()).reason is Reason.NO_ELIGIBLE_GPU


def test_the_estimate_is_for_the_smallest_class_that_fits():
    verdict = decide(request(), fleet(l4(), t4(), unified()), Policy())
    assert verdict.reference_class == "nvidia-t4"


def test_else_for_the_smallest_that_is_tight():
    # 11 billion: 22 to 33.8 GB, tight on an L4, too large for a T4.
    verdict = decide(request(11), fleet(l4(), t4()), Policy())
    assert verdict.reference_class == "nvidia-l4"


def test_else_for_the_largest():
    verdict = decide(request(FITS_NOTHING), fleet(l4(), t4(), unified()), Policy())
    assert verdict.reference_class == "nvidia-l4"


def test_without_a_class_of_known_memory_there_is_still_a_need():
    for gpus in (fleet(), fleet(unified())):
        verdict = decide(request(), gpus, Policy())
        assert verdict.reference_class is None
        assert (verdict.need.lower, verdict.need.expected, verdict.need.upper) == (
            6 * 10**9,
            9_200_000_000,
            11_400_000_000,
        )


def test_the_verdict_carries_what_it_was_asked():
    asked = request(role="trainer", input_hash="abc")
    asked = replace(asked, model=replace(asked.model, warnings=("mind this",)))
    verdict = decide(asked, fleet(t4()), Policy())
    assert (verdict.namespace, verdict.name, verdict.role) == ("research", "job", "trainer")
    assert verdict.input_hash == "abc"
    assert verdict.warnings == ("mind this",)


def test_an_unknown_request_keeps_its_field():
    verdict = decide(unknown_request(input_hash="abc"), fleet(t4()), Policy())
    assert verdict.unknown.field == "spec.model.id"
    assert verdict.message == "spec.model.id: no such model: state parameters or config"
    assert (verdict.input_hash, verdict.estimate) == ("abc", None)


def test_the_order_of_nodes_changes_nothing():
    nodes = [*t4(3), *l4(2), *unified()]
    assert decide(request(11), fleet(nodes), Policy()) == decide(request(11), fleet(nodes[::-1]), Policy())
