"""Degrees of parallelism against the model and the task: which cannot be, and which count for nothing."""

from llmjob.estimator.architecture import Architecture
from llmjob.estimator.block import Attention
from llmjob.estimator.model import Model
from llmjob.estimator.result import Unknown
from llmjob.estimator.task import FineTuning, Inference, Task
from llmjob.names import Reason

_PATH = "spec.parallelism."


def impossible(architecture: Architecture | None, task: Task) -> Unknown | None:
    """A degree that the model cannot be split by, or that contradicts another one."""
    degrees = task.parallelism
    if isinstance(task, Inference) and degrees.tensor % degrees.decode_context:
        # decode_context_parallel_size of vLLM: "tp_size must be divisible by dcp_size. DCP does not increase
        # world_size; it reuses TP GPUs."
        return _bad(
            "decodeContext",
            f"decode context parallel {degrees.decode_context} reuses the tensor-parallel GPUs and does not divide "
            f"tensor parallel {degrees.tensor}; {_divisors(degrees.tensor)} would",
        )
    wrong = None if architecture is None else _of_model(architecture, task) or _spare_copies(architecture, task)
    return wrong or _beyond_ranks(task)


def _beyond_ranks(task: Task) -> Unknown | None:
    """More ranks for the experts than tensor and data parallelism have, with those of context parallelism."""
    degrees = task.parallelism
    ranks = degrees.tensor * degrees.data * degrees.context
    if degrees.expert <= ranks:
        return None
    return _bad(
        "expert",
        f"expert parallel {degrees.expert} spreads experts over the ranks of tensor and data parallelism, and"
        f" {_PATH}tensor {degrees.tensor} x {_PATH}data {degrees.data} are {ranks}: state expert {ranks} at most,"
        f" or {_PATH}data {-(-degrees.expert * degrees.data // ranks)}",
    )


def _of_model(architecture: Architecture, task: Task) -> Unknown | None:
    tensor, pipeline, expert = task.parallelism.tensor, task.parallelism.pipeline, task.parallelism.expert
    heads = sorted({run.block.mixer.heads for run in architecture.layers if run.block.mixer is not None})
    for count in heads:
        if count % tensor:
            return _bad(
                "tensor",
                f"the model has {count} attention heads, which tensor parallel {tensor} does not divide;"
                f" {_divisors(count)} would",
            )
    if pipeline > architecture.num_layers:
        return _bad(
            "pipeline", f"the model has {architecture.num_layers} layers, fewer than {pipeline} pipeline stages"
        )
    experts = _experts(architecture)
    if experts and expert > experts:
        return _bad("expert", f"the model has {experts} experts, fewer than expert parallel {expert}")
    return None


def _spare_copies(architecture: Architecture, task: Task) -> Unknown | None:
    """A decode context that vLLM refuses: it splits the tokens among the ranks that hold copies of one KV head.

    Source: verify_with_parallel_config of vllm/config/model.py ("tensor parallel size must be greater than total num kv
    heads", "must less than or equal to (tensor parallel size // total num kv heads)", "q per kv attn heads must be
    divisible by dcp world size"); with MLA every rank holds one, and any divisor will do.
    """
    tensor, degree = task.parallelism.tensor, task.parallelism.decode_context
    if not counts_decode_context(task):
        return None
    mixers = [run.block.mixer for run in architecture.layers]
    shapes = {(mixer.kv_heads, mixer.heads) for mixer in mixers if isinstance(mixer, Attention) and not mixer.shared_kv}
    for kv_heads, heads in sorted(shapes, reverse=True):
        copies = tensor // kv_heads
        if degree > max(1, copies):
            fix = f"{copies} at most" if copies > 1 else "1"
            return _bad(
                "decodeContext",
                f"decode context parallel {degree} splits the spare copies of KV heads: of the model's {kv_heads},"
                f" tensor parallel {tensor} holds {max(1, copies)} of each; state {fix},"
                f" or tensor parallel {degree * kv_heads}",
            )
        if (heads // kv_heads) % degree:
            return _bad(
                "decodeContext",
                f"decode context parallel {degree} does not divide the {heads // kv_heads} query heads of a KV head;"
                f" {_divisors(heads // kv_heads)} would",
            )
    return None


def counts_decode_context(task: Task) -> bool:
    """Whether a decode context above 1 divides the cache: vLLM's does, what other engines do with it is not known."""
    return isinstance(task, Inference) and task.parallelism.decode_context > 1 and task.engine in {None, "vLLM"}


def uncounted(model: Model, task: Task) -> tuple[str, ...]:
    """Degrees above 1 that may lower the need and do not count: nothing may be denied where there is one.

    Experts spread a mixture's weights and not a dense model's; which it is, a count alone does not say.
    """
    degrees, architecture = task.parallelism, model.architecture
    training = isinstance(task, FineTuning)
    elsewhere = not training and not counts_decode_context(task)
    mixes = architecture is not None and _experts(architecture) > 0
    found = (
        ("context", degrees.context, not training),
        ("decodeContext", degrees.decode_context, elsewhere),
        ("expert", degrees.expert, training and mixes),
        ("expert", degrees.expert, architecture is None and model.active_parameters is None),
    )
    return tuple(
        f"parallelism.{name} = {degree} does not count here: the need may be less"
        for name, degree, here in found
        if here and degree > 1
    )


def meaningless(architecture: Architecture | None, task: Task) -> tuple[str, ...]:
    """Degrees above 1 that change nothing on a GPU."""
    found = []
    if isinstance(task, FineTuning) and task.parallelism.decode_context > 1:
        found.append("parallelism.decodeContext means nothing in fine-tuning and does not count")
    if architecture is not None and task.parallelism.expert > 1 and not _experts(architecture):
        found.append("parallelism.expert does not count: the model has no experts")
    return tuple(found)


def spreads_wider(model: Model, task: Task) -> tuple[str, ...]:
    """A warning where vLLM takes another expert degree than the one stated.

    Source: "EP_SIZE = TP_SIZE x DP_SIZE" of its documentation (Expert Parallel Deployment), which no flag changes.
    """
    degrees, architecture = task.parallelism, model.architecture
    ranks = degrees.tensor * degrees.data
    ours = isinstance(task, Inference) and task.engine in {None, "vLLM"} and degrees.expert > 1
    mixes = model.active_parameters is not None if architecture is None else _experts(architecture) > 0
    if not ours or not mixes or degrees.expert == ranks:
        return ()
    stated = f"parallelism.expert = {degrees.expert}: vLLM spreads experts over all tensor x data = {ranks} ranks"
    return (f"{stated}; the lower bound counts so, what is expected as stated",)


def _experts(architecture: Architecture) -> int:
    """Experts of the layer that has most of them, 0 where none has any."""
    return max((run.block.experts.count for run in architecture.layers if run.block.experts), default=0)


def _bad(degree: str, message: str) -> Unknown:
    return Unknown(reason=Reason.BAD_INPUT, field=f"{_PATH}{degree}", message=message)


def _divisors(count: int) -> str:
    found = [number for number in (1, 2, 4, 8, 16, 32, 3, 5, 6, 7) if count % number == 0]
    return ", ".join(str(number) for number in sorted(found)[:6])
