"""Fields that forms of quantization_config have in common: bits, groups of a scale, lists of modules."""

from collections.abc import Iterable
from fractions import Fraction
from typing import Final

from llmjob.estimator.config import Config, ConfigError
from llmjob.estimator.kept_modules import KeptModules, kept_modules
from llmjob.estimator.quantization import Exemption

PATH: Final = "quantization_config."
_LARGEST_GROUP: Final = 2**16
"""No matrix of any model has rows so long: a larger group is a slip."""
_MOST_EXEMPTIONS: Final = 128
"""Each is looked up for every module: as many keep a hostile config of 256 layers under a quarter of a second."""
EXPRESSION: Final = "re:"


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


def listed(config: Config, *names: str) -> KeptModules:
    """The modules that lists of these names leave at the model's dtype."""
    entries = (entry for name in names for entry in config.sequence(name) or ())
    return kept_modules(entry for entry in entries if isinstance(entry, str))


def exemptions(entries: Iterable[tuple[str, Fraction | None]]) -> tuple[Exemption, ...]:
    """Modules and the bytes of their elements, in the order in which they are looked up; equal neighbours are one."""
    runs: list[tuple[list[str], Fraction | None]] = []
    for entry, size in entries:
        if runs and runs[-1][1] == size:
            runs[-1][0].append(entry)
        else:
            runs.append(([entry], size))
    read = [Exemption(kept_modules(names), size) for names, size in runs[:_MOST_EXEMPTIONS]]
    # What is beyond the most that is looked up names nothing here, and any module may be what it means.
    read += [Exemption(KeptModules(unread=len(names)), size) for names, size in runs[_MOST_EXEMPTIONS:]]
    return tuple(read)
