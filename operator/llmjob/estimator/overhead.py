"""What a serving engine holds besides the model's tensors: CUDA context, communication buffers, CUDA graphs.

All constants are measured and versioned (profiles/*.toml); none follows from the model's size alone.
"""

from dataclasses import dataclass
from fractions import Fraction
from math import ceil

from llmjob.estimator.activations import StepShape
from llmjob.estimator.interval import ZERO, Interval
from llmjob.estimator.profiles import EngineProfile, Triple
from llmjob.estimator.training_profile import context


@dataclass(frozen=True, slots=True, kw_only=True)
class Overhead:
    """Bytes per rank. `non_torch` is inside the engine's budget, `in_use` (at start) on top of it.

    `communication` says how much of both is there only because ranks talk to each other.
    """

    non_torch: Interval
    in_use: Interval
    communication: Interval
    graphs: Interval


def overhead(
    shape: StepShape,
    profile: EngineProfile,
    *,
    tensor: int,
    pipeline: int,
    product: str | None = "H100",
    eager: bool | None = False,
) -> Overhead:
    """The overhead of one rank on a GPU product (None: any).

    `eager`: no CUDA graphs; None = not known, then they are a range from zero. Memory in use at start was measured on
    an H100; elsewhere it differs by the CUDA context's size.
    """
    non_torch = profile.non_torch.at(tensor, pipeline)
    in_use = _shifted(profile.in_use.at(tensor, pipeline), product)
    alone = _sum(profile.non_torch.at(1, 1), _shifted(profile.in_use.at(1, 1), product))
    together = _sum(non_torch, in_use)
    communication = Interval(
        max(0, together.lower - alone.upper),
        max(0, together.expected - alone.expected),
        max(0, together.expected - alone.expected, together.upper - alone.lower),
    )
    return Overhead(
        non_torch=_interval(non_torch),
        in_use=_interval(in_use),
        communication=communication if tensor * pipeline > 1 else ZERO,
        graphs=_graphs(shape, profile, pipeline, eager=eager),
    )


def _graphs(shape: StepShape, profile: EngineProfile, pipeline: int, *, eager: bool | None) -> Interval:
    if eager:
        return ZERO
    rule = profile.graphs
    expected = ceil(
        rule.base
        + rule.per_layer * Fraction(shape.layers, pipeline)
        + rule.per_hidden * shape.hidden
        + (rule.experts if shape.experts_per_token else 0)
    )
    lower = 0 if eager is None else max(0, expected - rule.absolute)
    return Interval(lower, expected, expected + rule.absolute)


def _shifted(in_use: Triple, product: str | None) -> Triple:
    here, measured = context(product), context("H100")
    if here == measured:
        return in_use
    low, expected, high = (
        max(0, amount + ceil(ours - measured.expected))
        for amount, ours in (
            (in_use.low, here.low),
            (in_use.expected, here.expected),
            (in_use.high, here.high),
        )
    )
    return Triple(low, expected, high)


def _interval(triple: Triple) -> Interval:
    return Interval(triple.low, triple.expected, triple.high)


def _sum(first: Triple, second: Triple) -> Interval:
    return _interval(first) + _interval(second)
