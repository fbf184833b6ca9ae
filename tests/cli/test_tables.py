"""Tables for people, from hand-made results."""

import io
from dataclasses import replace

from rich.console import Console

from llmjob.cli.tables import bar, print_estimate, print_verdict
from llmjob.decision.verdict import Action, ClassOutcome, Outcome, Verdict
from llmjob.estimator.architecture import read_architecture
from llmjob.estimator.interval import Interval
from llmjob.estimator.model import Model, ModelSource
from llmjob.estimator.result import Basis, Component, ComponentName, Estimate, Serving, Unknown
from llmjob.estimator.task import Inference
from llmjob.names import Reason
from llmjob.quantity import GiB
from llmjob.workloads.request import Request

REQUEST = Request(
    name="chat",
    namespace="research",
    model=Model(name="m", source=ModelSource.PARAMETERS, parameters=7_000_000_000),
    task=Inference(concurrency=16, max_model_len=4096),
)


def shown(function, *args):
    out = Console(file=io.StringIO(), width=120, color_system=None)
    function(out, *args)
    return out.file.getvalue()


def estimate(concurrency=20.0):
    weights = Interval.exact(14 * GiB)
    cache = Interval(1 * GiB, 2 * GiB, 4 * GiB)
    return Estimate(
        per_gpu=weights + cache,
        components=(
            Component(ComponentName.WEIGHTS, weights, Basis.EXACT),
            Component(ComponentName.KV_CACHE, cache, Basis.RULE_OF_THUMB),
        ),
        profile="vllm-0.19",
        parameters=7_000_000_000,
        active_parameters=7_000_000_000,
        serving=Serving(starts=True, kv_pool=cache, kv_tokens=1000, concurrency=concurrency, longest_length=500),
    )


def test_a_bar_is_full_to_lower_half_to_expected_and_light_to_upper():
    assert bar(Interval(5, 7, 10), whole=10, width=10) == "█████▓▓░░░"


def test_an_estimate_shows_need_parts_basis_and_profile():
    text = shown(print_estimate, REQUEST, estimate(), "nvidia-l4")
    assert "research/chat" in text
    assert "needs 16.0 GiB (15.0–18.0) per GPU on nvidia-l4 · 1 GPU" in text
    assert "profile vllm-0.19" in text
    rows = [line.split() for line in text.splitlines()]
    assert next(row for row in rows if row[:1] == ["Weights"])[:2] == ["Weights", "14.0"]
    assert next(row for row in rows if row[:1] == ["KVCache"])[-3:] == ["rule", "of", "thumb"]


def test_a_server_says_how_many_sequences_it_offers_of_those_asked_for():
    text = shown(print_estimate, REQUEST, estimate(3.5), None)
    assert "starts with a KV pool of 2.0 GiB (1,000 tokens): 3.5 sequences of 4,096 tokens, asked for 16" in text


def test_a_length_that_was_not_asked_for_is_named_as_the_models_maximum():
    task = Inference(concurrency=1)
    architecture = read_architecture({
        "model_type": "llama", "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2,
        "intermediate_size": 128, "vocab_size": 100, "max_position_embeddings": 40960,
    })  # fmt: skip
    model = Model(name="m", source=ModelSource.CONFIG, architecture=architecture)
    text = shown(print_estimate, replace(REQUEST, task=task, model=model), estimate(), None)
    assert "sequences of 40,960 tokens (the model's maximum), asked for 1" in text


def test_an_unknown_names_field_and_fix():
    unknown = Unknown(reason=Reason.MODEL_UNKNOWN, field="spec.model.id", message="state spec.model.parameters")
    assert "spec.model.id: state spec.model.parameters" in shown(print_estimate, REQUEST, unknown, None)


def test_a_verdict_shows_each_class_with_its_headroom():
    verdict = Verdict(
        name="chat",
        reason=Reason.TIGHT,
        message="needs 16.0 GiB",
        action=Action.WARN,
        classes=(
            ClassOutcome(
                name="nvidia-t4", outcome=Outcome.TOO_LARGE, need=Interval(15 * GiB, 16 * GiB, 18 * GiB),
                usable=14 * GiB, headroom=-4 * GiB,
            ),
            ClassOutcome(name="nvidia-gb10", outcome=Outcome.UNKNOWN),
        ),
    )  # fmt: skip
    rows = [line.split() for line in shown(print_verdict, verdict).splitlines()]
    assert ["nvidia-t4", "too", "large", "16.0", "(15.0–18.0)", "14.0", "-4.0"] in rows
    assert ["nvidia-gb10", "unknown", "?", "?"] in rows
