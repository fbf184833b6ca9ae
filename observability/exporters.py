"""What the exporters of GPU memory write, brought to one form: bytes by `namespace`, `pod`, `gpu`.

dcgm-exporter counts MiB. AMD's device-metrics-exporter says MB and means MiB: an MI300X of 192 GiB has 196592.
With `honorLabels: false` the pod that holds the GPU is `exported_pod`, and `pod` is the exporter's own.
"""

from typing import Final

from observability.promql import MIB

CLAIMED: Final = "llmjob:claimed_gpu_memory_bytes"

# A time-sliced card is mirrored for every pod that shares it, with a label `vgpu`: nobody's use is known then.
_UNSHARED: Final = 'vgpu=""'


def _claims(name: str, ids: tuple[str, ...]) -> str:
    """Who claims which GPU: the exported pod where any series of the GPU has one, else the plain one."""
    by = ", ".join(ids)
    exported = f'{{{name}, exported_pod!="", {_UNSHARED}}}'
    plain = f'{{{name}, pod!="", {_UNSHARED}}}'
    renamed = f"max by (exported_namespace, exported_pod, {by}) ({exported})"
    for label in ("namespace", "pod"):
        renamed = f'label_replace({renamed}, "{label}", "$1", "exported_{label}", "(.*)")'
    either = f"({renamed} or (max by (namespace, pod, {by}) ({plain}) unless on ({by}) {exported}))"
    joined = ", ".join(f'"{label}"' for label in ids)
    return f'{MIB} * max by (namespace, pod, gpu) (label_join({either}, "gpu", "/", {joined}))'


def _dcgm(name: str) -> str:
    return _claims(f'__name__="{name}"', ("UUID", "GPU_I_ID"))


def _amd(name: str) -> str:
    return _claims(f'__name__=~"(amd_)?{name}"', ("hostname", "gpu_id", "gpu_partition_id"))


def claims() -> list[tuple[str, str]]:
    """The kinds `used`, `free`, `reserved` and `total` with their expressions, in the order of evaluation."""
    of_dcgm = (
        f'sum by (namespace, pod, gpu) ({CLAIMED}{{kind=~"used|free|reserved"}})'
        f' and on (namespace, pod, gpu) {CLAIMED}{{kind="free"}}'
    )
    return [
        ("used", f"{_dcgm('DCGM_FI_DEV_FB_USED')} or {_amd('gpu_used_vram')}"),
        ("free", _dcgm("DCGM_FI_DEV_FB_FREE")),
        ("reserved", _dcgm("DCGM_FI_DEV_FB_RESERVED")),
        ("total", f"{_amd('gpu_total_vram')} or ({of_dcgm})"),
    ]
