"""How many GPUs a pod asks for, as the scheduler counts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmjob.workloads.gpu_resources import GPUAsk, asks_for_gpu, is_gpu_resource

GPU = "nvidia.com/gpu"


def container(count, *, kind="limits", resource=GPU, **more):
    return {"name": "c", "resources": {kind: {resource: count}}, **more}


def pod(*containers, inits=()):
    return {"spec": {"containers": list(containers), "initContainers": list(inits)}}


@pytest.mark.parametrize("amount", ["2", 2, 2.0, "2000m", "2e0"])
def test_an_amount_is_a_quantity(amount):
    assert asks_for_gpu(pod(container(amount))) == GPUAsk(GPU, 2)


def test_limits_and_requests_each_may_stand_alone():
    assert asks_for_gpu(pod(container("1"))) == GPUAsk(GPU, 1)
    assert asks_for_gpu(pod(container("1", kind="requests"))) == GPUAsk(GPU, 1)


def test_containers_add_up():
    assert asks_for_gpu(pod(container("1"), container("2"), {"name": "plain"})) == GPUAsk(GPU, 3)


def test_an_init_container_counts_only_where_it_is_larger():
    assert asks_for_gpu(pod(container("2"), inits=[container("1")])) == GPUAsk(GPU, 2)
    assert asks_for_gpu(pod(container("2"), inits=[container("4"), container("1")])) == GPUAsk(GPU, 4)


def test_a_sidecar_counts_beside_the_containers_and_the_init_containers_after_it():
    sidecar = container("1", restartPolicy="Always")
    assert asks_for_gpu(pod(container("2"), inits=[sidecar])) == GPUAsk(GPU, 3)
    assert asks_for_gpu(pod(container("1"), inits=[sidecar, container("4")])) == GPUAsk(GPU, 5)
    assert asks_for_gpu(pod(container("1"), inits=[container("4"), sidecar])) == GPUAsk(GPU, 4)


def test_only_an_init_container_with_a_gpu_is_enough():
    assert asks_for_gpu(pod({"name": "plain"}, inits=[container("1")])) == GPUAsk(GPU, 1)


@pytest.mark.parametrize(
    "amount", ["0", 0, "-1", -3, "many", None, True, 0.5, [], "1" * 100, float("inf"), float("nan")]
)
def test_nothing_sound_above_zero_is_no_ask(amount):
    assert asks_for_gpu(pod(container(amount))) is None


@pytest.mark.parametrize("resource", ["cpu", "memory", "nvidia.com/gpumem", "example.com/gpu", "nvidia.com/mig", ""])
def test_other_resources_are_no_gpus(resource):
    assert not is_gpu_resource(resource)
    assert asks_for_gpu(pod(container("1", resource=resource))) is None


@pytest.mark.parametrize("resource", ["nvidia.com/gpu", "nvidia.com/gpu.shared", "nvidia.com/mig-1g.10gb"])
def test_cards_shares_and_slices_are_gpus(resource):
    assert asks_for_gpu(pod(container("1", resource=resource))) == GPUAsk(resource, 1)


def test_of_several_resources_the_largest_ask_counts():
    mixed = pod(container("1"), container("2", resource="nvidia.com/mig-1g.10gb"))
    assert asks_for_gpu(mixed) == GPUAsk("nvidia.com/mig-1g.10gb", 2)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["spec", "containers", "initContainers", "resources", "limits", "requests", GPU, "restartPolicy", "x"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(["spec", "metadata"]), JSON))
def test_any_shape_is_read_without_failing(shape):
    ask = asks_for_gpu(shape)
    assert ask is None or ask.count > 0
