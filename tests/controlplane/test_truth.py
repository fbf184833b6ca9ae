import subprocess
import sys
from pathlib import Path

import pytest

from controlplane import nodes, truth
from controlplane.truth import Landing, landings

GIB = 2**30


def pod(name: str, need: int, node: str | None) -> dict[str, object]:
    annotations = {truth.NEED_ANNOTATION: str(need)}
    return {"metadata": {"name": name, "annotations": annotations}, "spec": {"nodeName": node} if node else {}}


def test_a_card_is_too_small_when_the_measured_need_exceeds_its_physical_memory() -> None:
    t4 = nodes.node("n", nodes.T4, annotations={truth.PHYSICAL_ANNOTATION: "15360"})
    found = landings([pod("b", 15 * GIB + 1, "n"), pod("a", 15 * GIB, "n")], [t4])
    assert [(landing.pod, landing.too_small) for landing in found] == [("a", False), ("b", True)]


def test_the_judge_reads_no_label() -> None:
    lying = nodes.node(
        "n",
        nodes.T4,
        annotations={truth.PHYSICAL_ANNOTATION: "81920"},
        extra_labels={"nvidia.com/gpu.memory": "1", "nvidia.com/gpu.product": "garbage"},
    )
    assert landings([pod("a", 60 * GIB, "n")], [lying]) == (Landing(pod="a", node="n", need=60 * GIB, memory=80 * GIB),)


def test_a_pod_that_is_nowhere_is_not_judged() -> None:
    assert landings([pod("a", 1, None)], []) == ()


def test_a_pod_without_a_measured_need_is_an_error() -> None:
    t4 = nodes.node("n", nodes.T4, annotations={truth.PHYSICAL_ANNOTATION: "15360"})
    with pytest.raises(KeyError):
        landings([{"metadata": {"name": "a", "annotations": {}}, "spec": {"nodeName": "n"}}], [t4])


def test_every_node_of_the_fleet_tells_the_judge_its_memory() -> None:
    assert truth.PHYSICAL_ANNOTATION == nodes.PHYSICAL_MEMORY_ANNOTATION
    for node in nodes.mixed_fleet():
        assert landings([pod("a", 1, node["metadata"]["name"])], [node])[0].memory > 14 * GIB  # type: ignore[index]


def test_the_whole_demonstration_imports_nothing_of_llmjob() -> None:
    program = "import sys, controlplane.demo; print([m for m in sys.modules if m.split('.')[0] == 'llmjob'])"
    root = Path(truth.__file__).resolve().parents[1]
    done = subprocess.run([sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_nodes_say_of_their_cards_what_gpu_feature_discovery_says() -> None:
    labels = nodes.labels(nodes.H100, 8)
    assert labels["nvidia.com/gpu.product"] == "NVIDIA-H100-80GB-HBM3"
    assert (labels["nvidia.com/gpu.memory"], labels["nvidia.com/gpu.count"]) == ("81559", "8")
    status = nodes.node("n", nodes.H100, 8)["status"]
    assert status["allocatable"]["nvidia.com/gpu"] == "8"  # type: ignore[index]


def test_a_node_without_a_card_offers_no_gpu() -> None:
    plain = nodes.node("n", None)
    assert nodes.GPU_RESOURCE not in plain["status"]["allocatable"]  # type: ignore[index]
    assert not [key for key in plain["metadata"]["labels"] if key.startswith("nvidia.com/")]  # type: ignore[index]
