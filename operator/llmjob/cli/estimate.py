"""`llmjob estimate`: how much GPU memory a job needs."""

from dataclasses import dataclass
from typing import Any

import click

from llmjob.cli import options
from llmjob.cli.bad import Bad
from llmjob.cli.exit_codes import BY_REASON, ExitCode, worst
from llmjob.cli.flags import mirror_options, request_from_flags, stated
from llmjob.cli.values import CardName
from llmjob.estimator.estimate import estimate
from llmjob.estimator.result import Estimate, Limit, Unknown
from llmjob.fleet.gpu_class import GPUClass, gpu_of
from llmjob.workloads.request import AnyRequest, Request


@dataclass(frozen=True, slots=True)
class Answered:
    """A request with its estimate, and on an assumed GPU which of the two tests binds."""

    request: AnyRequest
    estimate: Estimate | Unknown
    limit: Limit | None = None


Answer = Answered | Bad


@click.command()
@options.files("LLMJobs")
@mirror_options
@click.option(
    "--gpu",
    type=CardName(),
    metavar="CLASS",
    help="Assume this GPU: a class, a label value or an alias (l4, a100-80gb); else none is assumed.",
)
@click.option("--scenarios", is_flag=True, help="Seven scenarios of the simple method at once, and optimizer states.")
@options.OUTPUT
def command(
    files: tuple[str, ...],
    gpu: str | None,
    scenarios: bool,  # noqa: FBT001, click's signature
    output: str,
    **flags: Any,  # noqa: ANN401
) -> int:
    """Say how much GPU memory a job needs per GPU, part by part and how surely.

    Works offline. Bounds are those of one GPU of the worst rank; `lower` is what must be there.

    \b
    llmjob estimate --model Qwen/Qwen2.5-7B --max-model-len 8192 --concurrency 16
    llmjob estimate --parameters 7B --method QLoRA --optimizer AdamW
    llmjob estimate -f examples/ -o json
    llmjob estimate --parameters 7B --scenarios
    """
    if files and stated(flags):
        raise click.UsageError("give either -f or flags that describe a model, not both")
    if scenarios:
        if files:
            raise click.UsageError("--scenarios takes --parameters or --model, not -f")
        from llmjob.cli.scenarios import show_scenarios  # noqa: PLC0415, only this option needs it

        return show_scenarios(flags, output)
    gpu_class = _class(gpu) if gpu else None
    answers = [item if isinstance(item, Bad) else _answer(item, gpu_class) for item in _items(files, flags)]
    class_name = gpu_class.name if gpu_class else None
    if output == "table":
        _print(answers, class_name)
    else:
        from llmjob.cli.records import bad_estimate_record, estimate_record, render  # noqa: PLC0415

        records = [
            bad_estimate_record(answer)
            if isinstance(answer, Bad)
            else estimate_record(answer.request, answer.estimate, class_name, answer.limit)
            for answer in answers
        ]
        click.echo(render(records, output))
    return worst(_code(answer) for answer in answers)


def _items(files: tuple[str, ...], flags: dict[str, Any]) -> list[AnyRequest | Bad]:
    if not files:
        return [request_from_flags(flags)]
    from llmjob.cli.documents import read_documents  # noqa: PLC0415, flags alone need no pydantic and no YAML
    from llmjob.cli.files import read_files  # noqa: PLC0415

    items = read_documents(read_files(files), pods=False)
    if not items:
        click.echo("nothing to estimate: no LLMJob in the input", err=True)
    return items


def _class(gpu: str) -> GPUClass:
    """The class of the GPU to assume."""
    from llmjob.cli.gpus import class_of_argument  # noqa: PLC0415

    gpu_class = class_of_argument(gpu)
    if gpu_class.usable is None:
        raise click.UsageError(f"--gpu {gpu}: the memory of {gpu_class.name} is unknown: {gpu_class.unknown_because}")
    return gpu_class


def _answer(request: AnyRequest, gpu_class: GPUClass | None) -> Answered:
    if not isinstance(request, Request):
        return Answered(request, request.unknown)
    if gpu_class is None:
        return Answered(request, estimate(request.model, request.task))
    from llmjob.decision.outcome import Estimates, judge_class  # noqa: PLC0415, only with --gpu

    estimates = Estimates(request.model, request.task)
    judged = judge_class(gpu_class, estimates, request.gpus_per_pod)
    return Answered(request, estimates.on(gpu_of(gpu_class)), judged.outcome.limit)


def _print(answers: list[Answer], class_name: str | None) -> None:
    from llmjob.cli.tables import console, print_bad, print_estimate  # noqa: PLC0415

    out = console()
    for number, answer in enumerate(answers):
        if number:
            out.print()
        if isinstance(answer, Bad):
            print_bad(out, answer)
        else:
            print_estimate(out, answer.request, answer.estimate, class_name)


def _code(answer: Answer) -> ExitCode:
    if isinstance(answer, Bad):
        return ExitCode.BAD_INPUT
    found = answer.estimate
    return BY_REASON[found.reason] if isinstance(found, Unknown) else ExitCode.FITS
