"""What `check` and `fleet` judge against: named GPUs, a fleet file, or the current cluster."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from llmjob.cli.exit_codes import ExitCode
from llmjob.cli.gpus import class_of_argument
from llmjob.fleet.fleet import Fleet

if TYPE_CHECKING:
    from llmjob.api.llmjob import LLMJob


@dataclass(frozen=True, slots=True)
class Inventory:
    """The fleet, whether it is known to be complete, and where a pod's job is looked up besides the input."""

    fleet: Fleet
    complete: bool
    find_job: "Callable[[str | None, str], LLMJob | None] | None" = None


class ClusterUnreachable(click.ClickException):
    """No answer from the API server."""

    exit_code = ExitCode.CLUSTER_UNREACHABLE


def inventory(
    gpus: tuple[str, ...],
    fleet_file: str | None,
    *,
    kubeconfig: str | None = None,
    context: str | None = None,
    settings: str | None = None,
) -> Inventory:
    """Named GPUs and fleet files count as complete; of a cluster its settings say so.

    Raises:
        click.UsageError: for an unknown GPU or an unreadable fleet file.
        ClusterUnreachable: when there is no cluster to ask.
    """
    if gpus:
        return Inventory(Fleet.of_classes(class_of_argument(gpu) for gpu in gpus), complete=True)
    if fleet_file is not None:
        return Inventory(_read_fleet(fleet_file), complete=True)
    return _of_cluster(kubeconfig, context, settings)


def _read_fleet(path: str) -> Fleet:
    from llmjob.cli.files import read_files  # noqa: PLC0415, YAML is not needed for --gpu
    from llmjob.fleet.declared import read_fleet  # noqa: PLC0415

    documents = list(read_files([path]))
    for document in documents:
        if document.error is not None:
            first = document.error.errors[0]
            raise click.UsageError(f"--fleet {path}: {first.message}")
    try:
        return read_fleet([document.content for document in documents])
    except ValueError as error:
        raise click.UsageError(f"--fleet {path}: {error}") from error


def _of_cluster(kubeconfig: str | None, context: str | None, settings: str | None) -> Inventory:
    from llmjob.runtime.snapshot import Unreachable, take_snapshot  # noqa: PLC0415, the client is slow to import

    try:
        snapshot = take_snapshot(kubeconfig, context, settings)
    except Unreachable as error:
        hint = "give --gpu or --fleet to judge without a cluster"
        raise ClusterUnreachable(f"{error}; {hint}") from error
    for warning in snapshot.warnings:
        click.echo(f"warning: {warning}", err=True)
    return Inventory(snapshot.fleet, snapshot.complete, snapshot.find_job)
