"""Measured rows as the question a user would have asked: a model, a task and a GPU."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

from benchmarks.accuracy.case import Row
from benchmarks.accuracy.configs import architecture_of
from llmjob.estimator.gpu import GPU
from llmjob.estimator.interval import Range
from llmjob.estimator.model import Model, ModelSource
from llmjob.estimator.task import Inference, Parallelism
from llmjob.quantity import GiB

_GGUF = re.compile(r"\b(I?Q\d\w*)\.gguf", re.IGNORECASE)
_H100_TOTAL = Fraction("79.19")  # GiB, of the machine behind vllm_h100.csv
_H100_UTILIZATION = Fraction("0.95")
_DTYPES = {"bf16": "bfloat16", "f16": "float16", "f32": "float32"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ServingCase:
    """One question; `unreadable` says why there is no model: no config at hand (None), or one that cannot be read."""

    model: Model | None
    task: Inference
    gpu: GPU | None
    unreadable: str | None = None


def vllm_case(row: Row) -> ServingCase:
    """A row of inference.csv that vLLM logged."""
    total = row["gpu_total_gib"]
    task = Inference(
        engine="vLLM",
        engine_version=_version(row["engine_version"]),
        max_model_len=_int(row["max_model_len"]),
        max_num_seqs=_int(row["max_num_seqs"]),
        max_num_batched_tokens=_int(row["max_num_batched_tokens"]),
        gpu_memory_utilization=Fraction(row["gpu_memory_utilization"]) if row["gpu_memory_utilization"] else None,
        kv_cache_dtype=row["kv_cache_dtype"] or None,
        parallelism=Parallelism(
            tensor=_int(row["tp"]) or 1, pipeline=_int(row["pp"]) or 1, decode_context=_int(row["dcp"]) or 1
        ),
    )
    return _case(row["model_hf_id"], row["dtype"], _quantization(row), task, _gpu(row["gpu"] or "GPU", total))


def h100_case(row: Row) -> ServingCase:
    """A row of vllm_h100.csv: vLLM 0.19.0, 8,192 tokens and 1,024 sequences a step, utilisation 0.95."""
    settings = row["variant"].split("-")[1:]
    dtype = next((_DTYPES[word[2:]] for word in settings if word.startswith("dt")), "")
    degrees = re.fullmatch(r"tp(\d+)pp(\d+)dp(\d+)", row["parallel"])
    assert degrees is not None
    task = Inference(
        engine="vLLM",
        engine_version="0.19.0",
        max_model_len=int(row["max_model_len"]),
        max_num_seqs=1024,
        max_num_batched_tokens=8192,
        gpu_memory_utilization=_H100_UTILIZATION,
        kv_cache_dtype="fp8" if "kvfp8" in settings else None,
        parallelism=Parallelism(tensor=int(degrees[1]), pipeline=int(degrees[2])),
    )
    quantization = "FP8" if "qfp8" in settings else None
    return _case(row["model"], dtype, quantization, task, _gpu("NVIDIA H100 80GB", str(_H100_TOTAL)))


def transformers_case(row: Row) -> ServingCase:
    """A generate() run: a batch of prompts of one length, and so many tokens made."""
    task = Inference(
        engine="Transformers",
        batch_size=_int(row["batch_size"]),
        input_length=_int(row["input_len"]),
        output_length=_int(row["output_len"]),
    )
    return _case(row["model_hf_id"], row["dtype"], _quantization(row), task, None)


def llamacpp_case(row: Row) -> ServingCase:
    """A llama.cpp server: n_ctx is the total over its slots; the log's figures are sums over devices."""
    words = row["kv_cache_dtype"].replace("/", " ").split()
    types = list(dict.fromkeys(word for word in words if word.casefold() not in {"k", "v"}))
    task = Inference(
        engine="llama.cpp",
        max_model_len=_int(row["n_ctx"]),
        kv_cache_dtype=None if set(types) <= {"f16"} else "/".join(types),
    )
    return _case(row["model_hf_id"], "", _quantization(row), task, None)


def sglang_case(row: Row) -> ServingCase:
    """An SGLang server; memory before the weights are loaded stands for the GPU's."""
    task = Inference(
        engine="SGLang",
        engine_version=row["engine_version"] or None,
        max_num_batched_tokens=_int(row["chunked_prefill_size"]),
        gpu_memory_utilization=Fraction(row["mem_fraction_static"]),
        parallelism=Parallelism(tensor=_int(row["tp"]) or 1),
    )
    gpu = _gpu(row["gpu"] or "GPU", row["avail_before_weights_gib"])
    return _case(row["model_hf_id"], row["dtype"], _quantization(row), task, gpu)


def _case(model_id: str, dtype: str, quantization: str | None, task: Inference, gpu: GPU | None) -> ServingCase:
    architecture = architecture_of(model_id)
    if architecture is None or isinstance(architecture, str):
        return ServingCase(model=None, task=task, gpu=gpu, unreadable=architecture)
    model = Model(
        name=model_id,
        source=ModelSource.CONFIG,
        architecture=architecture,
        dtype=dtype or None,
        quantization=None if architecture.quantization else quantization,
    )
    return ServingCase(model=model, task=task, gpu=gpu)


def _quantization(row: Row) -> str | None:
    """What the row or the model's name says, as a user would write it."""
    name, stated = row["model_hf_id"].casefold(), row["quantization"].casefold()
    gguf = _GGUF.search(row["model_raw"])
    if gguf:
        return gguf.group(1).upper()
    words = f"{name} {stated}"
    for word, quantization in (
        ("bitsandbytes", "NF4"), ("bnb", "NF4"), ("nvfp4", "NVFP4"), ("mxfp4", "MXFP4"), ("w8a8", "INT8"),
        ("w4a16", "INT4"), ("fp8", "FP8"), ("awq", "AWQ"), ("gptq-int8", "INT8"), ("int8", "INT8"),
        ("int4", "GPTQ"), ("gptq", "GPTQ"), ("wna16", "GPTQ"),
    ):  # fmt: skip
        if word in words:
            return quantization
    return None


def _version(text: str) -> str | None:
    """The stated version; a row that only names its log's format states none."""
    return text if re.match(r"\d", text) else None


def _gpu(name: str, total_gib: str) -> GPU | None:
    if not total_gib:
        return None
    memory = int(Fraction(total_gib) * GiB)
    return GPU(name=name, vendor="amd" if "AMD" in name else "nvidia", usable=Range.exact(memory), product=name)


def _int(text: str) -> int | None:
    return int(Fraction(text)) if text else None


SERVING_READERS: dict[str, Callable[[Row], ServingCase]] = {
    "vllm": vllm_case,
    "vllm-h100": h100_case,
    "transformers": transformers_case,
    "llamacpp": llamacpp_case,
    "sglang": sglang_case,
}
