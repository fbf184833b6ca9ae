"""What `--gpu` names."""

import click

from llmjob.fleet.gpu_argument import parse
from llmjob.fleet.gpu_class import GPUClass


def class_of_argument(argument: str) -> GPUClass:
    """The class that a --gpu argument names: a class, a raw label value or a catalogue alias, with or without xN.

    Raises:
        click.UsageError: when the catalogue does not know it; the message names near ones.
    """
    try:
        return parse(argument)
    except ValueError as error:
        raise click.UsageError(f"--gpu {argument}: {error}") from error
