"""Which model is asked for: an architecture, or no more than a parameter count."""

from dataclasses import dataclass
from enum import StrEnum

from llmjob.estimator.architecture import Architecture


class ModelSource(StrEnum):
    """Where a model's facts came from; a count read from the name denies nobody."""

    CONFIG = "Config"
    CATALOGUE = "Catalogue"
    PARAMETERS = "Parameters"
    NAME = "Name"


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A model as asked for. Either `architecture` or `parameters` is known; counts are whole parameters.

    `dtype` and `quantization` are what the user states (canonical), None where unstated: the architecture's own
    (its config's torch_dtype and quantization_config) then count, else 16 bit.
    """

    name: str
    source: ModelSource
    architecture: Architecture | None = None
    parameters: int | None = None
    active_parameters: int | None = None
    dtype: str | None = None
    quantization: str | None = None
    revision: str | None = None
    warnings: tuple[str, ...] = ()
