"""What the estimator must know of a GPU class."""

from dataclasses import dataclass

from llmjob.estimator.interval import Range


@dataclass(frozen=True, slots=True, kw_only=True)
class GPU:
    """One GPU (or slice) of a class; memory in bytes as processes see it (reported less the driver's reserve)."""

    name: str
    vendor: str
    usable: Range
    product: str | None = None
