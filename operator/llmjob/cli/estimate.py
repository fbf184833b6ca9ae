"""`llmjob estimate`: how much GPU memory a job needs."""

from typing import Any

import click

from llmjob.cli.bad import Bad
from llmjob.cli.exit_codes import BY_REASON, ExitCode, worst
from llmjob.cli.flags import mirror_options, request_from_flags, stated
from llmjob.estimator.estimate import estimate
from llmjob.estimator.gpu import GPU
from llmjob.estimator.result import Estimate, Unknown
from llmjob.workloads.request import AnyRequest, Request

Answer = tuple[AnyRequest, Estimate | Unknown] | Bad


@click.command()
@click.option("-f", "--filename", "files", multiple=True, metavar="FILE|DIR|-", help="Manifests of LLMJobs.")
@mirror_options
@click.option(
    "--gpu", help="Assume this GPU: a class, a label value or an alias (l4, a100-80gb); else none is assumed."
)
@click.option("--scenarios", is_flag=True, help="Seven scenarios of the simple method at once, and optimizer states.")
@click.option("-o", "--output", type=click.Choice(["table", "json", "yaml"]), default="table", help="Output format.")
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
    card, class_name = _card(gpu)
    answers = [item if isinstance(item, Bad) else (item, _answer(item, card)) for item in _items(files, flags)]
    if output == "table":
        _print(answers, class_name)
    else:
        from llmjob.cli.records import bad_estimate_record, estimate_record, render  # noqa: PLC0415

        records = [
            bad_estimate_record(answer) if isinstance(answer, Bad) else estimate_record(*answer, class_name)
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


def _card(gpu: str | None) -> tuple[GPU | None, str | None]:
    """The GPU to assume, and the name of its class."""
    if gpu is None:
        return None, None
    from llmjob.cli.gpus import named_class  # noqa: PLC0415
    from llmjob.fleet.gpu_class import gpu_of  # noqa: PLC0415

    gpu_class = named_class(gpu)
    card = gpu_of(gpu_class)
    if card is None:
        raise click.UsageError(f"--gpu {gpu}: the memory of {gpu_class.name} is unknown: {gpu_class.unknown_because}")
    return card, gpu_class.name


def _answer(request: AnyRequest, card: GPU | None) -> Estimate | Unknown:
    if isinstance(request, Request):
        return estimate(request.model, request.task, card)
    return request.unknown


def _print(answers: list[Answer], class_name: str | None) -> None:
    from llmjob.cli.tables import console, print_bad, print_estimate  # noqa: PLC0415

    out = console()
    for number, answer in enumerate(answers):
        if number:
            out.print()
        if isinstance(answer, Bad):
            print_bad(out, answer)
        else:
            print_estimate(out, *answer, class_name)


def _code(answer: Answer) -> ExitCode:
    if isinstance(answer, Bad):
        return ExitCode.BAD_INPUT
    result = answer[1]
    return BY_REASON[result.reason] if isinstance(result, Unknown) else ExitCode.FITS
