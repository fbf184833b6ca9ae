"""`python -m benchmarks.accuracy.refit`: the constants of vllm-0.19 fitted anew, one architecture left out at a time.

For each constant: rows and architectures behind it, the value in force, the value fitted to all rows, and the errors on
the architectures left out, each predicted from all others.
"""

import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

from benchmarks.accuracy.case import Row
from benchmarks.accuracy.groups import load_groups, named
from benchmarks.accuracy.serving_cases import h100_case
from llmjob.estimator.activations import StepShape
from llmjob.estimator.profiles import load_profile
from llmjob.estimator.shape import step_shape
from llmjob.estimator.spelling import spell_out
from llmjob.quantity import GiB

TOKENS, SEQUENCES = 8192, 1024


@dataclass(frozen=True, slots=True)
class Sample:
    """One row's own value of a constant, and the architecture that it comes from."""

    architecture: str
    value: float


@dataclass(frozen=True, slots=True)
class Refit:
    """A constant: in force, fitted to all samples, and the held-out errors in its own unit."""

    name: str
    samples: tuple[Sample, ...]
    in_force: float

    @property
    def fitted(self) -> float:
        return median(sample.value for sample in self.samples)

    @property
    def held_out(self) -> list[float]:
        """Errors of each architecture's samples against the median of all others', ascending."""
        errors = []
        for left_out in sorted({sample.architecture for sample in self.samples}):
            others = [sample.value for sample in self.samples if sample.architecture != left_out]
            if others:
                fitted = median(others)
                errors += [sample.value - fitted for sample in self.samples if sample.architecture == left_out]
        return sorted(errors)

    def line(self) -> str:
        errors = self.held_out
        architectures = len({sample.architecture for sample in self.samples})
        return (
            f"{self.name:34} {len(self.samples):3} rows {architectures:3} architectures"
            f"   in force {self.in_force:8.3f}   fitted {self.fitted:8.3f}"
            f"   held out {errors[0]:+.3f} to {errors[-1]:+.3f}"
        )


def refits() -> list[Refit]:
    """Every constant that the rows can tell apart."""
    profile = load_profile("vllm-0.19")
    rows = named(load_groups(), "vllm-activation").rows()
    every = named(load_groups(), "vllm-pool-h100").rows()
    found = [Refit("sampler, bytes per N·V", _samples(rows, _sampler), float(profile.activation.logits_bytes))]
    for tensor in (1, 2, 4):
        for name, column, rule in (
            ("non-torch", "non_torch_gib", profile.non_torch),
            ("in use at start", "init_cuda_gib", profile.in_use),
        ):
            found.append(
                Refit(
                    f"{name}, GiB, tensor {tensor}",
                    _samples(every, lambda row, column=column, tensor=tensor: _column(row, column, tensor)),  # type: ignore[misc]
                    rule.at(tensor, 1).expected / GiB,
                )
            )
    graphs = profile.graphs
    found.append(
        Refit(
            "CUDA graphs, GiB over the line",
            _samples(
                every,
                lambda row: _over_the_line(
                    row, lambda shape: float(graphs.per_layer * shape.layers + graphs.per_hidden * shape.hidden)
                ),
            ),
            float(graphs.base) / GiB,
        )
    )
    return [refit for refit in found if refit.samples]


def _samples(rows: Sequence[Row], value: Callable[[Row], float | None]) -> tuple[Sample, ...]:
    found = []
    for row in rows:
        number = value(row)
        if number is not None:
            found.append(Sample(row["model"], number))
    return tuple(found)


def _shape(row: Row) -> StepShape | None:
    case = h100_case(row)
    spelled = spell_out(case.model, case.task) if case.model else None
    if not isinstance(spelled, tuple) or spelled[0].architecture is None:
        return None
    return step_shape(spelled[0], spelled[0].architecture)


def _sampler(row: Row) -> float | None:
    """The row's own coefficient, where it is a dense text model whose sampler decides on one pipeline stage."""
    shape = _shape(row)
    if shape is None or shape.multimodal or shape.experts_per_token or "pp1" not in row["parallel"]:
        return None
    peak = max(float(text) for text in row["torch_peak_all_ranks"].split()) * GiB
    rule = load_profile("vllm-0.19").activation
    rest = TOKENS * shape.hidden * shape.dtype_bytes + rule.base
    forward = TOKENS * (rule.hidden_copies * shape.hidden + rule.ffn_copies * shape.feed_forward) * shape.dtype_bytes
    if forward >= peak * 0.95:
        return None
    return (peak - rest) / (SEQUENCES * shape.vocabulary) - shape.dtype_bytes


def _column(row: Row, column: str, tensor: int) -> float | None:
    return float(row[column]) if re.match(rf"tp{tensor}pp1", row["parallel"]) else None


def _over_the_line(row: Row, line: Callable[[StepShape], float]) -> float | None:
    shape = _shape(row)
    if shape is None or shape.experts_per_token or not row["graph_actual_gib"]:
        return None
    return float(row["graph_actual_gib"]) - line(shape) / GiB


def main() -> int:
    """Print every constant."""
    for refit in refits():
        print(refit.line())
    return 0


if __name__ == "__main__":
    sys.exit(main())
