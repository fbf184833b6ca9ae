"""The smaller GPU for what was seen; figures of the simple method and of the cards as in cases.py."""

import pytest

from llmjob.decision import outcome
from llmjob.decision.smaller import smaller_class
from llmjob.estimator.interval import Interval, Range
from llmjob.estimator.result import Budget, Estimate, Unknown
from llmjob.fleet.fleet import Fleet
from llmjob.fleet.scheduling import Scheduling
from llmjob.names import Reason
from llmjob.quantity import GB
from tests.decision.cases import l4, request, t4, unified
from tests.fleet.nodes import gpu_node

# Usable, lower end: T4 15.6 GB, L4 23.8, A100 85.0; with the margin of 10 % they hold 14.2, 21.6 and 77.2.
A100 = "nvidia-a100-80gb"


def a100(count=1, **more):
    return [gpu_node("a100", "NVIDIA-A100-SXM4-80GB", 81920, count, **more)]


def found(nodes, observed, asked=None, running=A100):
    fleet = Fleet.from_nodes(nodes)
    (here,) = (item for item in fleet.classes() if item.name == running)
    return smaller_class(asked or request(), fleet, here, observed)


def would_do(*args, **more):
    answer = found(*args, **more)
    return answer.gpu_class.name if answer else None


@pytest.mark.parametrize(
    ("observed", "name"),
    [(1, "nvidia-t4"), (14, "nvidia-t4"), (15, "nvidia-l4"), (21, "nvidia-l4"), (22, None), (80, None)],
)
def test_the_smallest_class_that_holds_what_was_seen_and_a_tenth_more(observed, name):
    assert would_do([*a100(), *l4(), *t4()], observed * GB) == name


def test_the_need_there_has_the_margin():
    assert found([*a100(), *l4()], 10 * GB).need == 11 * GB


def test_a_class_that_is_no_smaller_is_never_named():
    assert would_do([*a100(), *l4()], GB, running="nvidia-l4") is None
    assert would_do([*a100(), gpu_node("b", "NVIDIA-A100-80GB-PCIe", 81920)], GB) is None


def test_what_the_predictions_lower_bound_rules_out_is_not_named_whatever_was_seen():
    assert would_do([*a100(), *l4(), *t4()], GB, request(10)) == "nvidia-l4"
    assert would_do([*a100(), *l4(), *t4()], GB, request(20)) is None


def test_only_classes_that_the_job_may_run_on():
    nodes = [*a100(labels={"pool": "big"}), *l4(labels={"pool": "big"}), *t4()]
    assert would_do(nodes, GB, request(scheduling=Scheduling(node_selector={"pool": "big"}))) == "nvidia-l4"


def test_a_class_with_too_few_gpus_a_node_is_not_named():
    assert would_do([*a100(2), *l4(), *t4(count=2)], GB, request(gpus_per_pod=2)) == "nvidia-t4"
    assert would_do([*a100(2), *l4(count=2), *t4()], GB, request(gpus_per_pod=2)) == "nvidia-l4"


def test_a_class_of_unknown_memory_is_neither_named_nor_compared_with():
    assert would_do([*a100(), *unified()], GB) is None
    assert would_do([*unified(), *t4()], GB, running="nvidia-gb10") is None


def shared(name, strategy):
    labels = {"nvidia.com/gpu.sharing-strategy": strategy, "nvidia.com/gpu.replicas": "2"}
    return gpu_node(name, "NVIDIA-L4", 23034, 2, labels=labels)


def slices(count=1):
    resource = {"nvidia.com/mig-3g.40gb": str(count)}
    labels = {"nvidia.com/mig.strategy": "mixed", "nvidia.com/mig-3g.40gb.product": "NVIDIA-A100-SXM4-80GB-MIG-3g.40gb",
              "nvidia.com/mig-3g.40gb.memory": "40192", "nvidia.com/mig-3g.40gb.count": str(count)}  # fmt: skip
    return gpu_node("mig", "NVIDIA-A100-SXM4-80GB", 81920, 1, labels=labels, allocatable=resource)


@pytest.mark.parametrize("strategy", ["time-slicing", "mps"])
def test_a_share_of_a_card_is_not_named(strategy):
    nodes = [*a100(), shared("s", strategy)]
    assert any(item.sharing == strategy for item in Fleet.from_nodes(nodes).classes())
    assert would_do(nodes, GB) is None


def test_a_slice_is_named_for_one_gpu_only():
    nodes = [*a100(2), slices(2)]
    assert would_do(nodes, GB) == "nvidia-a100-80gb-mig-3g.40gb"
    assert would_do(nodes, GB, request(gpus_per_pod=2)) is None


def estimated(monkeypatch, expected, budget=None):
    """Estimates by class: the expected bytes, and what an engine budgets with there."""

    def estimate(_model, _task, gpu):
        amount = expected[gpu.name]
        if amount is None:
            return Unknown(reason=Reason.MODEL_UNKNOWN, field="spec.model", message="unknown")
        exact = Interval.exact(amount)
        held = Budget(needed=exact, available=Range.exact(budget)) if budget else None
        return Estimate(per_gpu=exact, components=(), profile="test", parameters=1, active_parameters=1, budget=held)

    monkeypatch.setattr(outcome, "estimate", estimate)


def test_what_differs_between_the_cards_by_estimate_is_added(monkeypatch):
    estimated(monkeypatch, {A100: 4 * GB, "nvidia-l4": 6 * GB})
    assert found([*a100(), *l4()], 8 * GB).need == 11 * GB


def test_nothing_is_taken_off_where_the_smaller_card_is_estimated_lower(monkeypatch):
    estimated(monkeypatch, {A100: 6 * GB, "nvidia-l4": 4 * GB})
    assert found([*a100(), *l4()], 10 * GB).need == 11 * GB


@pytest.mark.parametrize(("budget", "name"), [(11 * GB, "nvidia-l4"), (11 * GB - 1, None)])
def test_an_engines_own_budget_must_hold_it_too(monkeypatch, budget, name):
    estimated(monkeypatch, {A100: 8 * GB, "nvidia-l4": 8 * GB}, budget)
    assert would_do([*a100(), *l4()], 10 * GB) == name


def test_without_an_estimate_nothing_is_named(monkeypatch):
    estimated(monkeypatch, {A100: None, "nvidia-l4": GB})
    assert would_do([*a100(), *l4()], GB) is None
    estimated(monkeypatch, {A100: GB, "nvidia-l4": None})
    assert would_do([*a100(), *l4()], GB) is None
