"""A model and a task with every name in its canonical spelling, or the field whose name nobody knows."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from llmjob.estimator.model import Model
from llmjob.estimator.result import Unknown
from llmjob.estimator.task import FineTuning, Inference, Task
from llmjob.estimator.vocabulary import Kind, canonical, names, unknown_name
from llmjob.names import Reason

_VLLM: Final = "vLLM"
_HALVES: Final = ("FP16", "BF16")
_CACHE_TYPES: Final[Mapping[str, Sequence[str]]] = {
    # What --kv-cache-dtype takes: CacheDType of vllm/config/cache.py, the server arguments of SGLang, the launcher's of
    # TGI, KvCacheConfig.dtype of TensorRT-LLM, --cache-type-k of llama.cpp. Transformers keeps the model's dtype.
    "vLLM": ("auto", *_HALVES, "FP32", "FP8", "fp8_e4m3", "fp8_e5m2", "fp8_inc", "fp8_ds_mla"),
    "SGLang": ("auto", *_HALVES, "FP8", "fp8_e4m3", "fp8_e5m2"),
    "TGI": ("auto", *_HALVES, "FP8", "fp8_e4m3fn", "fp8_e5m2"),
    "TensorRTLLM": ("auto", *_HALVES, "FP32", "FP8"),
    "LlamaCpp": ("auto", *_HALVES, "FP32", *names(Kind.CACHE_TYPE)),
    "Ollama": ("auto", *_HALVES, "FP32", *names(Kind.CACHE_TYPE)),
    "Transformers": ("auto", *_HALVES, "FP32"),
}
_SHOWN: Final = 40


class UnknownNameError(ValueError):
    """A name that the vocabulary lacks; `unknown` says so to the user."""

    def __init__(self, field: str, message: str) -> None:
        self.unknown = Unknown(reason=Reason.MODEL_UNKNOWN, field=field, message=message)
        super().__init__(message)


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
    return replace(task, engine=engine, kv_cache_dtype=_cache_type(engine or _VLLM, task.kv_cache_dtype))


def _cache_type(engine: str, text: str | None) -> str | None:
    """A dtype, or an engine's own word for a format (fp8_ds_mla, q8_0), which says more than a dtype and stays."""
    if text is None:
        return None
    known = _CACHE_TYPES[engine]
    spelled = canonical(Kind.DTYPE, text) or canonical(Kind.CACHE_TYPE, text) or text.strip().casefold()
    if spelled in known:
        return spelled
    shown = text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"
    message = f"{engine} has no KV cache type {shown!r}; it has {', '.join(known)}"
    if "/" in text or "," in text:
        message = f"kvCacheDtype {shown!r}: one type stands for K and V; state the larger one"
    raise UnknownNameError("spec.inference.kvCacheDtype", message)


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
        raise UnknownNameError(field, unknown_name(kind, text))
    return name


def _names(kind: Kind, field: str, texts: Sequence[str]) -> tuple[str, ...]:
    found = (_name(kind, f"{field}[{index}]", text) for index, text in enumerate(texts))
    return tuple(name for name in found if name is not None)
