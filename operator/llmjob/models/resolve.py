"""Which model is meant: its config, else its id in the catalogue, else its stated count, else the count in its name."""

from collections.abc import Mapping

from llmjob.estimator.model import Model
from llmjob.estimator.result import Unknown
from llmjob.models.reference import ModelReference


def resolve(reference: ModelReference, known: Mapping[str, Mapping[str, object]] | None = None) -> Model | Unknown:
    """The model of a reference; Unknown (ModelUnknown) names the field and the fix."""
    raise NotImplementedError
