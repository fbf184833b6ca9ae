"""What all models of the API share: strict types as the API server's, camelCase names, rules in CEL and in Python."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Final, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

BROKEN_RULES: Final = "broken_rules"


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule over several fields, said twice: in CEL for the API server and in Python for every other reader.

    `fields` are the paths it blames, in camelCase and relative to the object.
    """

    cel: str
    holds: Callable[[Any], bool]
    message: str
    fields: tuple[str, ...]


class ApiModel(BaseModel):
    """An object of the API: known fields are checked strictly, unknown ones are found by the reader."""

    model_config = ConfigDict(
        strict=True, extra="ignore", frozen=True, alias_generator=to_camel, validate_by_name=True, defer_build=True
    )
    rules: ClassVar[tuple[Rule, ...]] = ()


class RuledModel(ApiModel):
    """An object with rules that hold between its fields; all that are broken are reported together."""

    @model_validator(mode="after")
    def _hold_rules(self) -> Self:
        broken = [rule for rule in self.rules if not rule.holds(self)]
        if broken:
            message = "; ".join(rule.message for rule in broken)
            raise PydanticCustomError(BROKEN_RULES, "{message}", {"message": message, "rules": broken})
        return self


def _whole(value: Any) -> Any:  # noqa: ANN401
    """8192.0 is the integer 8192 for the API server, and "8192" is none."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**63:
        return int(value)
    return value


# The last of an integer's annotations, so that its bounds stand in the schema.
WHOLE: Final = BeforeValidator(_whole)
Word = Annotated[str, Field(min_length=1, max_length=63)]


def stated(description: str, default: Any = None) -> Any:  # noqa: ANN401, as pydantic's Field
    """A field that a user may state; unset it is None unless a schema default is given."""
    return Field(default=default, description=description)
