"""`llmjob crd`: the CustomResourceDefinition, for `kubectl apply`."""

import click


@click.command()
def command() -> None:
    """Print the CustomResourceDefinition of LLMJob.

    \b
    llmjob crd | kubectl apply --server-side -f -
    """
    from llmjob.api.crd import crd_yaml  # noqa: PLC0415, pydantic is slow to import

    click.echo(crd_yaml(), nl=False)
