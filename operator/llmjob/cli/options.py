"""Options that several commands share."""

from collections.abc import Callable
from typing import Any, Final, TypeVar

import click

from llmjob.cli.values import FILE

F = TypeVar("F", bound=Callable[..., Any])

OUTPUT: Final = click.option(
    "-o", "--output", type=click.Choice(["table", "json", "yaml"]), default="table", help="Output format."
)
SETTINGS: Final = click.option(
    "--settings", type=FILE, metavar="FILE|configmap:NAMESPACE/NAME", help="Where the operator's settings are."
)
KUBECONFIG: Final = click.option(
    "--kubeconfig", type=click.Path(exists=True, dir_okay=False), help="The cluster, instead of kubectl's."
)
CONTEXT: Final = click.option("--context", help="Context of the kubeconfig.")


def files(what: str) -> Callable[[F], F]:
    """`-f`, as kubectl has it."""
    return click.option(
        "-f", "--filename", "files", multiple=True, type=FILE, metavar="FILE|DIR|-", help=f"Manifests of {what}."
    )


def fleet(help_text: str) -> Callable[[F], F]:
    """`--fleet`: nodes or classes instead of a cluster."""
    return click.option("--fleet", type=FILE, metavar="FILE", help=help_text)
