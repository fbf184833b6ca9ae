"""AMD's device-metrics-exporter: the memory gauges, byte for byte as it writes them.

Sources, ROCm/device-metrics-exporter at afd0fe8: pkg/amdgpu/gpuagent/gpuagent_gpu_metrics.go (names, help, the labels
that are always there), pkg/exporter/exporter.go (served by client_golang: families and labels in order of their names,
numbers as strconv's shortest form), example/config-gpu.json (the prefix `amd_`).
"""

from dataclasses import dataclass
from typing import Final

from controlplane.exporters.cards import MIB, Card, Occupant

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8; escaping=underscores"
_NOBODY: Final = Occupant(namespace="", pod="", container="")
_HELP: Final = {  # what it calls MB is 2^20 bytes: an MI300X with 192 GiB of HBM says 196592
    "gpu_free_vram": "Free VRAM memory of the GPU (in MB)",
    "gpu_total_vram": "Total VRAM memory of the GPU (in MB)",
    "gpu_used_vram": "Used VRAM memory of the GPU (in MB)",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class AMD:
    """One node's exporter; `prefix` is its MetricsFieldPrefix (empty by default, `amd_` in its example)."""

    node: str
    cards: tuple[Card, ...]
    prefix: str = ""

    def metrics(self, seconds: float, accept: str) -> tuple[str, str]:
        """The content type, whatever the client accepts, and the text."""
        del accept
        lines: list[str] = []
        for name, help_ in _HELP.items():
            lines += [f"# HELP {self.prefix}{name} {help_}", f"# TYPE {self.prefix}{name} gauge"]
            for card in self.cards:
                used = card.used(seconds) // MIB
                total = card.memory // MIB
                value = {"gpu_free_vram": total - used, "gpu_total_vram": total, "gpu_used_vram": used}[name]
                lines.append(f"{self.prefix}{name}{{{self._labels(card)}}} {value}")
        return CONTENT_TYPE, "".join(f"{line}\n" for line in lines)

    def _labels(self, card: Card) -> str:
        occupant = card.occupants[0] if card.occupants else _NOBODY
        labels = {
            "card_model": card.model,
            "container": occupant.container,
            "deployment_mode": "baremetal",
            "gpu_compute_partition_type": "spx",
            "gpu_id": str(card.index),
            "gpu_memory_partition_type": "nps1",
            "gpu_partition_id": "0",
            "hostname": self.node,
            "job_id": "",
            "job_partition": "",
            "job_user": "",
            "namespace": occupant.namespace,
            "pod": occupant.pod,
            "serial_number": card.serial,
        }
        return ",".join(f'{name}="{value}"' for name, value in labels.items())
