"""What `check` and `fleet` judge against: named GPUs, a fleet file, or the current cluster."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import click

from llmjob.cli.exit_codes import ExitCode
from llmjob.cli.gpus import class_of_argument
from llmjob.decision.policy import Policy
from llmjob.fleet.fleet import Fleet

if TYPE_CHECKING:
    from llmjob.api.llmjob import LLMJob

_COMPLETE: Final = Policy(inventory_complete=True)


@dataclass(frozen=True, slots=True)
class Inventory:
    """The fleet, the policy to judge by, and where a pod's job is looked up besides the input."""

    fleet: Fleet
    policy: Policy
    find_job: "Callable[[str | None, str], LLMJob | None] | None" = None


class BadContent(click.ClickException):
    """A file that was given and cannot be read as what it should be."""

    exit_code = ExitCode.BAD_INPUT


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
        click.UsageError: for an unknown GPU, a fleet file that cannot be opened, or settings without a cluster.
        BadContent: for a fleet file that holds no fleet.
        ClusterUnreachable: when there is no cluster to ask.
    """
    if settings and (gpus or fleet_file):
        raise click.UsageError("--settings are those of a cluster; leave out --gpu and --fleet, or --settings")
    if gpus:
        return Inventory(Fleet.of_classes(class_of_argument(gpu) for gpu in gpus), _COMPLETE)
    if fleet_file is not None:
        return Inventory(_read_fleet(fleet_file), _COMPLETE)
    return _of_cluster(kubeconfig, context, settings)


def _read_fleet(path: str) -> Fleet:
    from llmjob.cli.files import read_file  # noqa: PLC0415, YAML is not needed for --gpu
    from llmjob.fleet.declared import read_fleet, unlikely_memory  # noqa: PLC0415

    try:
        documents = read_file(path)
        if not documents:
            raise BadContent(f"--fleet {path} is empty: did what should have written it fail?")
        fleet = read_fleet(documents)
    except ValueError as error:
        raise BadContent(f"--fleet {path}: {error}") from error
    for warning in unlikely_memory(fleet.classes()):
        click.echo(f"warning: --fleet {path}: {warning}", err=True)
    return fleet


def _of_cluster(kubeconfig: str | None, context: str | None, settings: str | None) -> Inventory:
    from llmjob.runtime.settings import SettingsError  # noqa: PLC0415, the client is slow to import
    from llmjob.runtime.snapshot import Unreachable, take_snapshot  # noqa: PLC0415

    try:
        snapshot = take_snapshot(kubeconfig, context, settings)
    except Unreachable as error:
        hint = "give --gpu or --fleet to judge without a cluster"
        raise ClusterUnreachable(f"{error}; {hint}") from error
    except SettingsError as error:
        raise BadContent(f"--settings {settings}: {error}") from error
    for warning in snapshot.warnings:
        click.echo(f"warning: {warning}", err=True)
    return Inventory(snapshot.fleet, snapshot.settings.policy(), snapshot.find_job)
