"""The families of models that can be read: one table a model_type, kept as data in families.toml."""

import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from functools import cache
from typing import Any

from llmjob.data import read_text
from llmjob.estimator.config import Config, ConfigError, UnsupportedError, shown


class Family:
    """One entry of families.toml: what its configs leave unsaid and how its layers are built."""

    def __init__(self, name: str, entry: Mapping[str, Any]) -> None:
        self.name = name
        self._entry = entry

    @property
    def nested(self) -> str | None:
        """The family of its text_config, for multimodal models."""
        nested: str | None = self._entry.get("nested")
        return nested

    def config(self, values: Mapping[str, object], path: str = "") -> Config:
        """The file's values read by this family's names and defaults."""
        return Config(values, names=self._entry.get("names"), defaults=self._entry.get("defaults"), path=path)

    def word(self, key: str, default: str) -> str:
        """A rule that is a word."""
        return str(self._entry.get(key, default))

    def number(self, key: str, default: int = 0) -> int:
        """A rule that is a number."""
        return int(self._entry.get(key, default))

    def states(self, key: str) -> bool:
        """Whether the entry has the rule at all."""
        return key in self._entry

    def holds(self, key: str, config: Config, *, default: bool = False) -> bool:
        """A rule that is true, false, or the config key that says so."""
        rule = self._entry.get(key, default)
        return config.flag(rule) if isinstance(rule, str) else bool(rule)

    def kind(self, key: str, config: Config) -> str | None:
        """A rule that is a word, or a word that holds where a config key is true."""
        rule = self._entry.get(key)
        if isinstance(rule, Mapping):
            return str(rule["kind"]) if config.flag(str(rule["key"])) else None
        return str(rule) if rule else None

    def times(self, key: str, config: Config) -> int | None:
        """A rule that is a factor, or the config key that holds it."""
        rule = self._entry.get(key)
        return config.count(rule) if isinstance(rule, str) else rule


def family_of(config: Mapping[str, object], path: str = "") -> Family:
    """The family that the config's model_type names.

    Raises:
        ConfigError: when model_type is no string.
        UnsupportedError: when model_type is missing, no family has it (the message names the nearest) or none reads it.
    """
    name = config.get("model_type")
    if name is not None and not isinstance(name, str):
        raise ConfigError(f"{path}model_type", f"must be a string, not {shown(name)}")
    if not name:
        raise UnsupportedError(f"{path}model_type", "is missing; a published config.json names its model_type")
    if name not in _table():
        nearest = get_close_matches(name.casefold(), _table(), n=1, cutoff=0.0)
        known = f"the nearest known one is {nearest[0]}" if nearest else "state parameters instead"
        raise UnsupportedError(f"{path}model_type", f"{shown(name)} is not known; {known}")
    why = _table()[name].get("unsupported")
    if why:
        raise UnsupportedError(f"{path}model_type", f"{name} is not supported: {why}; state parameters instead")
    return named(name)


@cache
def named(name: str) -> Family:
    """A family by its name in families.toml, with what it takes over `from` another."""
    return Family(name, _entry(name))


def _entry(name: str) -> dict[str, Any]:
    entry = dict(_table()[name])
    if "from" not in entry:
        return entry
    base = _entry(entry.pop("from"))
    for key in ("names", "defaults"):
        entry[key] = {**base.get(key, {}), **entry.get(key, {})}
    return {**base, **entry}


@cache
def _table() -> dict[str, dict[str, Any]]:
    text = read_text("llmjob.estimator", "families.toml")
    return tomllib.loads(text)
