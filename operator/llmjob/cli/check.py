"""`llmjob check`: does it fit."""

from typing import Any

import click

from llmjob.cli import options
from llmjob.cli.bad import Bad
from llmjob.cli.exit_codes import BY_REASON, ExitCode, worst
from llmjob.cli.flags import mirror_options, request_from_flags, stated
from llmjob.cli.inventory import Inventory, inventory
from llmjob.cli.values import CardName
from llmjob.decision.decide import decide
from llmjob.decision.verdict import Verdict
from llmjob.workloads.request import AnyRequest


@click.command()
@options.files("LLMJobs and pods")
@mirror_options
@click.option(
    "--gpu", "gpus", multiple=True, type=CardName(), metavar="CLASS[xN]", help="Judge against this GPU, N a node."
)
@options.fleet("Judge against these nodes or classes (kubectl get nodes -o yaml).")
@options.KUBECONFIG
@options.CONTEXT
@options.SETTINGS
@options.OUTPUT
def command(
    files: tuple[str, ...],
    gpus: tuple[str, ...],
    fleet: str | None,
    kubeconfig: str | None,
    context: str | None,
    settings: str | None,
    output: str,
    **flags: Any,  # noqa: ANN401
) -> int:
    """Judge jobs and pods: do they fit, on which GPUs, and what would make them fit.

    Against GPUs named with --gpu, a fleet file, or else the current cluster, where it says what the webhook would say.

    \b
    llmjob check -f job.yaml --gpu l4x2 --gpu a100-80gb
    llmjob check -f examples/ --fleet nodes.yaml -o json
    llmjob check --model Qwen/Qwen2.5-7B --max-model-len 8192
    """
    if files and stated(flags):
        raise click.UsageError("give either -f or flags that describe a model, not both")
    if gpus and fleet:
        raise click.UsageError("give either --gpu or --fleet, not both")
    place = inventory(gpus, fleet, kubeconfig=kubeconfig, context=context, settings=settings)
    items = _items(files, flags, place)
    answers = [item if isinstance(item, Bad) else decide(item, place.fleet, place.policy) for item in items]
    if output == "table":
        _print(answers)
    else:
        from llmjob.cli.records import bad_verdict_record, render, verdict_record  # noqa: PLC0415

        records = [bad_verdict_record(a) if isinstance(a, Bad) else verdict_record(a) for a in answers]
        click.echo(render(records, output))
    return worst(ExitCode.BAD_INPUT if isinstance(a, Bad) else BY_REASON[a.reason] for a in answers)


def _items(files: tuple[str, ...], flags: dict[str, Any], place: Inventory) -> list[AnyRequest | Bad]:
    if not files:
        return [request_from_flags(flags)]
    from llmjob.cli.documents import read_documents  # noqa: PLC0415
    from llmjob.cli.files import read_files  # noqa: PLC0415

    items = read_documents(read_files(files), pods=True, find_job=place.find_job)
    if not items:
        click.echo(f"nothing to judge: no LLMJob and no pod labelled with one in {', '.join(files)}", err=True)
    return items


def _print(answers: list[Verdict | Bad]) -> None:
    from llmjob.cli.tables import console, print_bad, print_verdict  # noqa: PLC0415

    out = console()
    for number, answer in enumerate(answers):
        if number:
            out.print()
        if isinstance(answer, Bad):
            print_bad(out, answer)
        else:
            print_verdict(out, answer)
