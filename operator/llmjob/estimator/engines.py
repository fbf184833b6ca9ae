"""Serving with engines that have no measured profile yet: weights + KV cache + rules of thumb (profiles/rules.toml)."""

import tomllib
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache
from math import ceil
from typing import Any

from llmjob.data import read_text
from llmjob.estimator.architecture import Architecture
from llmjob.estimator.contiguous_cache import (
    cache_bytes,
    cache_bytes_per_token,
    copied_latent_bytes,
    element_bytes,
)
from llmjob.estimator.gpu import GPU
from llmjob.estimator.interval import Interval
from llmjob.estimator.model import Model
from llmjob.estimator.parts import Part, total
from llmjob.estimator.result import Basis, Budget, ComponentName, Estimate, Measures, Serving
from llmjob.estimator.sequence import Sequences, asked_sequences, cache_dtype
from llmjob.estimator.shape import step_shape
from llmjob.estimator.static_share import StaticShare
from llmjob.estimator.task import Inference
from llmjob.estimator.tensors import adapter_slots, held_weights
from llmjob.estimator.vocabulary import PLACES_LAYERS
from llmjob.quantity import GiB


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Rules of thumb of one engine; rules.toml says what each means."""

    cache: str
    latent: bool
    step: int
    step_hidden: Fraction
    step_ffn: Fraction
    step_logits: Fraction
    fixed: Fraction
    spread: tuple[Fraction, Fraction]
    runtime: tuple[int, int, int]
    share: StaticShare | None


def estimate_engine(model: Model, architecture: Architecture, task: Inference, gpu: GPU | None = None) -> Estimate:
    """Estimate a server of `task.engine`, bytes per GPU of the worst rank; its overhead is a rule of thumb.

    Raises:
        KeyError: for an engine without a rule.
    """
    rule = _rule(str(task.engine))
    degrees = task.parallelism
    sequences, warnings = asked_sequences(architecture, model, task)
    shape = step_shape(model, architecture)
    held = held_weights(model, architecture, degrees, copies_head=True)
    element = element_bytes(cache_dtype(model, architecture, task))
    if rule.cache == "paged":
        kept = sequences.part(rule.step, rule.step, rule.step)
        least, cached = kept.lower, kept.expected
        per_token = sequences.bytes_per_token
    else:
        least, cached = (
            -(
                -sequences.number
                * cache_bytes(
                    architecture,
                    sequences.length,
                    element,
                    tensor=degrees.tensor,
                    latent=rule.latent,
                    windowed=windowed,
                )
                // degrees.pipeline
            )
            for windowed in (True, False)
        )
        per_token = cache_bytes_per_token(architecture, element, tensor=degrees.tensor, latent=rule.latent)
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
    most = cached
    if task.engine in PLACES_LAYERS:
        copied = sequences.number * copied_latent_bytes(architecture, sequences.length, element)
        most += -(-copied // degrees.pipeline)
    # An engine that takes whole prompts needs little for short ones, however long a sequence may become.
    sure = 0 if rule.step == 0 and task.input_length is None else step
    weights = Part.of(ComponentName.WEIGHTS, held.memory, held.basis)
    if task.engine in PLACES_LAYERS:
        weights, least = replace(weights, lower=0, below=0), 0
        warnings.append(f"how many layers {task.engine} places on the GPU is not stated: all count, none is sure")
    parts = (
        weights,
        adapter_slots(architecture, task),
        Part(name=ComponentName.KV_CACHE, lower=least, expected=cached, upper=most, basis=Basis.MODELLED),
        Part(
            name=ComponentName.ACTIVATIONS,
            lower=sure,
            expected=step,
            upper=step,
            below=ceil(rule.spread[0] * sure),
            above=ceil(rule.spread[1] * step),
            basis=Basis.RULE_OF_THUMB,
        ),
        Part.of(ComponentName.RUNTIME, Interval(*rule.runtime), Basis.RULE_OF_THUMB),
    )
    available = rule.share.available(task, gpu) if rule.share and gpu else None
    per_gpu, allocated = total(parts), total(parts[:4])
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
        budget=Budget(needed=total(parts[:3]), available=available) if rule.share else None,
        serving=_offer(rule.share.pool(available, held.memory), sequences, rule.step)
        if rule.share and available
        else None,
        kv_bytes_per_token=per_token,
        warnings=tuple(warnings),
    )


def _offer(pool: Interval, sequences: Sequences, step: int) -> Serving:
    needed = sequences.one(step)
    concurrency = Fraction(pool.expected, needed) if needed else Fraction(0)
    return Serving(
        starts=pool.expected >= needed,
        kv_pool=pool,
        kv_tokens=int(concurrency * sequences.length),
        concurrency=float(round(concurrency, 2)),
        longest_length=sequences.longest(pool.expected, step),
    )


@cache
def _rule(engine: str) -> Rule:
    text = read_text("llmjob.estimator", "profiles/rules.toml")
    raw: dict[str, Any] = tomllib.loads(text, parse_float=Fraction)[engine]
    low, expected, high = (ceil(Fraction(value) * GiB) for value in raw["runtime"])
    return Rule(
        cache=raw["cache"],
        latent=raw["latent"],
        step=raw["step"],
        step_hidden=raw["step_hidden"],
        step_ffn=raw["step_ffn"],
        step_logits=raw["step_logits"],
        fixed=raw["fixed"],
        spread=(raw["spread"][0], raw["spread"][1]),
        runtime=(low, expected, high),
        share=StaticShare.read(raw["share"]) if "share" in raw else None,
    )
