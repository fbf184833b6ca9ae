"""Memory in use by pod and GPU, from what exporters of GPUs write.

dcgm-exporter counts MiB; AMD's device-metrics-exporter says MB and means MiB (an MI300X of 192 GiB has 196592). Where
Prometheus does not honour labels, the pod that holds the GPU is `exported_pod`, and `pod` is the exporter's own.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from llmjob.observation.series import Sample, Series
from llmjob.quantity import MiB

PodKey = tuple[str, str]

QUERY: Final = '{__name__=~"DCGM_FI_DEV_FB_USED|(amd_)?gpu_used_vram"}'
# 16 TiB: no card has so much.
_MOST_MIB: Final = 2**24
_DCGM: Final = ("UUID", "GPU_I_ID")
_AMD: Final = ("hostname", "gpu_id", "gpu_partition_id")
# By metric: who says it, and the labels that tell GPUs, or slices of one, apart.
_EXPORTERS: Final[Mapping[str, tuple[str, tuple[str, ...]]]] = {
    "DCGM_FI_DEV_FB_USED": ("DCGM", _DCGM),
    "gpu_used_vram": ("AMD", _AMD),
    "amd_gpu_used_vram": ("AMD", _AMD),
}


@dataclass(frozen=True, slots=True)
class GPUUse:
    """What a pod had in use on one of its GPUs: bytes over time, and who says so."""

    gpu: tuple[str, ...]
    source: str
    samples: tuple[Sample, ...]


def gpu_uses(series: Iterable[Series]) -> dict[PodKey, list[GPUUse]]:
    """By namespace and pod, what is in use on each of its GPUs.

    Series of one GPU and pod are one, as two Prometheuses or exporters make them. Nobody's use is known of a GPU that
    several pods have at once; one that passed from pod to pod was the one's, then the other's.
    """
    claimed: dict[tuple[str, ...], dict[bool, dict[PodKey, list[Sample]]]] = {}
    for gpu, exported, pod, samples in _readings(series):
        claimed.setdefault(gpu, {}).setdefault(exported, {}).setdefault(pod, []).extend(samples)
    found: dict[PodKey, list[GPUUse]] = {}
    for (source, *ids), by_origin in claimed.items():
        claims = by_origin.get(True) or by_origin[False]
        for pod, samples in claims.items():
            if not any(_overlap(samples, others) for other, others in claims.items() if other != pod):
                found.setdefault(pod, []).append(GPUUse(tuple(ids), source, tuple(samples)))
    return found


def _readings(series: Iterable[Series]) -> Iterator[tuple[tuple[str, ...], bool, PodKey, list[Sample]]]:
    """The exporter and its GPU, whether Prometheus renamed the exporter's labels, the pod, and bytes over time."""
    for one in series:
        labels = one.labels
        known = _EXPORTERS.get(one.name)
        # A shared card is mirrored for each of its pods, with a label of its own.
        if known is None or labels.get("vgpu"):
            continue
        exported = bool(labels.get("exported_pod"))
        prefix = "exported_" if exported else ""
        pod = labels.get(f"{prefix}namespace", ""), labels.get(f"{prefix}pod", "")
        # A process on a GPU has something in use: a 0 is a card that does not report its memory, or nobody's yet.
        samples = [Sample(time, value * MiB) for time, value in one.samples if 0 < value <= _MOST_MIB]
        if pod[1] and samples:
            source, ids = known
            yield (source, *(labels.get(label, "") for label in ids)), exported, pod, samples


def _overlap(ours: list[Sample], theirs: list[Sample]) -> bool:
    return min(ours).time <= max(theirs).time and min(theirs).time <= max(ours).time
