"""The flags that controller and webhook share."""

from collections.abc import Callable
from typing import Any, Final

import click

from llmjob.cli import options

_OPTIONS: Final = (
    click.option("--kubeconfig", type=click.Path(exists=True, dir_okay=False), envvar="KUBECONFIG",
                 help="Kubeconfig; without it the pod's own service account."),
    options.SETTINGS,
    click.option("--metrics-port", type=click.IntRange(0, 65535), default=9090, show_default=True,
                 help="Port of /metrics, /livez and /readyz (plain HTTP); 0 picks a free one."),
    click.option("--host", default="0.0.0.0", show_default=True, help="Address to listen on."),  # noqa: S104
    click.option("--log-format", type=click.Choice(["json", "text"]), default="json", show_default=True,
                 help="Log lines for machines or for people."),
)  # fmt: skip


def process_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the shared flags to a command."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function
