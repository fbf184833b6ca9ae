"""What a user says of a model: an id, counts, a config, how the weights are stored."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelReference:
    """A model as written in `spec.model`, nothing resolved and no name canonical yet.

    Counts are whole parameters; `config` is a Hugging Face config.json as published.
    """

    id: str | None = None
    revision: str | None = None
    parameters: int | None = None
    active_parameters: int | None = None
    config: Mapping[str, object] | None = None
    dtype: str | None = None
    quantization: str | None = None
