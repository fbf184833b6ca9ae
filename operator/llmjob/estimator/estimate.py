"""estimate(): the one entry to the estimator."""

from llmjob.estimator.gpu import GPU
from llmjob.estimator.model import Model
from llmjob.estimator.result import Estimate, Unknown
from llmjob.estimator.task import Task


def estimate(model: Model, task: Task, gpu: GPU | None = None) -> Estimate | Unknown:
    """Estimate the GPU memory of the worst rank; pure.

    Without a GPU none is assumed: terms that depend on it are ranges. A name the estimator does not know gives
    Unknown with the field that holds it, never a guess.
    """
    raise NotImplementedError
