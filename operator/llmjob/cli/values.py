"""Option types that complete in the shell: files, GPUs, canonical names."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem


class FileOrStdin(click.ParamType[str]):
    """A file's or directory's path, or `-`; opened later, so that every error is told in one way."""

    name = "path"

    def shell_complete(self, _: click.Context, __: click.Parameter, incomplete: str) -> "list[CompletionItem]":
        from click.shell_completion import CompletionItem  # noqa: PLC0415, only while completing

        return [CompletionItem(incomplete, type="file")]


class Canonical(click.ParamType[str]):
    """A name of the vocabulary; any spelling is taken, the canonical ones are completed."""

    def __init__(self, kind: str) -> None:
        self.name = kind

    def shell_complete(self, _: click.Context, __: click.Parameter, incomplete: str) -> "list[CompletionItem]":
        from llmjob.estimator.vocabulary import names  # noqa: PLC0415, only while completing

        return _starting(names(self.name), incomplete)


class CardName(click.ParamType[str]):
    """A GPU of the product table, by alias, class or label."""

    name = "gpu"

    def shell_complete(self, _: click.Context, __: click.Parameter, incomplete: str) -> "list[CompletionItem]":
        from llmjob.fleet.products import names  # noqa: PLC0415, only while completing

        return _starting(sorted(set(names())), incomplete)


class ModelId(click.ParamType[str]):
    """A model's id; those of the catalogue are completed."""

    name = "id"

    def shell_complete(self, _: click.Context, __: click.Parameter, incomplete: str) -> "list[CompletionItem]":
        from llmjob.models.catalogue import ids  # noqa: PLC0415, only while completing

        return _starting(ids(), incomplete)


class Duration(click.ParamType[float]):
    """A duration as Go writes it, in seconds, between two that are written so."""

    name = "duration"

    def __init__(self, shortest: str, longest: str) -> None:
        self._shortest, self._longest = shortest, longest

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> float:
        from llmjob.durations import seconds  # noqa: PLC0415, only where one is given

        try:
            found = seconds(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)
        if not seconds(self._shortest) <= found <= seconds(self._longest):
            self.fail(f"{value}: give {self._shortest} to {self._longest}", param, ctx)
        return found


FILE: Final = FileOrStdin()


def _starting(names: Iterable[str], incomplete: str) -> "list[CompletionItem]":
    from click.shell_completion import CompletionItem  # noqa: PLC0415, only while completing

    return [CompletionItem(name) for name in names if name.casefold().startswith(incomplete.casefold())]
