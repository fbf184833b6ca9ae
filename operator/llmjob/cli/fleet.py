"""`llmjob fleet`: the GPU classes there are."""

import click

from llmjob.cli import options
from llmjob.cli.exit_codes import ExitCode
from llmjob.cli.inventory import inventory


@click.command()
@options.fleet("Nodes (kubectl get nodes -o yaml) or classes, instead of a cluster.")
@options.KUBECONFIG
@options.CONTEXT
@options.SETTINGS
@options.OUTPUT
def command(fleet: str | None, kubeconfig: str | None, context: str | None, settings: str | None, output: str) -> int:
    """List the GPU classes of the current cluster or of a fleet file, with their memory and where it was read."""
    place = inventory((), fleet, kubeconfig=kubeconfig, context=context, settings=settings)
    classes = place.fleet.classes()
    if output == "table":
        from llmjob.cli.tables import console, print_fleet  # noqa: PLC0415

        if classes:
            print_fleet(console(), classes)
        else:
            click.echo("no node offers a GPU", err=True)
    else:
        from llmjob.cli.records import class_record, render  # noqa: PLC0415

        click.echo(render([class_record(gpu_class) for gpu_class in classes], output))
    return ExitCode.FITS
