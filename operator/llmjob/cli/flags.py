"""The flags of estimate and check that mirror the API, and the request they make."""

from collections.abc import Callable, Mapping
from typing import Any, Final, cast

import click

from llmjob.cli.bad import Bad, bad_input
from llmjob.cli.values import Canonical, ModelId
from llmjob.estimator.task import FineTuning, Inference, Parallelism
from llmjob.models.reference import ModelReference
from llmjob.workloads.build import build_request
from llmjob.workloads.request import AnyRequest

_TENSOR_MAX: Final = 1024
_LENGTH_MAX: Final = 100_000_000


class ParameterCount(click.ParamType[int]):
    """A count of parameters with K, M, B or T: "7B"."""

    name = "count"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:  # noqa: ANN401
        from llmjob.api.counts import parse_count  # noqa: PLC0415

        try:
            return parse_count(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


def _count(flag: str, help_text: str) -> Callable[..., Any]:
    return click.option(flag, type=ParameterCount(), help=help_text)


def _number(flag: str, upper: int, help_text: str) -> Callable[..., Any]:
    return click.option(flag, type=click.IntRange(1, upper), help=help_text)


_MIRRORS: Final = (
    _count("--parameters", "Parameter count: 7B, 0.5B, 671B."),
    _count("--active-parameters", "Parameters a token activates, for mixtures of experts: 37B."),
    click.option("--model", type=ModelId(), metavar="ID", help="Model id such as Qwen/Qwen2.5-7B-Instruct."),
    click.option("--config", type=click.Path(exists=True, dir_okay=False), help="A Hugging Face config.json."),
    click.option("--quantization", type=Canonical("quantization"), help="INT8, FP8, NF4, AWQ, GPTQ, ..."),
    click.option("--dtype", type=Canonical("dtype"), help="FP32, FP16, BF16."),
    click.option(
        "--engine",
        type=Canonical("engine"),
        help="vLLM, SGLang, TGI, LlamaCpp, Transformers, ...; with a known model vLLM.",
    ),
    click.option("--engine-version", help="The engine's version: 0.19."),
    _number("--max-model-len", _LENGTH_MAX, "Longest sequence in tokens."),
    _number("--concurrency", 1_000_000, "Sequences served at once."),
    click.option(
        "--method",
        type=Canonical("method"),
        help="Fine-tuning method: Full, LoRA, QLoRA, ...; without it the task is inference.",
    ),
    click.option("--optimizer", type=Canonical("optimizer"), help="AdamW, SGD, Adam8bit, ..."),
    _number("--sequence-length", _LENGTH_MAX, "Training sequence length in tokens."),
    _number("--micro-batch-size", 1_000_000, "Sequences per GPU and step."),
    _number("--tensor", _TENSOR_MAX, "Tensor-parallel degree."),
    _number("--pipeline", _TENSOR_MAX, "Pipeline-parallel degree."),
)
_INFERENCE_ONLY: Final = ("engine", "engine_version", "max_model_len", "concurrency")
_FINE_TUNING_ONLY: Final = ("optimizer", "sequence_length", "micro_batch_size")


def mirror_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the flags that mirror the API to a command."""
    for option in reversed(_MIRRORS):
        function = option(function)
    return function


def stated(flags: Mapping[str, object]) -> bool:
    """Whether any mirrored flag was given."""
    return any(value is not None for value in flags.values())


def request_from_flags(flags: Mapping[str, Any]) -> AnyRequest | Bad:
    """The request that a manifest with these values would make; Bad for a --config that is no JSON object.

    Raises:
        click.UsageError: for flags that contradict each other.
    """
    _refuse_contradictions(flags)
    config = _read_config(flags["config"]) if flags["config"] else None
    if isinstance(config, Bad):
        return config
    reference = ModelReference(
        id=flags["model"],
        parameters=flags["parameters"],
        active_parameters=flags["active_parameters"],
        config=config,
        dtype=flags["dtype"],
        quantization=flags["quantization"],
    )
    parallelism = Parallelism(tensor=flags["tensor"] or 1, pipeline=flags["pipeline"] or 1)
    task: Inference | FineTuning
    if flags["method"] is not None:
        task = FineTuning(
            method=flags["method"],
            optimizer=flags["optimizer"],
            sequence_length=flags["sequence_length"],
            micro_batch_size=flags["micro_batch_size"],
            parallelism=parallelism,
        )
    else:
        task = Inference(
            engine=flags["engine"],
            engine_version=flags["engine_version"],
            max_model_len=flags["max_model_len"],
            concurrency=flags["concurrency"],
            parallelism=parallelism,
        )
    return build_request(name=model_name(flags), reference=reference, task=task)


def _refuse_contradictions(flags: Mapping[str, object]) -> None:
    if not (flags["model"] or flags["parameters"] or flags["config"]):
        raise click.UsageError("say which model: --model, --config or --parameters (or give manifests with -f)")
    wrong = _INFERENCE_ONLY if flags["method"] is not None else _FINE_TUNING_ONLY
    for name in wrong:
        if flags[name] is not None:
            flag = "--" + name.replace("_", "-")
            hint = "drop --method" if flags["method"] is not None else "add --method (LoRA, QLoRA, Full)"
            task = "inference" if flags["method"] is not None else "fine-tuning"
            raise click.UsageError(f"{flag} is for {task} only; {hint}, or leave {flag} out")


def model_name(flags: Mapping[str, object]) -> str:
    """What the job is called in the output: the model's id, the config's file name, or the count such as "7B"."""
    if flags["model"]:
        return str(flags["model"])
    if flags["parameters"]:
        from llmjob.api.counts import format_count  # noqa: PLC0415

        return format_count(cast("int", flags["parameters"]))
    return str(flags["config"])


def _read_config(path: str) -> Mapping[str, object] | Bad:
    from llmjob.api.errors import BadInput  # noqa: PLC0415
    from llmjob.api.json_documents import read_json  # noqa: PLC0415
    from llmjob.cli.files import read_text  # noqa: PLC0415

    try:
        documents = read_json(read_text(path))
    except BadInput as error:
        return bad_input("--config", f"{path}: {error}", path)
    if documents is None:
        return bad_input("--config", f"{path} is not JSON", path)
    if len(documents) != 1 or not isinstance(documents[0], dict):
        return bad_input("--config", f"{path} holds no JSON object; a config.json is one", path)
    return documents[0]
