"""Errors in what people write: where, what is wrong, and the fix."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FieldError:
    """One error: the field's path ("spec.inference.maxModelLen", empty for the whole document) and a message."""

    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path else self.message


class BadInput(ValueError):
    """A document that cannot be read, with every error found in it."""

    def __init__(self, errors: tuple[FieldError, ...]) -> None:
        super().__init__("; ".join(str(error) for error in errors))
        self.errors = errors
