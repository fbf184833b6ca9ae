"""`llmjob webhook`: the process that answers the API server's admission reviews."""

from typing import Any

import click

from llmjob.cli.processes import process_options


@click.command()
@process_options
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8443, show_default=True, help="Port of the webhook (TLS)."
)
@click.option(
    "--tls-cert", type=click.Path(dir_okay=False), required=True, help="Certificate, reloaded when it changes."
)
@click.option("--tls-key", type=click.Path(dir_okay=False), required=True, help="Its private key.")
def command(**options: Any) -> None:  # noqa: ANN401
    """Run the admission webhook: stateless, writes nothing, ready once it has seen all nodes and jobs."""
    from llmjob.runtime.processes import run_webhook  # noqa: PLC0415, kopf is slow to import

    run_webhook(**options)
