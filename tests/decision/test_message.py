"""Messages: the need, what there is, the parts and what would fit, with figures computed by hand."""

import unicodedata
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmjob.decision.decide import decide
from llmjob.decision.fact import Case, fact
from llmjob.decision.message import warning_line
from llmjob.decision.outcome import Judged
from llmjob.decision.policy import Policy
from llmjob.decision.verdict import Action, ClassOutcome, Outcome, Verdict
from llmjob.estimator.interval import Interval, Range
from llmjob.estimator.result import Budget, Estimate, Limit
from llmjob.fleet.gpu_class import GPUClass
from llmjob.fleet.scheduling import Scheduling
from llmjob.names import Level, Reason
from tests.decision.cases import FITS_NOTHING, TIGHT_ON_T4, fleet, l4, request, t4, unified, unknown_request
from tests.fleet.nodes import gpu_node

# 70 billion parameters: weights 140 GB = 130.4 GiB, activations and KV cache 14 GB = 13.0 each, runtime 2 GB = 1.9;
# 170 GB = 158.3 GiB expected, at least the weights, at most 199 GB = 185.3.
NEED_70 = "needs 158.3 GiB per GPU (130.4–185.3)"
PARTS_70 = "Weights 130.4, activations 13.0, KV cache 13.0, runtime 1.9"
# 7 billion: 14 + 1.4 + 1.4 + 2 GB = 17.5 GiB, from 13.0 to 22.6 GB = 21.0.
NEED_7 = "needs 17.5 GiB per GPU (13.0–21.0)"


def said(asked, gpus, **policy):
    return decide(asked, gpus, Policy(**{"inventory_complete": True, **policy})).message


def test_what_can_never_fit_says_need_largest_gpu_and_parts():
    assert said(request(FITS_NOTHING), fleet(t4(12))).startswith(
        f"{NEED_70}; the largest eligible GPU is Tesla T4 with 14.6 GiB (12 nodes). {PARTS_70}"
    )


def test_one_node_is_one_node():
    assert "is L4 with 22.2 GiB (1 node)." in said(request(FITS_NOTHING), fleet(t4(12), l4()))


def test_an_incomplete_inventory_says_so():
    expected = "the largest known eligible GPU is Tesla T4 with 14.6 GiB (1 node); there may be others"
    assert expected in said(request(FITS_NOTHING), fleet(t4()), inventory_complete=False)


def test_a_stale_view_says_so():
    assert "too old to refuse" in said(request(FITS_NOTHING), fleet(t4()), stale=True)


def test_too_few_gpus_say_how_many_there_are():
    assert said(request(TIGHT_ON_T4, gpus_per_pod=8), fleet(t4(), l4(2, count=4))).startswith(
        "needs 8 GPUs in one node, 17.5 GiB per GPU (13.0–21.0); the most eligible is 4: L4 with 22.2 GiB (2 nodes). "
    )


def test_too_few_gpus_are_what_an_incomplete_or_stale_view_lacks_as_well():
    asked, gpus = request(gpus_per_pod=8), fleet(t4())
    assert "; the most known eligible is 1: " in said(asked, gpus, inventory_complete=False)
    assert "; the most eligible is 1: " in said(asked, gpus, stale=True)


def test_what_fits_says_where():
    assert said(request(TIGHT_ON_T4), fleet(t4(), l4(2))).startswith(
        f"{NEED_7}; fits on L4 with 22.2 GiB (2 nodes). Weights 13.0"
    )
    more = fleet(l4(), [gpu_node("h", "NVIDIA-H100-80GB-HBM3", 81559)])
    assert "fits on L4 with 22.2 GiB (1 node) and on 1 other class. " in said(request(TIGHT_ON_T4), more)


def test_what_is_tight_says_so():
    assert said(request(TIGHT_ON_T4), fleet(t4())).startswith(
        f"{NEED_7}; tight on Tesla T4 with 14.6 GiB (1 node), which may run out of memory. "
    )


def test_unknown_memory_says_which_and_why():
    assert said(request(FITS_NOTHING), fleet(t4(), unified())).startswith(
        f"{NEED_70}; the memory of GB10 is unknown (GB10 shares the host's memory and reports none); "
        "every other eligible GPU is too small. "
    )
    assert "every other" not in said(request(FITS_NOTHING), fleet(unified()))


def test_no_eligible_gpu_names_the_resource():
    asked = request(scheduling=Scheduling(), gpu_resource="amd.com/gpu")
    assert "; no node that it may run on offers amd.com/gpu. Weights" in said(asked, fleet(t4()))
    assert "; no node that it may run on offers a GPU. " in said(request(), fleet())


def test_a_mismatch_names_both_counts():
    assert said(request(pod_gpus=2, gpus_per_pod=4), fleet(t4(count=4))).startswith(
        "the pod asks for 2 GPUs, its role main for 4: "
    )


def test_a_budget_that_binds_is_named():
    gib = 2**30
    budget = Budget(needed=Interval(15 * gib, 15 * gib, 15 * gib), available=Range.exact(13 * gib))
    need = Interval.exact(16 * gib)
    made = Estimate(per_gpu=need, components=(), profile="x", parameters=1, active_parameters=1, budget=budget)
    gpu = GPUClass(name="nvidia-t4", vendor="nvidia", product="Tesla T4", usable=Range.exact(15 * gib))
    judged = Judged(gpu, ClassOutcome(name=gpu.name, outcome=Outcome.TOO_LARGE, limit=Limit.BUDGET), made)
    case = Case(request=request(), estimate=made, judged=[judged], reference=judged)
    assert fact(case, Reason.INSUFFICIENT_GPU_MEMORY) == (
        "needs 16.0 GiB per GPU; the largest eligible GPU is Tesla T4 with 15.0 GiB, "
        "of which the engine takes 13.0 and needs 15.0"
    )


class TestAdvice:
    def test_a_larger_card_of_the_fleet_comes_before_one_of_the_table(self):
        gpus = fleet(t4(), [gpu_node("h", "NVIDIA-H100-80GB-HBM3", 81559)])
        asked = request(TIGHT_ON_T4, scheduling=Scheduling(node_selector={"kubernetes.io/hostname": "t4-0"}))
        verdict = decide(asked, gpus, Policy())
        assert verdict.advice[-1].value == "nvidia-h100"
        assert verdict.message.endswith("an H100 80GB (79.1 GiB)")

    def test_else_the_smallest_of_the_table_that_fits(self):
        # 22.6 GB at most: an A10's 23028 MiB less 3 % are 23.4 GB, and no smaller card of the table has as much.
        assert decide(request(TIGHT_ON_T4), fleet(t4()), Policy()).advice[-1].value == "nvidia-a10"

    def test_at_most_three_ways_each_of_which_fits(self):
        asked = request(15)
        verdict = decide(asked, fleet(t4(count=8), l4(count=8)), Policy())
        assert 1 <= len(verdict.advice) <= 3
        assert f"Fits with: {'; '.join(way.message for way in verdict.advice)}" in verdict.message
        for way in verdict.advice:
            if way.field == "spec.model.quantization":
                model = replace(asked.model, quantization=way.value)
                assert decide(replace(asked, model=model), fleet(l4()), Policy()).reason is Reason.FITS

    def test_what_fits_needs_no_advice(self):
        assert decide(request(), fleet(t4()), Policy()).advice == ()

    def test_a_larger_card_does_not_help_where_the_count_lacks(self):
        assert decide(request(gpus_per_pod=8), fleet(t4()), Policy()).advice == ()
        there = decide(
            request(gpus_per_pod=8, scheduling=Scheduling(node_selector={"kubernetes.io/hostname": "t4-0"})),
            fleet(t4(), l4(count=8)),
            Policy(),
        )
        assert [way.value for way in there.advice] == ["nvidia-l4"]

    def test_shares_of_one_card_are_no_gpus_to_spread_a_job_over(self):
        def spread(billions, count, labels):
            node = gpu_node(
                "a", "NVIDIA-A100-SXM4-80GB", 81920, count, labels=labels, allocatable={"nvidia.com/gpu": "4"}
            )
            return [
                way.field for way in decide(request(billions), fleet([node]), Policy()).advice if "tensor" in way.field
            ]

        assert spread(8, 1, {"nvidia.com/gpu.replicas": "4"}) == []
        assert spread(30, 4, {})


def verdict_of(message, name="job"):
    return Verdict(name=name, reason=Reason.TIGHT, message=message, action=Action.WARN)


class TestWarningLine:
    @pytest.mark.parametrize("name", ["job", "x" * 63])
    @pytest.mark.parametrize(
        "gpus", [fleet(t4(4000)), fleet(l4(4000, count=8)), fleet([gpu_node("h", "NVIDIA-RTX-A6000", 49140)])]
    )
    def test_need_and_largest_gpu_stand_in_the_first_120_characters(self, name, gpus):
        line = warning_line(decide(replace(request(FITS_NOTHING), name=name), gpus, Policy(level=Level.WARN)))
        assert NEED_70 in line[:120]
        assert "GiB" in line[:120].split("eligible GPU is")[1]

    def test_it_names_the_object(self):
        assert warning_line(verdict_of("needs much")) == "job: needs much"
        assert warning_line(verdict_of("needs much", name="")) == "needs much"

    def test_a_long_name_keeps_the_end_that_tells_pods_apart(self):
        assert (
            warning_line(verdict_of("needs much", name="llama-405b-full-training-0")) == "llama-…raining-0: needs much"
        )

    def test_a_long_message_is_cut_at_a_word(self):
        line = warning_line(verdict_of("word " * 100))
        assert line.endswith(" word…")
        assert len(line.encode()) <= 256

    @given(st.text(max_size=600), st.text(max_size=70))
    def test_it_is_one_short_line_without_control_characters(self, message, name):
        line = warning_line(verdict_of(message, name))
        assert len(line.encode()) <= 256
        assert not any(unicodedata.category(char)[0] == "C" for char in line)

    def test_what_is_unknown_names_its_field(self):
        assert warning_line(decide(unknown_request(), fleet(), Policy())) == (
            "job: spec.model.id: no such model: state parameters or config"
        )
