"""Which model is meant: its config, else its id in the catalogue, else its stated count, else the count in its name."""

import re
from fractions import Fraction
from typing import Final

from llmjob.estimator.architecture import Architecture, ConfigError, read_architecture
from llmjob.estimator.config import UnsupportedError
from llmjob.estimator.model import Model, ModelSource
from llmjob.estimator.result import Unknown
from llmjob.models import catalogue
from llmjob.models.model_name import NameFacts, read_name
from llmjob.models.reference import ModelReference
from llmjob.names import Reason

# A Hugging Face repository id. What does not match is never looked up: no URL, no path, no parent directory.
_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}(?:/[A-Za-z0-9][A-Za-z0-9._-]{0,95})?")
_TOLERANCE: Final = Fraction(1, 20)


def resolve(reference: ModelReference) -> Model | Unknown:
    """The model of a reference: config > id found in the catalogue > parameters > the count in the id's last segment.

    dtype and quantization stay as the user spells them. Two sources whose counts differ by more than 5 % give a
    warning. Unknown names the field and the fix: ModelUnknown where nothing says what the model is, BadInput for an
    id that is none and for a config that contradicts itself.
    """
    wrong = _impossible(reference)
    if wrong is not None:
        return wrong
    facts = read_name(reference.id) if reference.id else NameFacts()
    if reference.config is not None:
        return _configured(reference, facts)
    catalogued = _catalogued(reference.id)
    if isinstance(catalogued, Architecture):
        warnings = _disagreements(reference, catalogued, "the catalogue")
        return _model(reference, ModelSource.CATALOGUE, catalogued, warnings)
    if reference.parameters is not None:
        return _counted(reference, facts)
    if reference.id is not None and facts.parameters is not None:
        return _named(reference, reference.id, facts)
    return _unknown(reference, catalogued)


def _impossible(reference: ModelReference) -> Unknown | None:
    """What no model can be."""
    field, message = "", ""
    if reference.id is not None and (not _ID.fullmatch(reference.id) or ".." in reference.id):
        field, message = "id", "an id is a name such as Qwen/Qwen2.5-7B-Instruct, never a URL or a path"
    elif reference.parameters and (reference.active_parameters or 0) > reference.parameters:
        field = "activeParameters"
        message = "a token activates no more parameters than the model has: state at most spec.model.parameters"
    return Unknown(reason=Reason.BAD_INPUT, field=f"spec.model.{field}", message=message) if field else None


def _catalogued(model_id: str | None) -> Architecture | ConfigError | None:
    """The architecture of a catalogued id; the error that says why where its family is not supported yet."""
    try:
        return catalogue.architecture_of(model_id) if model_id else None
    except ConfigError as error:
        return error


def _configured(reference: ModelReference, facts: NameFacts) -> Model | Unknown:
    try:
        architecture = read_architecture(reference.config or {})
    except ConfigError as error:
        reason = Reason.MODEL_UNKNOWN if isinstance(error, UnsupportedError) else Reason.BAD_INPUT
        return Unknown(reason=reason, field=f"spec.model.config.{error.field}", message=error.message)
    warnings = _disagreements(reference, architecture, "spec.model.config")
    published = _catalogued(reference.id)
    if isinstance(published, Architecture):
        warnings += _differ("spec.model.config", architecture.parameters, "the catalogue", published.parameters)
    elif reference.parameters is None and facts.parameters is not None:
        warnings += _differ("spec.model.config", architecture.parameters, "the name", facts.parameters)
    return _model(reference, ModelSource.CONFIG, architecture, warnings)


def _model(
    reference: ModelReference, source: ModelSource, architecture: Architecture, warnings: tuple[str, ...]
) -> Model:
    return Model(
        name=reference.id or architecture.family,
        source=source,
        architecture=architecture,
        parameters=architecture.parameters,
        active_parameters=architecture.active_parameters,
        dtype=reference.dtype,
        quantization=reference.quantization,
        revision=reference.revision,
        warnings=warnings,
    )


def _counted(reference: ModelReference, facts: NameFacts) -> Model:
    parameters = reference.parameters or 0
    warnings: tuple[str, ...] = ()
    if facts.parameters is not None:
        warnings = _differ("spec.model.parameters", parameters, "the name", facts.parameters)
    active = reference.active_parameters or facts.active_parameters
    return _without_architecture(reference, ModelSource.PARAMETERS, facts, parameters, active, warnings)


def _named(reference: ModelReference, model_id: str, facts: NameFacts) -> Model:
    parameters = facts.parameters or 0
    warning = (
        f"the parameter count {_count(parameters)} is read from the name {model_id} and decides no denial; state "
        "spec.model.parameters or spec.model.config"
    )
    active = reference.active_parameters or facts.active_parameters
    return _without_architecture(reference, ModelSource.NAME, facts, parameters, active, (warning,))


def _without_architecture(
    reference: ModelReference,
    source: ModelSource,
    facts: NameFacts,
    parameters: int,
    active: int | None,
    warnings: tuple[str, ...],
) -> Model:
    dtype, quantization = reference.dtype, reference.quantization
    if dtype is None and quantization is None:
        dtype, quantization = facts.dtype, facts.quantization
        if quantization is not None:
            warnings += (f"quantization {quantization} is read from the name; state spec.model.quantization",)
    return Model(
        name=reference.id or _count(parameters),
        source=source,
        parameters=parameters,
        active_parameters=min(active, parameters) if active else None,
        dtype=dtype,
        quantization=quantization,
        revision=reference.revision,
        warnings=warnings,
    )


def _disagreements(reference: ModelReference, architecture: Architecture, source: str) -> tuple[str, ...]:
    """Warnings where the stated counts are not the architecture's."""
    warnings: tuple[str, ...] = ()
    if reference.parameters is not None:
        warnings += _differ(source, architecture.parameters, "spec.model.parameters", reference.parameters)
    if reference.active_parameters is not None:
        warnings += _differ(
            source, architecture.active_parameters, "spec.model.activeParameters", reference.active_parameters
        )
    return warnings


def _differ(source: str, counted: int, other: str, said: int) -> tuple[str, ...]:
    if abs(counted - said) <= _TOLERANCE * counted:
        return ()
    return (f"{source} has {_count(counted)} parameters, {other} says {_count(said)}: {source} counts",)


def _count(parameters: int) -> str:
    return f"{parameters / 10**9:.4g}B" if parameters >= 10**9 else f"{parameters / 10**6:.4g}M"


def _unknown(reference: ModelReference, unsupported: ConfigError | None) -> Unknown:
    if unsupported is not None:
        return Unknown(reason=Reason.MODEL_UNKNOWN, field="spec.model.id", message=unsupported.message)
    if reference.id is None:
        message = "say which model: spec.model.config, spec.model.id or spec.model.parameters"
        return Unknown(reason=Reason.MODEL_UNKNOWN, field="spec.model", message=message)
    near = catalogue.nearest(reference.id)
    message = (
        f"{reference.id} is in no catalogue and its name holds no parameter count: state spec.model.parameters "
        f"(such as 7B) or spec.model.config{f'; did you mean {near}?' if near else ''}"
    )
    return Unknown(reason=Reason.MODEL_UNKNOWN, field="spec.model.id", message=message)
