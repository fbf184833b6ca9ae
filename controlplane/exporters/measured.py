"""Courses from runs that others measured: the rows of benchmarks/accuracy/data, each with its source.

A row has a peak or a state; the way there is drawn (courses.py). Nothing is taken from an estimate: a figure that a row
lacks makes the run unusable here.
"""

import csv
import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from controlplane.exporters import courses
from controlplane.exporters.courses import Course

DATA: Final = Path(__file__).resolve().parents[2] / "benchmarks" / "accuracy" / "data"
GIB: Final = 2**30
MIB: Final = 2**20


class NotMeasured(Exception):
    """The row is not there, or lacks a figure that a course needs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A measured run: its model and what each of its GPUs came to have in use.

    `pool_tokens` and `pool_bytes` are an engine's KV pool as it logged it, `activation_bytes` what a full batch takes
    beside it for a while (bytes per GPU); None for training.
    """

    model: str
    gpus: tuple[Course, ...]
    source: str
    pool_tokens: int | None = None
    pool_bytes: int | None = None
    activation_bytes: int | None = None


def fine_tuning(row: str) -> Run:
    """A row of training.csv whose peak is nvidia-smi's, by id. Raises NotMeasured."""
    found = _row("training.csv", "id", row)
    if not found["measure"].startswith("nvidia-smi"):
        raise NotMeasured(f"{row} is {found['measure']}, not what a GPU has in use")
    peak, count = round(_number(found, "peak_bytes")), int(_number(found, "num_gpus"))
    course = courses.training(peak, source=found["source"])
    return Run(model=found["model_hf_id"], gpus=(course,) * count, source=found["source"])


def fine_tuning_on_t4(model: str, sequence: int, batch: int) -> Run:
    """The largest row of t4_finetuning.csv with that model, length and batch. Raises NotMeasured."""
    wanted = {"model": model, "seq": str(sequence), "bs": str(batch)}
    rows = [row for row in _rows("t4_finetuning.csv") if wanted.items() <= row.items()]
    if not rows:
        raise NotMeasured(f"t4_finetuning.csv has no row with {wanted}")
    row = max(rows, key=lambda row: _number(row, "process_mib"))
    resting = round((_number(row, "weights_mib") + _number(row, "ctx_mib")) * MIB) if row["weights_mib"] else None
    course = courses.training(round(_number(row, "process_mib") * MIB), resting=resting, source=row["file"])
    return Run(model=model, gpus=(course,), source=row["file"])


def vllm_on_h100(model: str, parallel: str = "tp1pp1dp1", variant: str = "8192") -> Run:
    """A row of vllm_h100.csv (not of pipeline parallelism): the sum of what it logged. Raises NotMeasured."""
    wanted = {"model": model, "parallel": parallel, "variant": variant}
    row = next((row for row in _rows("vllm_h100.csv") if wanted.items() <= row.items()), None)
    if row is None:
        raise NotMeasured(f"vllm_h100.csv has no row with {wanted}")
    parts = ("init_cuda_gib", "weights_gib", "non_torch_gib", "kv_avail_gib_min_rank", "graph_actual_gib")
    ready = round(sum(_number(row, part) for part in parts) * GIB)
    source = f"vLLM v0.19.0 on H100 80GB: {model} {parallel} {variant}"
    ranks = len(row["torch_peak_all_ranks"].split())
    return Run(
        model=model,
        gpus=(courses.serving(ready, source=source),) * ranks,
        source=source,
        pool_tokens=int(_number(row, "kv_tokens")),
        pool_bytes=round(_number(row, "kv_avail_gib_min_rank") * GIB),
        activation_bytes=round(_number(row, "torch_peak_gib") * GIB),
    )


def sglang(row: str, usable: int) -> Run:
    """A row of inference.csv by id: what is left of a card's `usable` bytes once its pool is there.

    Raises NotMeasured.
    """
    found = _row("inference.csv", "id", row)
    if found["engine"] != "SGLang":
        raise NotMeasured(f"{row} is a run of {found['engine']}")
    ready = usable - round(_number(found, "avail_after_pool_gib") * GIB)
    return Run(
        model=found["model_hf_id"],
        gpus=(courses.serving(ready, source=found["source"]),) * int(_number(found, "tp")),
        source=found["source"],
        pool_tokens=int(_number(found, "kv_tokens")),
        pool_bytes=round(_number(found, "kv_cache_gib") * GIB) if found["kv_cache_gib"] else None,
    )


@functools.cache
def _rows(file: str) -> tuple[Mapping[str, str], ...]:
    with (DATA / file).open(encoding="utf-8", newline="") as handle:
        return tuple(csv.DictReader(handle))


def _row(file: str, column: str, value: str) -> Mapping[str, str]:
    for row in _rows(file):
        if row[column] == value:
            return row
    raise NotMeasured(f"{file} has no row whose {column} is {value}")


def _number(row: Mapping[str, str], column: str) -> float:
    if not row[column]:
        raise NotMeasured(f"the row of {row.get('id') or row['model']} has no {column}")
    return float(row[column])
