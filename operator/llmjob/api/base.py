"""What all models of the API share: strict types as the API server's, camelCase names, rules in CEL and in Python."""

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError


@dataclass(frozen=True, slots=True)
class Rule:
    """A CEL rule of the CRD; `fields` are the paths (camelCase, relative to the object) that it blames."""

    cel: str
    message: str
    fields: tuple[str, ...] = ()


class ApiModel(BaseModel):
    """An object of the API: known fields are checked strictly, unknown ones are found by the reader."""

    model_config = ConfigDict(
        strict=True, extra="ignore", frozen=True, alias_generator=to_camel, validate_by_name=True, defer_build=True
    )
    rules: ClassVar[tuple[Rule, ...]] = ()


def broken(rule: Rule) -> PydanticCustomError:
    """The error of a rule that does not hold, as the API server words it."""
    return PydanticCustomError("rule", "{message}", {"message": rule.message, "fields": list(rule.fields)})


def _whole(value: Any) -> Any:  # noqa: ANN401
    """8192.0 is the integer 8192 for the API server, and "8192" is none."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**63:
        return int(value)
    return value


Integer = Annotated[int, BeforeValidator(_whole)]
Word = Annotated[str, Field(min_length=1, max_length=63)]


def stated(description: str, default: Any = None) -> Any:  # noqa: ANN401, as pydantic's Field
    """A field that a user may state; unset it is None unless a schema default is given."""
    return Field(default=default, description=description)
