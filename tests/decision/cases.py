"""Requests and fleets of the decision's tests.

The simple method gives a model of P billion parameters, in GB: weights 2 P, activations and KV cache 0.2 P each,
runtime 2; so lower 2 P, expected 2.4 P + 2, upper 2.8 P + 3. A T4's processes see 15.6 to 15.8 GB, an L4's 23.8.
"""

from typing import Any

from llmjob.estimator.model import Model, ModelSource
from llmjob.estimator.result import Unknown
from llmjob.estimator.task import Inference
from llmjob.fleet.fleet import Fleet
from llmjob.names import Reason
from llmjob.workloads.request import Request, UnknownRequest
from tests.fleet.nodes import gpu_node

FITS_T4, TIGHT_ON_T4, FITS_L4, FITS_NOTHING = 3, 7, 7, 70


def request(billions: int = FITS_T4, **more: Any) -> Request:
    model = Model(name=f"{billions}B", source=ModelSource.PARAMETERS, parameters=billions * 10**9)
    return Request(**{"name": "job", "namespace": "research", "model": model, "task": Inference(), **more})


def unknown_request(reason: Reason = Reason.MODEL_UNKNOWN, **more: Any) -> UnknownRequest:
    unknown = Unknown(reason=reason, field="spec.model.id", message="no such model: state parameters or config")
    return UnknownRequest(name="job", unknown=unknown, **more)


def t4(nodes: int = 1, count: int = 1, **more: Any) -> list[dict[str, Any]]:
    return [gpu_node(f"t4-{number}", "Tesla-T4", 15360, count, **more) for number in range(nodes)]


def l4(nodes: int = 1, count: int = 1, **more: Any) -> list[dict[str, Any]]:
    return [gpu_node(f"l4-{number}", "NVIDIA-L4", 23034, count, **more) for number in range(nodes)]


def unified() -> list[dict[str, Any]]:
    return [gpu_node("spark", "NVIDIA-GB10", None)]


def fleet(*nodes: list[dict[str, Any]]) -> Fleet:
    return Fleet.from_nodes(item for some in nodes for item in some)
