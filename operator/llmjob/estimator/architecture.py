"""A model's architecture: the facts that decide its memory, read from a Hugging Face config as published."""

from collections.abc import Mapping
from dataclasses import dataclass


class ConfigError(ValueError):
    """A config.json that cannot be read: `field` is the key, the message names the fix."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field
        self.message = message


@dataclass(frozen=True, slots=True, kw_only=True)
class Architecture:
    """(placeholder; the architecture's owner fills in layers, attention, experts and embeddings)."""

    family: str
    parameters: int
    active_parameters: int


def read_architecture(config: Mapping[str, object]) -> Architecture:
    """Read a config.json mapping.

    Raises:
        ConfigError: when a field is missing, contradictory or of the wrong type.
    """
    raise ConfigError("model_type", "not read yet")
