"""The empty and the large cluster side by side, with their ratio."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Final

from benchmarks.scale.cold_start import ColdStart

MIB: Final = 2**20
_ROWS: Final = (
    ("ready_seconds", "ready after", "s"),
    ("ready_cpu_seconds", "CPU until ready", "s"),
    ("settled_cpu_seconds", "CPU until idle", "s"),
    ("peak_bytes", "peak memory", "MiB"),
    ("settled_bytes", "memory when idle", "MiB"),
)


def render(nodes: int, node_bytes: int, found: Mapping[str, tuple[ColdStart, ColdStart]]) -> str:
    """A table; `found` has for each process the start in the empty and in the large cluster."""
    lines = [f"{'cold start':<30}{'no nodes':>12}{f'{nodes:,} nodes':>16}{'ratio':>8}"]
    for process, (empty, large) in found.items():
        before, after = asdict(empty), asdict(large)
        for field, label, unit in _ROWS:
            scale = MIB if unit == "MiB" else 1
            digits = 0 if unit == "MiB" else 2
            few, many = (f"{values[field] / scale:.{digits}f} {unit}" for values in (before, after))
            lines.append(f"{f'{process}: {label}':<30}{few:>12}{many:>16}{after[field] / before[field]:>7.1f}x")
    lines.append(f"A node is {node_bytes / 1024:.1f} KiB of JSON.")
    return "\n".join(lines)
