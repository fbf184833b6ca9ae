"""GPUs of an instance and how they spread over pods."""

import pytest

from llmjob.estimator.result import Unknown
from llmjob.estimator.task import FineTuning, Inference, Parallelism, Sharding
from llmjob.names import Reason
from llmjob.workloads.topology import Topology, topology_of


def test_an_unstated_topology_is_one_pod_with_one_gpu():
    assert topology_of(Inference(), None, None) == Topology(1, 1)


def test_a_training_instance_is_tensor_times_pipeline_times_context_times_data():
    task = FineTuning(parallelism=Parallelism(tensor=2, pipeline=3, context=5, data=7))
    assert topology_of(task, None, None) == Topology(1, 210)


def test_a_serving_instance_leaves_data_out_unless_its_pods_say_otherwise():
    task = Inference(parallelism=Parallelism(tensor=4, data=2))
    assert topology_of(task, None, None) == Topology(1, 4)
    assert topology_of(task, None, 8) == Topology(1, 8)
    assert topology_of(task, 2, 4) == Topology(2, 4)
    assert isinstance(topology_of(task, None, 2), Unknown)


def test_decode_context_and_expert_parallelism_take_no_gpus_of_their_own():
    task = FineTuning(parallelism=Parallelism(tensor=2, expert=8, decode_context=2))
    assert topology_of(task, None, None) == Topology(1, 2)


def test_gpus_spread_evenly_over_the_stated_pods():
    assert topology_of(FineTuning(parallelism=Parallelism(data=16)), 2, None) == Topology(2, 8)


def test_gpus_that_do_not_spread_evenly_are_bad_input():
    unknown = topology_of(FineTuning(parallelism=Parallelism(data=16)), 3, None)
    assert (unknown.reason, unknown.field) == (Reason.BAD_INPUT, "spec.topology.podsPerInstance")
    assert "parallelism" in unknown.message


@pytest.mark.parametrize(("pods", "gpus"), [(1, 4), (None, 4), (2, 8), (None, 16)])
def test_a_training_topology_that_is_not_its_parallelism_is_bad_input_naming_both(pods, gpus):
    unknown = topology_of(FineTuning(parallelism=Parallelism(data=8)), pods, gpus)
    assert (unknown.reason, unknown.field) == (Reason.BAD_INPUT, "spec.topology.gpusPerPod")
    assert "podsPerInstance" in unknown.message
    assert "parallelism" in unknown.message


def test_a_sharding_degree_that_does_not_divide_data_is_bad_input_naming_both():
    task = FineTuning(parallelism=Parallelism(data=8), sharding=Sharding(strategy="FSDP", degree=3))
    unknown = topology_of(task, None, None)
    assert (unknown.reason, unknown.field) == (Reason.BAD_INPUT, "spec.fineTuning.sharding.degree")
    assert "parallelism.data" in unknown.message


def test_a_sharding_degree_that_divides_data_leaves_the_rest_as_replicas():
    task = FineTuning(parallelism=Parallelism(data=8), sharding=Sharding(strategy="HSDP", degree=4))
    assert topology_of(task, None, None) == Topology(1, 8)
