"""The bundled catalogue: published config.json files by model id, each with its source; one file a model.

Entries live in data/, named after the id in lower case with "--" for "/". Looking one up reads that file alone.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from typing import Final

from llmjob.data import read_text
from llmjob.estimator.architecture import Architecture, read_architecture

_DATA: Final = "data"
_SUFFIX: Final = ".json"
_SLASH: Final = "--"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A published model.

    `source` says where its config.json was published, `revision` which revision of the model that is (None where the
    source does not say). `parameters` is the published total that its count is checked against, with
    `parameters_source`; both None where no total is published ("unchecked"). A total that is published rounded has
    its unit in `rounded_to`.
    """

    id: str
    source: str
    config: Mapping[str, object]
    revision: str | None = None
    parameters: int | None = None
    parameters_source: str | None = None
    rounded_to: int = 1


def find(model_id: str) -> Entry | None:
    """The entry of an id, in any case; None where the catalogue lacks it."""
    stem = _file_stem(model_id)
    return _read(stem) if stem in _stems() else None


def architecture_of(model_id: str) -> Architecture | None:
    """The architecture of a catalogued id, read once; None where the catalogue lacks it.

    Raises:
        ConfigError: when the model's family is not supported yet.
    """
    stem = _file_stem(model_id)
    return _architecture(stem) if stem in _stems() else None


def ids() -> tuple[str, ...]:
    """Every id, sorted; reads every entry."""
    return tuple(sorted(_read(stem).id for stem in _stems()))


def nearest(model_id: str) -> str | None:
    """The catalogued id that looks most like an unknown one, for messages."""
    found = get_close_matches(_file_stem(model_id)[:128], sorted(_stems()), n=1, cutoff=0.8)
    return _read(found[0]).id if found else None


def _file_stem(model_id: str) -> str:
    return model_id.lower().replace("/", _SLASH)


@cache
def _stems() -> frozenset[str]:
    from importlib.resources import files  # noqa: PLC0415, slow to import, and needed where an id is looked up

    names = (path.name for path in files(__package__).joinpath(_DATA).iterdir())
    return frozenset(name.removesuffix(_SUFFIX) for name in names if name.endswith(_SUFFIX))


# Both caches hold entries of the catalogue alone: an id is a user's text and never a key.
@cache
def _architecture(stem: str) -> Architecture:
    return read_architecture(_read(stem).config)


@cache
def _read(stem: str) -> Entry:
    content = json.loads(read_text("llmjob.models", f"{_DATA}/{stem}{_SUFFIX}"))
    return Entry(
        id=content["id"],
        source=content["source"],
        config=content["config"],
        revision=content.get("revision"),
        parameters=content["parameters"] if isinstance(content["parameters"], int) else None,
        parameters_source=content.get("parametersSource"),
        rounded_to=content.get("parametersRoundedTo", 1),
    )
