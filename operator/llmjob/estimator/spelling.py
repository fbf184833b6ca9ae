"""A model and a task with every name in its canonical spelling, or the field whose name nobody knows."""

from collections.abc import Sequence
from dataclasses import replace

from llmjob.estimator.model import Model
from llmjob.estimator.result import Unknown
from llmjob.estimator.task import FineTuning, Inference, Task
from llmjob.estimator.vocabulary import PLACES_LAYERS, Kind, canonical, unknown_name
from llmjob.names import Reason


class UnknownNameError(ValueError):
    """A name that the vocabulary lacks; `unknown` says so to the user."""

    def __init__(self, kind: Kind, field: str, text: str) -> None:
        self.unknown = Unknown(reason=Reason.MODEL_UNKNOWN, field=field, message=unknown_name(kind, text))
        super().__init__(self.unknown.message)


def spell_out(model: Model, task: Task) -> tuple[Model, Task] | Unknown:
    """Both with canonical names; Unknown names the first field in the LLMJob's spec whose name is not known."""
    try:
        return _model(model), _inference(task) if isinstance(task, Inference) else _fine_tuning(task)
    except UnknownNameError as error:
        return error.unknown


def _model(model: Model) -> Model:
    dtype = _name(Kind.DTYPE, "spec.model.dtype", model.dtype)
    quantization = _name(Kind.QUANTIZATION, "spec.model.quantization", model.quantization)
    return replace(model, dtype=dtype, quantization=quantization)


def _inference(task: Inference) -> Inference:
    engine = _name(Kind.ENGINE, "spec.inference.engine", task.engine)
    kv_dtype = task.kv_cache_dtype
    # vLLM's own words for the format (auto, fp8_e4m3, fp8_ds_mla) say more than a dtype and stay as they are.
    block = canonical(Kind.CACHE_TYPE, kv_dtype) if kv_dtype and engine in PLACES_LAYERS else None
    if block is not None:
        kv_dtype = block
    elif kv_dtype is not None and not kv_dtype.casefold().startswith(("auto", "fp8_")):
        kv_dtype = _name(Kind.DTYPE, "spec.inference.kvCacheDtype", kv_dtype)
    return replace(task, engine=engine, kv_cache_dtype=kv_dtype)


def _fine_tuning(task: FineTuning) -> FineTuning:
    path = "spec.fineTuning"
    adapter, sharding = task.adapter, task.sharding
    if adapter is not None:
        adapter = replace(adapter, dtype=_name(Kind.DTYPE, f"{path}.adapter.dtype", adapter.dtype))
    if sharding is not None:
        strategy = _name(Kind.STRATEGY, f"{path}.sharding.strategy", sharding.strategy)
        sharding = replace(sharding, strategy=strategy)
    return replace(
        task,
        objective=_name(Kind.OBJECTIVE, f"{path}.objective", task.objective),
        method=_name(Kind.METHOD, f"{path}.method", task.method),
        framework=_name(Kind.FRAMEWORK, f"{path}.framework", task.framework),
        optimizer=_name(Kind.OPTIMIZER, f"{path}.optimizer", task.optimizer),
        optimizer_implementation=_name(
            Kind.IMPLEMENTATION, f"{path}.optimizerImplementation", task.optimizer_implementation
        ),
        precision=_name(Kind.PRECISION, f"{path}.precision", task.precision),
        activation_checkpointing=_name(
            Kind.CHECKPOINTING, f"{path}.activationCheckpointing", task.activation_checkpointing
        ),
        attention=_name(Kind.ATTENTION, f"{path}.attention", task.attention),
        kernels=_names(Kind.KERNEL, f"{path}.kernels", task.kernels),
        offload=_names(Kind.OFFLOAD, f"{path}.offload", task.offload),
        adapter=adapter,
        sharding=sharding,
    )


def _name(kind: Kind, field: str, text: str | None) -> str | None:
    if text is None:
        return None
    name = canonical(kind, text)
    if name is None:
        raise UnknownNameError(kind, field, text)
    return name


def _names(kind: Kind, field: str, texts: Sequence[str]) -> tuple[str, ...]:
    found = (_name(kind, f"{field}[{index}]", text) for index, text in enumerate(texts))
    return tuple(name for name in found if name is not None)
