"""NVIDIA nodes: what real labels say, and what must never be guessed from faulty ones."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmjob.fleet.fleet import Fleet
from llmjob.fleet.gpu_class import GPUClass
from llmjob.quantity import MiB
from tests.fleet.nodes import gpu_node, node

DATA = Path(__file__).parents[1] / "data" / "nodes" / "nvidia.jsonl"
LINES = [json.loads(line) for line in DATA.read_text("utf-8").splitlines()]


def only(*nodes: dict[str, Any]) -> GPUClass:
    (found,) = Fleet.from_nodes(nodes).classes()
    return found


def reported(found: GPUClass) -> tuple[int, int] | None:
    return (found.reported.lower, found.reported.upper) if found.reported else None


def test_the_published_nodes_hold_all_lines_of_plain_feature_discovery():
    assert sum(line["dialect"] == "nvidia-gfd" for line in LINES) == 29


@pytest.mark.parametrize("line", LINES, ids=lambda line: line["id"])
def test_a_published_node_gives_what_is_known_of_it(line):
    expect = line["expect"]
    found = only(node(line["id"], line["labels"], allocatable=line["allocatable"], capacity=line["capacity"]))
    assert found.name == expect["class"]
    assert found.vendor == "nvidia"
    assert (found.memory_from or "unknown") == expect["memory_from"]
    assert found.sharing == expect["sharing"]
    assert found.mig_profile == expect["mig_profile"]
    assert found.replicas == expect["replicas"]
    if expect["reported_memory_mib"] is not None:
        assert reported(found) == (expect["reported_memory_mib"] * MiB,) * 2
    if expect["memory_from"] == "unknown":
        assert found.usable is None
        assert found.unknown_because
    if expect["sharing"] == "none":
        assert found.gpus_per_node == expect["gpus_per_node"]


def test_memory_written_in_bytes_is_read_as_bytes():
    assert reported(only(gpu_node(mib=16106127360))) == (15360 * MiB,) * 2


@pytest.mark.parametrize("label", ["0", "-1", "", "abc", "15.0", "1e4", "99999999999999999999", "4096", "81920"])
def test_a_label_that_the_card_cannot_have_falls_back_to_the_product_table(label):
    found = only(gpu_node(mib=label))
    assert found.memory_from == "product-table"
    assert reported(found) == (15109 * MiB, 15360 * MiB)


@pytest.mark.parametrize("mib", [15109, 15360, 16384])
def test_a_sound_label_is_never_overridden(mib):
    found = only(gpu_node(mib=mib))
    assert found.memory_from == "label"
    assert reported(found) == (mib * MiB,) * 2


def test_a_card_outside_the_table_without_memory_is_unknown():
    found = only(gpu_node(product="NVIDIA-Quasar-9000", mib=None))
    assert found.usable is None
    assert "does not list NVIDIA-Quasar-9000" in found.unknown_because


def test_a_card_outside_the_table_is_read_from_its_label():
    found = only(gpu_node(product="NVIDIA-Quasar-9000", mib=10000))
    assert found.name == "nvidia-quasar-9000"
    assert reported(found) == (10000 * MiB,) * 2
    # 3 % is the largest driver's reserve published; nothing exceeds what is reported.
    assert (found.usable.lower, found.usable.upper) == (9700 * MiB, 10000 * MiB)


def test_a_product_that_comes_in_two_sizes_is_unknown_without_memory():
    found = only(gpu_node(product="NVIDIA-A100", mib=None))
    assert found.name == "nvidia-a100"
    assert found.usable is None
    assert "several sizes" in found.unknown_because


def test_a_product_that_comes_in_two_sizes_takes_the_size_of_its_label():
    assert only(gpu_node(product="NVIDIA-A100", mib=81920)).name == "nvidia-a100-80gb"


def test_an_invented_integer_is_no_product():
    found = only(gpu_node(product="1234", mib=15360))
    assert found.usable is None
    assert found.steering_keys == {}


def test_a_display_card_says_nothing_of_the_cards_beside_it():
    assert only(gpu_node(product="NVIDIA-DGX-Display", mib=3911)).usable is None


def test_a_driver_that_has_not_run_yet_leaves_the_node_unknown():
    found = only(node(labels={"nvidia.com/gpu.present": "true"}))
    assert found.name == "nvidia-unknown"
    assert found.unknown_because == "no memory label and no product label"


def test_a_resource_without_labels_is_an_unknown_gpu():
    assert only(node(allocatable={"nvidia.com/gpu": "4"})).gpus_per_node == 4


def test_a_node_without_a_gpu_is_no_class():
    labels = {"nvidia.com/gfd.timestamp": "1", "nvidia.com/mig.strategy": "single"}
    plain = node(labels=labels, allocatable={"cpu": "4", "nvidia.com/gpu": "0"})
    assert Fleet.from_nodes([plain]).classes() == ()


def test_a_plugin_that_restarts_keeps_its_gpus():
    assert only(gpu_node(count=8, allocatable={"nvidia.com/gpu": "0"})).gpus_per_node == 8
    found = only(node(labels={"nvidia.com/gpu.product": "Tesla-T4"}, allocatable={"nvidia.com/gpu": "0"},
                      capacity={"nvidia.com/gpu": "4"}))  # fmt: skip
    assert found.gpus_per_node == 4


class TestSharing:
    def test_time_slicing_is_at_least_the_share_and_at_most_the_card(self):
        labels = {"nvidia.com/gpu.replicas": "4"}
        found = only(gpu_node(product="Tesla-T4-SHARED", labels=labels, allocatable={"nvidia.com/gpu": "4"}))
        assert found.name == "nvidia-t4-shared"
        whole = only(gpu_node())
        assert (found.usable.lower, found.usable.upper) == (whole.usable.lower // 4, whole.usable.upper)

    @pytest.mark.parametrize("replicas", [{}, {"nvidia.com/gpu.replicas": "0"}])
    def test_time_slicing_without_replicas_promises_nothing(self, replicas):
        assert only(gpu_node(product="Tesla-T4-SHARED", labels=replicas)).usable.lower == 0

    def test_mps_divides_both_ends(self):
        labels = {"nvidia.com/gpu.replicas": "4", "nvidia.com/gpu.sharing-strategy": "mps"}
        found, whole = only(gpu_node(labels=labels)), only(gpu_node())
        assert found.name == "nvidia-t4-mps"
        assert (found.usable.lower, found.usable.upper) == (whole.usable.lower // 4, whole.usable.upper // 4)

    def test_mps_without_replicas_is_unknown(self):
        found = only(gpu_node(labels={"nvidia.com/gpu.sharing-strategy": "mps"}))
        assert found.usable is None

    def test_a_renamed_resource_is_shared_without_a_suffix(self):
        found = only(gpu_node(allocatable={"nvidia.com/gpu": "0", "nvidia.com/gpu.shared": "4"}))
        assert found.name == "nvidia-t4-shared"
        assert found.resources == {"nvidia.com/gpu.shared"}

    def test_more_units_than_cards_are_shares(self):
        assert only(gpu_node(count=1, allocatable={"nvidia.com/gpu": "3"})).sharing == "time-slicing"

    def test_whole_and_shared_cards_side_by_side_are_two_classes(self):
        found = Fleet.from_nodes(
            [gpu_node(count=4, allocatable={"nvidia.com/gpu": "2", "nvidia.com/gpu.shared": "8"})]
        ).classes()
        assert [(c.name, c.gpus_per_node) for c in found] == [("nvidia-t4", 2), ("nvidia-t4-shared", 8)]

    def test_units_of_shared_cards_are_cards_times_replicas(self):
        labels = {"nvidia.com/gpu.replicas": "4"}
        found = only(gpu_node(product="Tesla-T4-SHARED", count=4, labels=labels, allocatable={"nvidia.com/gpu": "0"}))
        assert found.gpus_per_node == 16


class TestMIG:
    def test_a_slice_of_a_single_layout_is_never_a_whole_card(self):
        found = only(gpu_node(product="NVIDIA-H100-NVL-MIG-1g.12gb", mib=11008, count=7))
        assert (found.name, found.sharing, found.gpus_per_node) == ("nvidia-h100-nvl-mig-1g.12gb", "mig", 7)
        assert reported(found) == (11008 * MiB,) * 2

    def test_a_slice_labelled_with_the_whole_card_is_unsound(self):
        found = only(gpu_node(product="NVIDIA-H100-80GB-HBM3-MIG-1g.10gb", mib=81559))
        assert reported(found) == (9984 * MiB,) * 2
        assert found.memory_from == "product-table"

    def test_a_slice_without_a_figure_is_unknown(self):
        assert only(gpu_node(product="NVIDIA-H100-80GB-HBM3-MIG-3g.40gb", mib=None)).usable is None

    def test_an_invalid_layout_is_unknown(self):
        assert only(gpu_node(product="NVIDIA-A30-MIG-INVALID", mib=0, count=0)).usable is None

    def test_a_mixed_layout_is_a_class_a_profile(self):
        labels = {
            "nvidia.com/mig-1g.5gb.count": "4",
            "nvidia.com/mig-1g.5gb.memory": "4864",
            "nvidia.com/mig-1g.5gb.product": "NVIDIA-A100-SXM4-40GB-MIG-1g.5gb",
            "nvidia.com/mig.strategy": "mixed",
        }
        allocatable = {"nvidia.com/gpu": "0", "nvidia.com/mig-1g.5gb": "4", "nvidia.com/mig-2g.10gb": "2"}
        found = Fleet.from_nodes(
            [gpu_node(product="A100-PCIE-40GB", mib=40536, labels=labels, allocatable=allocatable)]
        )
        assert [(c.name, c.gpus_per_node, c.memory_from) for c in found.classes()] == [
            ("nvidia-a100-40gb-mig-1g.5gb", 4, "label"),
            ("nvidia-a100-40gb-mig-2g.10gb", 2, None),
        ]
        assert found.classes()[0].resources == {"nvidia.com/mig-1g.5gb"}


def test_karpenter_nodes_are_steered_by_their_own_keys_only():
    labels = {
        "karpenter.sh/nodepool": "gpu",
        "karpenter.k8s.aws/instance-gpu-name": "t4",
        "karpenter.k8s.aws/instance-gpu-memory": "16384",
    }
    assert only(gpu_node(labels=labels)).steering_keys == {
        "karpenter.k8s.aws/instance-gpu-name": {"t4"},
        "karpenter.k8s.aws/instance-gpu-memory": {"16384"},
    }
    assert only(gpu_node(labels={"karpenter.sh/nodepool": "gpu"})).steering_keys == {}


KEYS = st.sampled_from(
    ["gpu.product", "gpu.memory", "gpu.count", "gpu.replicas", "gpu.sharing-strategy", "gpu.present", "gpu.clique",
     "mig-1g.5gb.count", "mig-1g.5gb.memory", "mig-1g.5gb.product", "mig.strategy"]
).map("nvidia.com/{}".format)  # fmt: skip
VALUES = st.one_of(
    st.text(max_size=63),
    st.integers().map(str),
    st.sampled_from(
        ["NVIDIA-A100-SXM4-80GB", "Tesla-T4-SHARED", "A30-MIG-INVALID", "-MIG-", "0", "time-slicing", "NaN"]
    ),
)


@given(
    labels=st.dictionaries(KEYS, st.one_of(VALUES, st.none(), st.integers(), st.lists(st.text()))),
    resources=st.dictionaries(
        st.sampled_from(["nvidia.com/gpu", "nvidia.com/gpu.shared", "nvidia.com/mig-1g.5gb"]), VALUES
    ),
)
def test_arbitrary_labels_never_fail_and_unknown_memory_says_why(labels, resources):
    fleet = Fleet.from_nodes([{"metadata": {"name": "n", "labels": labels}, "status": {"allocatable": resources}}])
    for found in fleet.classes():
        assert (found.usable is None) == (found.unknown_because is not None)
        assert found.usable is None or found.usable.upper <= found.reported.upper


@pytest.mark.parametrize(
    "odd", [{}, {"metadata": None}, {"metadata": {"labels": []}}, {"status": "x"}, {"spec": {"taints": {"a": 1}}}]
)
def test_a_broken_node_object_is_no_class(odd):
    assert Fleet.from_nodes([odd]).classes() == ()
