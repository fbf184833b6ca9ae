"""A document or flag that could not be read."""

from dataclasses import dataclass

from llmjob.estimator.result import Unknown
from llmjob.names import Reason


@dataclass(frozen=True, slots=True)
class Bad:
    """Whose document it is as far as that can be told, and every error in it (at least one)."""

    namespace: str | None
    name: str | None
    errors: tuple[Unknown, ...]

    @property
    def unknown(self) -> Unknown:
        """All errors as one: the first one's field, and every message."""
        first, *others = self.errors
        rest = "".join(f"; {error.field}: {error.message}" for error in others)
        return Unknown(reason=first.reason, field=first.field, message=first.message + rest)


def bad_input(field: str, message: str, name: str | None = None, namespace: str | None = None) -> Bad:
    """One error."""
    return Bad(namespace, name, (Unknown(reason=Reason.BAD_INPUT, field=field, message=message),))
