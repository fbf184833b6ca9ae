"""What `-f` reads: files, directories and standard input, document by document."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import click

from llmjob.api.documents import read_each
from llmjob.api.errors import BadInput, FieldError

_SUFFIXES: Final = (".yaml", ".yml", ".json")
_LARGEST: Final = 32 * 2**20


@dataclass(frozen=True, slots=True)
class Document:
    """One document: where it stands, and its content or why it could not be read."""

    where: str
    content: object = None
    error: BadInput | None = None


def read_files(paths: Sequence[str]) -> Iterator[Document]:
    """Every object of the files in order, Lists opened; directories in the order of their files' names.

    `-` is standard input.

    Raises:
        click.UsageError: when a path does not exist or cannot be read.
    """
    for path in paths:
        for name, content in _contents(path):
            yield from _documents(name, content)


def _contents(path: str) -> Iterator[tuple[str, bytes]]:
    if path == "-":
        yield "standard input", sys.stdin.buffer.read(_LARGEST + 1)
        return
    place = Path(path)
    if place.is_dir():
        files = sorted(file for file in place.rglob("*") if file.suffix in _SUFFIXES and file.is_file())
        if not files:
            raise click.UsageError(f"no .yaml, .yml or .json file in {path}")
    else:
        files = [place]
    for file in files:
        yield str(file), _content(str(file))


def read_text(path: str) -> str:
    """A file's text.

    Raises:
        BadInput: when it is no UTF-8.
        click.UsageError: when it cannot be opened or is too large.
    """
    return _decoded(path, _content(path))


def _content(path: str) -> bytes:
    try:
        with Path(path).open("rb") as stream:
            return stream.read(_LARGEST + 1)
    except OSError as error:
        raise click.UsageError(f"cannot read {path}: {error.strerror}") from error


def _decoded(name: str, content: bytes) -> str:
    if len(content) > _LARGEST:
        raise click.UsageError(f"{name} is larger than {_LARGEST // 2**20} MiB")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        message = f"not UTF-8 text (byte {error.start}); save it as UTF-8"
        raise BadInput((FieldError("", message),)) from error


def read_file(path: str) -> list[object]:
    """Every document of one file as it stands.

    Raises:
        BadInput: when one cannot be read.
        click.UsageError: when the file cannot be opened.
    """
    contents = [document for name, content in _contents(path) for document in read_each(_decoded(name, content))]
    for content in contents:
        if isinstance(content, BadInput):
            raise content
    return contents


def _documents(name: str, encoded: bytes) -> Iterator[Document]:
    try:
        text = _decoded(name, encoded)
    except BadInput as error:
        yield Document(name, error=error)
        return
    for content in read_each(text):
        if isinstance(content, BadInput):
            yield Document(name, error=content)
        else:
            yield from (Document(name, item) for item in _items(content))


def _items(content: object) -> list[object]:
    """The items of a List, as `kubectl get -o yaml` prints one; any other document is itself."""
    if isinstance(content, Mapping):
        items = content.get("items")
        if str(content.get("kind", "")).endswith("List") and isinstance(items, list):
            return items
    return [] if content is None else [content]
