"""Serving with engines that have no measured profile yet: weights + KV cache + rules of thumb (profiles/rules.toml)."""

import tomllib
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from importlib.resources import files
from math import ceil
from typing import Any

from llmjob.estimator.architecture import Architecture
from llmjob.estimator.contiguous_cache import cache_bytes_per_token, state_bytes
from llmjob.estimator.gpu import GPU
from llmjob.estimator.interval import Interval
from llmjob.estimator.model import Model
from llmjob.estimator.parts import Part, total
from llmjob.estimator.result import Basis, ComponentName, Estimate, Measures
from llmjob.estimator.sequence import asked_sequences
from llmjob.estimator.shape import DTYPE_BYTES, activation_dtype, step_shape
from llmjob.estimator.task import Inference
from llmjob.estimator.tensors import held_weights
from llmjob.quantity import GiB


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Rules of thumb of one engine; rules.toml says what each means."""

    cache: str
    step: int
    step_hidden: Fraction
    step_ffn: Fraction
    step_logits: Fraction
    fixed: Fraction
    spread: tuple[Fraction, Fraction]
    runtime: tuple[int, int, int]


def estimate_engine(model: Model, architecture: Architecture, task: Inference, gpu: GPU | None = None) -> Estimate:
    """Estimate a server of `task.engine`, bytes per GPU of the worst rank; its overhead is a rule of thumb.

    Raises:
        KeyError: for an engine without a rule.
    """
    del gpu  # no rule depends on it
    rule = _rule(str(task.engine))
    degrees = task.parallelism
    sequences, warnings = asked_sequences(architecture, model, task)
    shape = step_shape(model, architecture)
    held = held_weights(model, architecture, degrees)
    element = (
        1
        if (task.kv_cache_dtype or "").casefold().startswith("fp8")
        else DTYPE_BYTES[activation_dtype(model, architecture)]
    )
    linear = cache_bytes_per_token(architecture, element, degrees.tensor)
    if rule.cache == "paged":
        cached = sequences.number * sequences.one(rule.step)
        per_token = sequences.bytes_per_token
    else:
        cached = sequences.number * (linear * sequences.length + state_bytes(architecture, degrees.tensor))
        per_token = linear
    cached = -(-cached // degrees.pipeline) if rule.cache != "paged" else cached
    tokens = rule.step or (task.batch_size or 1) * (task.input_length or sequences.length)
    step = ceil(
        tokens
        * (
            rule.step_hidden * shape.hidden
            + rule.step_ffn
            * Fraction(shape.feed_forward or shape.expert_width * shape.experts_per_token, degrees.tensor)
            + rule.step_logits * shape.vocabulary
        )
        + rule.fixed * GiB
    )
    parts = (
        Part.of(ComponentName.WEIGHTS, held.memory, held.basis),
        Part(name=ComponentName.KV_CACHE, lower=cached, expected=cached, upper=cached, basis=Basis.MODELLED),
        Part(
            name=ComponentName.ACTIVATIONS,
            lower=step,
            expected=step,
            upper=step,
            below=ceil(rule.spread[0] * step),
            above=ceil(rule.spread[1] * step),
            basis=Basis.RULE_OF_THUMB,
        ),
        Part.of(ComponentName.RUNTIME, Interval(*rule.runtime), Basis.RULE_OF_THUMB),
    )
    per_gpu, allocated = total(parts), total(parts[:3])
    warnings.append(
        f"{task.engine} has no measured profile yet: what it needs besides weights and KV is a rule of thumb"
    )
    return Estimate(
        per_gpu=per_gpu,
        components=tuple(part.component() for part in parts if part.memory.upper),
        profile=f"{str(task.engine).casefold()}-rule",
        parameters=architecture.parameters,
        active_parameters=architecture.active_parameters,
        measures=Measures(allocated=allocated, reserved=allocated, process=per_gpu),
        kv_bytes_per_token=per_token,
        warnings=tuple(warnings),
    )


@cache
def _rule(engine: str) -> Rule:
    text = files("llmjob.estimator").joinpath("profiles", "rules.toml").read_text(encoding="utf-8")
    raw: dict[str, Any] = tomllib.loads(text, parse_float=Fraction)[engine]
    low, expected, high = (ceil(Fraction(value) * GiB) for value in raw["runtime"])
    return Rule(
        cache=raw["cache"],
        step=raw["step"],
        step_hidden=raw["step_hidden"],
        step_ffn=raw["step_ffn"],
        step_logits=raw["step_logits"],
        fixed=raw["fixed"],
        spread=(raw["spread"][0], raw["spread"][1]),
        runtime=(low, expected, high),
    )
