"""`llmjob fleet`: the GPU classes there are."""

import click

from llmjob.cli.exit_codes import ExitCode
from llmjob.cli.inventory import inventory


@click.command()
@click.option(
    "--fleet", "file", metavar="FILE", help="Nodes (kubectl get nodes -o yaml) or classes, instead of a cluster."
)
@click.option("--kubeconfig", type=click.Path(exists=True, dir_okay=False), help="Cluster to read.")
@click.option("--context", help="Context of the kubeconfig.")
@click.option(
    "--settings", metavar="FILE|configmap:NAMESPACE/NAME", help="The operator's settings, for declared pools."
)
@click.option("-o", "--output", type=click.Choice(["table", "json", "yaml"]), default="table", help="Output format.")
def command(file: str | None, kubeconfig: str | None, context: str | None, settings: str | None, output: str) -> int:
    """List the GPU classes of the current cluster or of a fleet file, with their memory and where it was read."""
    place = inventory((), file, kubeconfig=kubeconfig, context=context, settings=settings)
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
