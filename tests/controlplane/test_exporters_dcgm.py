"""What dcgm-exporter writes; the expected text is spelled out after its template, not made by it."""

import pytest

from controlplane.exporters import DCGM, Card, Occupant, Sharing, Slice
from controlplane.exporters.courses import Course

MIB = 2**20
UUID = "GPU-6f0f42d4-0a1b-4c55-9d21-1f3c5b7e9a10"
DEVICE = f'gpu="0",UUID="{UUID}",pci_bus_id="00000000:3B:00.0",device="nvidia0",modelName="NVIDIA L4"'
HOST = 'hostname="node-1",DCGM_FI_DRIVER_VERSION="580.105.08"'
POD = 'container="main",namespace="research",pod="sft-0"'


def constant(mib: int) -> Course:
    return Course(((0, mib * MIB),))


def card(*occupants: Occupant, slices: tuple[Slice, ...] = ()) -> Card:
    return Card(
        index=0,
        uuid=UUID,
        model="NVIDIA L4",
        memory=23034 * MIB,
        reserved=470 * MIB,
        occupants=occupants,
        slices=slices,
    )


def sft(mib: int = 5120, pod: str = "sft-0", uid: str = "") -> Occupant:
    return Occupant(namespace="research", pod=pod, uid=uid, use=constant(mib))


def lines(exporter: DCGM, counter: str = "DCGM_FI_DEV_FB_USED", seconds: float = 0) -> list[str]:
    text = exporter.metrics(seconds, "")[1]
    return [line for line in text.splitlines() if line.startswith(f"{counter}{{")]


def test_the_text_of_a_card_with_one_pod_is_the_exporter_s_to_the_byte() -> None:
    kind, text = DCGM(node="node-1", cards=(card(sft()),)).metrics(0, "application/openmetrics-text")
    assert kind == "text/plain; charset=utf-8"
    assert text == (
        "# HELP DCGM_FI_DEV_FB_FREE Framebuffer memory free (in MiB).\n"
        "# TYPE DCGM_FI_DEV_FB_FREE gauge\n"
        f"DCGM_FI_DEV_FB_FREE{{{DEVICE},{HOST},{POD}}} 17444\n"
        "# HELP DCGM_FI_DEV_FB_USED Framebuffer memory used (in MiB).\n"
        "# TYPE DCGM_FI_DEV_FB_USED gauge\n"
        f"DCGM_FI_DEV_FB_USED{{{DEVICE},{HOST},{POD}}} 5120\n"
        "# HELP DCGM_FI_DEV_FB_RESERVED Framebuffer memory reserved (in MiB).\n"
        "# TYPE DCGM_FI_DEV_FB_RESERVED gauge\n"
        f"DCGM_FI_DEV_FB_RESERVED{{{DEVICE},{HOST},{POD}}} 470\n"
    )


def test_older_exporters_write_hostname_with_a_capital_and_no_reserved_memory() -> None:
    exporter = DCGM(node="node-1", cards=(card(sft()),), hostname_label="Hostname", reserved=False)
    text = exporter.metrics(0, "")[1]
    assert f'DCGM_FI_DEV_FB_USED{{{DEVICE},Hostname="node-1",DCGM_FI_DRIVER_VERSION="580.105.08",{POD}}} 5120\n' in text
    assert "hostname" not in text
    assert "FB_RESERVED" not in text


def test_a_card_without_a_pod_has_no_pod_labels() -> None:
    assert lines(DCGM(node="node-1", cards=(card(),))) == [f"DCGM_FI_DEV_FB_USED{{{DEVICE},{HOST}}} 0"]


def test_the_pod_s_uid_is_written_where_it_was_asked_for() -> None:
    exporter = DCGM(node="node-1", cards=(card(sft(uid="f3")),), pod_uid=True)
    assert lines(exporter) == [f'DCGM_FI_DEV_FB_USED{{{DEVICE},{HOST},{POD},pod_uid="f3"}} 5120']


def test_each_gpu_of_a_pod_has_its_own_line_and_use() -> None:
    cards = tuple(
        Card(index=i, uuid=f"GPU-{i}", model="NVIDIA H100 80GB HBM3", memory=81559 * MIB, occupants=(sft(use),))
        for i, use in enumerate((70000, 70400))
    )
    first, second = lines(DCGM(node="node-1", cards=cards))
    assert first.startswith('DCGM_FI_DEV_FB_USED{gpu="0",UUID="GPU-0",pci_bus_id="00000000:3B:00.0",device="nvidia0",')
    assert second.startswith('DCGM_FI_DEV_FB_USED{gpu="1",UUID="GPU-1",pci_bus_id="00000000:3F:00.0",device="nvidia1",')
    assert (first.split()[-1], second.split()[-1]) == ("70000", "70400")


def test_a_mig_instance_carries_its_profile_and_number_and_the_card_itself_is_not_listed() -> None:
    slices = (
        Slice(profile="1g.12gb", instance=7, memory=11008 * MIB, occupant=sft(9000)),
        Slice(profile="1g.12gb", instance=8, memory=11008 * MIB),
    )
    exporter = DCGM(node="node-1", cards=(card(slices=slices),))
    mig = f'{DEVICE},GPU_I_PROFILE="1g.12gb"'
    assert lines(exporter) == [
        f'DCGM_FI_DEV_FB_USED{{{mig},GPU_I_ID="7",{HOST},{POD}}} 9000',
        f'DCGM_FI_DEV_FB_USED{{{mig},GPU_I_ID="8",{HOST}}} 0',
    ]
    assert [line.split()[-1] for line in lines(exporter, "DCGM_FI_DEV_FB_FREE")] == ["2008", "11008"]


def shared(sharing: Sharing) -> DCGM:
    pods = (sft(1000, "sft-0", "f3"), sft(3000, "sft-1", "f4"))
    return DCGM(node="node-1", cards=(card(*pods),), sharing=sharing, interval=1)


def test_a_shared_card_s_whole_use_is_one_pod_s_now_and_another_s_then() -> None:
    found = [lines(shared(Sharing.ONE_POD), seconds=second) for second in range(50)]
    assert {line.split()[-1] for [line] in found} == {"4000"}
    assert {"sft-0" in line for [line] in found} == {True, False}
    assert found == [lines(shared(Sharing.ONE_POD), seconds=second) for second in range(50)]


def test_with_virtual_gpus_every_pod_gets_the_whole_card_s_use_and_a_number() -> None:
    assert lines(shared(Sharing.MIRRORED)) == [
        f'DCGM_FI_DEV_FB_USED{{{DEVICE},{HOST},container="main",namespace="research",pod="sft-0",vgpu="0"}} 4000',
        f'DCGM_FI_DEV_FB_USED{{{DEVICE},{HOST},container="main",namespace="research",pod="sft-1",vgpu="1"}} 4000',
    ]


def test_since_march_2026_each_pod_s_own_use_stands_beside_the_card_s() -> None:
    exporter = shared(Sharing.PER_PROCESS)
    pods = 'container="main",namespace="research"'
    assert lines(exporter) == [
        f"DCGM_FI_DEV_FB_USED{{{DEVICE},{HOST}}} 4000",
        f'DCGM_FI_DEV_FB_USED{{{DEVICE},{HOST},{pods},pod="sft-0",pod_uid="f3",vgpu="0"}} 1000',
        f'DCGM_FI_DEV_FB_USED{{{DEVICE},{HOST},{pods},pod="sft-1",pod_uid="f4",vgpu="1"}} 3000',
    ]
    assert [line.split()[-1] for line in lines(exporter, "DCGM_FI_DEV_FB_FREE")] == ["18564", "18564"]


def test_between_two_samples_the_last_one_stands() -> None:
    growing = Occupant(namespace="research", pod="sft-0", use=Course(((0, 0), (60, 6000 * MIB))))
    exporter = DCGM(node="node-1", cards=(card(growing),))
    assert [lines(exporter, seconds=second)[0].split()[-1] for second in (0, 29, 30, 59.9, 60)] == [
        "0",
        "0",
        "3000",
        "3000",
        "6000",
    ]


@pytest.mark.parametrize("wanted", [22564, 30000])
def test_nothing_is_used_beyond_what_the_driver_leaves(wanted: int) -> None:
    exporter = DCGM(node="node-1", cards=(card(sft(wanted)),))
    assert lines(exporter)[0].endswith("} 22564")
    assert lines(exporter, "DCGM_FI_DEV_FB_FREE")[0].endswith("} 0")
