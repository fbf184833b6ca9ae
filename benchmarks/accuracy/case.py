"""A measured row as a question."""

from collections.abc import Mapping
from typing import Protocol

from llmjob.estimator.gpu import GPU
from llmjob.estimator.model import Model
from llmjob.estimator.task import Task

Row = Mapping[str, str]


class Case(Protocol):
    """One question; `unreadable` says why there is no model: no config at hand (None), or one that cannot be read."""

    @property
    def model(self) -> Model | None: ...

    @property
    def task(self) -> Task: ...

    @property
    def gpu(self) -> GPU | None: ...

    @property
    def unreadable(self) -> str | None: ...
