"""Fields that forms of quantization_config have in common: bits, groups of a scale, lists of modules."""

from typing import Final

from llmjob.estimator.config import Config, ConfigError
from llmjob.estimator.module_rules import Size

PATH: Final = "quantization_config."
_LARGEST_GROUP: Final = 2**16
"""No matrix of any model has rows so long: a larger group is a slip."""


def grouped(config: Config, name: str, default: int | None = None) -> int | None:
    """Elements that share a scale: as stated, -1 for a whole row (None); where nothing is stated the default.

    Raises:
        ConfigError: when it is no such number.
    """
    if not config.states(name):
        return default
    size = config.count(name, least=-1, most=_LARGEST_GROUP)
    if size == 0:
        raise ConfigError(config.field(name), "must be above 0, or -1 for one group a row")
    return size if size > 0 else None


def bits_of(config: Config, name: str, default: int | None = None, *, least: int = 1, most: int = 8) -> int:
    """Bits of an element.

    Raises:
        ConfigError: when they are missing without a default, or none that the method has.
    """
    return config.count(name, default, least=least, most=most)


def listed(config: Config, *names: str) -> list[tuple[str, Size]]:
    """The modules that lists of these names leave at the model's dtype."""
    entries = (entry for name in names for entry in config.sequence(name) or ())
    return [(entry, None) for entry in entries if isinstance(entry, str)]
