"""Reading a config.json: typed fields by name, and one error that names the field and what would do."""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from math import isfinite
from typing import Final, TypeVar

LARGEST: Final = 2**31
"""No width, count or length of a model comes near it; what exceeds it is a slip, not a model."""
_MOST: Final[Mapping[str, int]] = {
    "hidden_size": 2**20,
    "intermediate_size": 2**24,
    "moe_intermediate_size": 2**24,
    "vocab_size": 2**24,
    "num_attention_heads": 2**16,
    "num_key_value_heads": 2**16,
    "head_dim": 2**16,
    "num_experts": 2**16,
}
"""More than sixteen times what any model has that is read."""
_LARGEST_SCALE: Final = 10**6
_LONGEST: Final = 16384
"""Entries of a list, letters of a string: no published config has a quarter of it."""
_SHOWN: Final = 60
_Listed = TypeVar("_Listed", str, Sequence[object])


class ConfigError(ValueError):
    """A config.json that cannot be read: `field` is the key, the message names the fix."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field
        self.message = message


class UnsupportedError(ConfigError):
    """A config that is not wrong: it says something that is not known here, and the model with it."""


class Config:
    """A config.json's fields under Transformers' usual names.

    `names` are the names this family publishes them under; `defaults` its class's values for absent keys; `path` where
    this mapping lies in the file (`text_config.`).
    """

    def __init__(
        self,
        values: Mapping[str, object],
        *,
        names: Mapping[str, Sequence[str]] | None = None,
        defaults: Mapping[str, object] | None = None,
        path: str = "",
    ) -> None:
        self._values = values
        self._names = names or {}
        self._defaults = defaults or {}
        self._path = path

    def field(self, name: str) -> str:
        """The key as it stands in the file, for messages."""
        return self._path + next((key for key in self._keys(name) if key in self._values), self._keys(name)[0])

    def get(self, name: str) -> object:
        """The value as published (a null too), else the class default, else None."""
        for key in self._keys(name):
            if key in self._values:
                return self._values[key]
        return next((self._defaults[key] for key in (name, *self._keys(name)) if key in self._defaults), None)

    def states(self, name: str) -> bool:
        """Whether the file itself has a value, whatever the class default."""
        return any(self._values.get(key) is not None for key in self._keys(name))

    def has(self, name: str) -> bool:
        """Whether the file has the key, if only with a null."""
        return any(key in self._values for key in self._keys(name))

    def missing(self, name: str) -> ConfigError:
        """The error for a field that must be there."""
        return ConfigError(self.field(name), "is missing; add it as the model's config.json has it")

    def count(self, name: str, default: int | None = None, *, least: int = 1, most: int | None = None) -> int:
        """A whole number from `least` up, to `most` or what no model exceeds.

        Raises:
            ConfigError: when it is absent without a default, no whole number, or out of range.
        """
        value = self.get(name)
        if value is None:
            if default is None:
                raise self.missing(name)
            return default
        if isinstance(value, float) and value.is_integer() and abs(value) < LARGEST:
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int):
            raise ConfigError(self.field(name), f"must be a whole number, not {shown(value)}")
        most = most or _MOST.get(name, LARGEST - 1)
        if not least <= value <= most:
            raise ConfigError(self.field(name), f"must be from {least} to {most}, not {shown(value)}")
        return value

    def optional_count(self, name: str, *, least: int = 1) -> int | None:
        """A whole number, None where absent or null."""
        return None if self.get(name) is None else self.count(name, least=least)

    def flag(self, name: str, *, default: bool = False) -> bool:
        """True or false.

        Raises:
            ConfigError: when it is something else.
        """
        value = self.get(name)
        if value is None:
            return default
        if not isinstance(value, bool):
            raise ConfigError(self.field(name), f"must be true or false, not {shown(value)}")
        return value

    def ratio(self, name: str) -> Fraction | None:
        """A number from 0 to 1, None where absent.

        Raises:
            ConfigError: when it is something else.
        """
        value = self._number(name)
        if value is not None and not 0 <= value <= 1:
            raise ConfigError(self.field(name), f"must be from 0 to 1, not {shown(self.get(name))}")
        return value

    def scale(self, name: str, default: Fraction | None = None) -> Fraction:
        """A number from 0 up to a million, such as a rotary scaling factor.

        Raises:
            ConfigError: when it is something else.
        """
        value = self._number(name)
        if value is not None and not 0 < value <= _LARGEST_SCALE:
            raise ConfigError(self.field(name), f"must be above 0 and at most {_LARGEST_SCALE}")
        if value is None and default is None:
            raise self.missing(name)
        return value or default or Fraction(1)

    def _number(self, name: str) -> Fraction | None:
        value = self.get(name)
        if value is None:
            return None
        if isinstance(value, bool) or not (isinstance(value, int) or (isinstance(value, float) and isfinite(value))):
            raise ConfigError(self.field(name), f"must be a number, not {shown(value)}")
        return Fraction(value)

    def text(self, name: str, default: str | None = None) -> str | None:
        """A string.

        Raises:
            ConfigError: when it is something else, or too long.
        """
        value = self.get(name)
        if value is None:
            return default
        if not isinstance(value, str):
            raise ConfigError(self.field(name), f"must be a string, not {shown(value)}")
        return self._short(name, value)

    def mapping(self, name: str) -> Mapping[str, object] | None:
        """A nested object, None where absent.

        Raises:
            ConfigError: when it is something else.
        """
        value = self.get(name)
        if value is not None and not isinstance(value, Mapping):
            raise ConfigError(self.field(name), f"must be an object, not {shown(value)}")
        return value

    def sequence(self, name: str) -> Sequence[object] | None:
        """A list, None where absent.

        Raises:
            ConfigError: when it is something else, or too long.
        """
        value = self.get(name)
        if value is not None and not isinstance(value, list | tuple):
            raise ConfigError(self.field(name), f"must be a list, not {shown(value)}")
        return value if value is None else self._short(name, value)

    def _short(self, name: str, value: _Listed) -> _Listed:
        """The same, unless it is too long to be looked at."""
        if len(value) > _LONGEST:
            raise ConfigError(self.field(name), f"must have at most {_LONGEST} entries, not {len(value)}")
        return value

    def _keys(self, name: str) -> Sequence[str]:
        return self._names.get(name, (name,))


def shown(value: object) -> str:
    """A value for a message, never longer than a line."""
    if isinstance(value, Mapping | list | tuple) and len(value) > _SHOWN:
        return f"{'an object' if isinstance(value, Mapping) else 'a list'} of {len(value)}"
    if isinstance(value, str):
        value = value[:_SHOWN]
    text = repr(value) if not isinstance(value, int) or abs(value) < 10**_SHOWN else "a number of more than 60 digits"
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
