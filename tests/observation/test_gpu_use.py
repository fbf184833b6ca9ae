"""Whose memory is in use on which GPU, from the exporters' labels."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmjob.observation.gpu_use import gpu_uses
from llmjob.observation.series import Sample, Series

MIB = 2**20
USED = "DCGM_FI_DEV_FB_USED"


def dcgm(*samples, pod="sft-0", namespace="team", uuid="GPU-0", exported=False, **labels):
    """A series as it is stored, with `exported_` where Prometheus renamed the exporter's labels."""
    if exported:
        own = {"exported_pod": pod, "exported_namespace": namespace, "pod": "dcgm-x7", "namespace": "gpu-operator"}
    else:
        own = {"pod": pod, "namespace": namespace}
    values = samples or ((10, 100),)
    return Series({"__name__": USED, "UUID": uuid, **own, **labels}, tuple(Sample(*pair) for pair in values))


def amd(name, *samples, **labels):
    own = {"pod": "sft-0", "namespace": "team", "hostname": "n", "gpu_id": "0", "gpu_partition_id": "0"}
    return Series({"__name__": name, **own, **labels}, tuple(Sample(*pair) for pair in samples or ((10, 100),)))


def found(*series):
    """By pod, the highest bytes on each of its GPUs."""
    return {
        "/".join(pod): sorted(max(sample.value for sample in use.samples) for use in uses)
        for pod, uses in gpu_uses(series).items()
    }


def test_mebibytes_become_bytes_and_times_stay():
    [use] = gpu_uses([dcgm((1, 2), (3, 4))])["team", "sft-0"]
    assert use.samples == ((1, 2 * MIB), (3, 4 * MIB))
    assert use.source == "DCGM"


@pytest.mark.parametrize("exported", [False, True])
def test_both_forms_of_labels_name_the_pod(exported):
    assert found(dcgm(exported=exported)) == {"team/sft-0": [100 * MIB]}


def test_where_one_series_of_a_gpu_has_renamed_labels_the_plain_ones_are_the_exporters():
    assert found(dcgm(exported=True), dcgm((10, 900), pod="other")) == {"team/sft-0": [100 * MIB]}


def test_a_gpu_that_no_pod_has_is_nobodys():
    assert found(dcgm(pod="")) == {}


def test_several_gpus_and_slices_of_one_are_told_apart():
    assert found(
        dcgm((10, 100)), dcgm((10, 200), uuid="GPU-1"),
        dcgm((10, 300), uuid="GPU-2", GPU_I_ID="7"), dcgm((10, 400), uuid="GPU-2", GPU_I_ID="8"),
    ) == {"team/sft-0": [100 * MIB, 200 * MIB, 300 * MIB, 400 * MIB]}  # fmt: skip


def test_two_series_of_one_gpu_and_pod_are_one():
    assert found(dcgm((10, 100), job="a"), dcgm((10, 300), job="b")) == {"team/sft-0": [300 * MIB]}


def test_a_card_that_two_pods_have_at_once_tells_nothing_of_either():
    assert found(dcgm((10, 100), (30, 100)), dcgm((20, 100), pod="other"), dcgm(uuid="GPU-1", pod="third")) == {
        "team/third": [100 * MIB]
    }


def test_a_card_that_passed_from_pod_to_pod_was_the_ones_then_the_others():
    assert found(dcgm((10, 100), (20, 150)), dcgm((30, 200), pod="other")) == {
        "team/sft-0": [150 * MIB],
        "team/other": [200 * MIB],
    }


def test_a_card_mirrored_for_all_its_pods_tells_nothing():
    assert found(dcgm(vgpu="0"), dcgm(pod="other", vgpu="1")) == {}
    assert found(dcgm(vgpu="0")) == {}


def test_a_card_that_reports_no_memory_is_not_0():
    assert found(dcgm((10, 0), (20, 0))) == {}
    assert found(dcgm((10, 0), (20, 5))) == {"team/sft-0": [5 * MIB]}


def test_more_than_any_card_has_is_no_reading():
    assert found(dcgm((10, 2**24 + 1), (20, 7))) == {"team/sft-0": [7 * MIB]}


@pytest.mark.parametrize("name", ["gpu_used_vram", "amd_gpu_used_vram"])
def test_amds_gpus_with_and_without_a_prefix(name):
    assert found(amd(name), amd(name, (10, 300), gpu_id="1"), amd(name, (10, 200), gpu_partition_id="1")) == {
        "team/sft-0": [100 * MIB, 200 * MIB, 300 * MIB]
    }
    [use] = gpu_uses([amd(name)])["team", "sft-0"]
    assert use.source == "AMD"


def test_series_of_another_name_are_not_read():
    assert found(Series({"__name__": "DCGM_FI_DEV_FB_FREE", "pod": "p", "namespace": "n"}, (Sample(1, 1),))) == {}


_NAMES = st.sampled_from([USED, "gpu_used_vram", "amd_gpu_used_vram", "other", ""])
_LABELS = st.dictionaries(
    st.sampled_from(["pod", "namespace", "exported_pod", "exported_namespace", "UUID", "GPU_I_ID", "vgpu", "gpu_id"]),
    st.sampled_from(["", "a", "b"]),
)
_SAMPLES = st.lists(st.builds(Sample, st.floats(0, 9), st.floats(0, 2**53)), min_size=1, max_size=3).map(tuple)
_SERIES = st.builds(
    lambda name, labels, samples: Series({"__name__": name, **labels}, samples), _NAMES, _LABELS, _SAMPLES
)


@given(st.lists(_SERIES, max_size=8))
def test_whatever_labels_say_a_use_is_some_pod_s_and_above_0(series):
    for pod, uses in gpu_uses(series).items():
        assert pod[1]
        for use in uses:
            assert use.samples
            assert all(0 < sample.value <= 2**44 for sample in use.samples)
