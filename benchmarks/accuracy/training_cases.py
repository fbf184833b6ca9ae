"""Measured fine-tuning rows as the question a user would have asked, and what of an estimate they are compared with."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction

from benchmarks.accuracy.configs import architecture_of
from llmjob.estimator.gpu import GPU
from llmjob.estimator.interval import Range
from llmjob.estimator.model import Model, ModelSource
from llmjob.estimator.task import Adapter, FineTuning, Parallelism, Quantized, Sharding
from llmjob.quantity import GiB

Row = Mapping[str, str]

_OPTIMIZERS = {
    "adamw_foreach": ("AdamW", "Foreach"),
    "adamw_fused": ("AdamW", "Fused"),
    "adamw_loop": ("AdamW", "Loop"),
    "sgd": ("SGD", None),
    "sgd_momentum": ("SGDMomentum", None),
}
_FRAMEWORKS = {
    "axolotl": "Axolotl",
    "ms-swift sft": "MSSwift",
    "torchtitan": "Torchtitan",
    "torchtune": "Torchtune",
    "litgpt finetune": "Litgpt",
    "litgpt finetune_lora": "Litgpt",
    "unsloth": "Unsloth",
}
_METHODS = {"full": "Full", "LoRA": "LoRA", "QLoRA": "QLoRA", "GPTQ-LoRA": "LoRA", "full (pretraining)": "Full"}
_LITGPT_TARGETS = {
    "q": ("q_proj",),
    "k": ("k_proj",),
    "v": ("v_proj",),
    "proj": ("o_proj",),
    "mlp": ("gate_proj", "up_proj", "down_proj"),
    "head": (),
}
_MEMORY = {"T4": "14.56", "A100": "79.14", "H100": "79.11", "A10G": "22.2"}  # GiB, as processes see them


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingCase:
    """One question; `unreadable` says why there is no model: no config at hand (None), or one that cannot be read."""

    model: Model | None
    task: FineTuning
    gpu: GPU | None
    unreadable: str | None = None


def faketensor_case(row: Row) -> TrainingCase:
    """A training step of transformers 5.23 or an older loss, on shapes only; the efficient kernel is a T4's."""
    halves = row["dtype"] == "bfloat16"
    optimizer, implementation = _OPTIMIZERS[row["optimizer"]]
    precision = {(True, "1"): "BF16Mixed", (True, "0"): "BF16", (False, "1"): "BF16Mixed", (False, "0"): "FP32"}
    task = FineTuning(
        method="Full" if row["method"] == "full" else "LoRA",
        framework="Transformers",
        framework_version="4.48" if row["shift"] == "copy" else "5.23",
        optimizer=optimizer,
        optimizer_implementation=implementation,
        precision=precision[halves, row["autocast"]],
        adapter=_adapter(row["rank"], row["targets"].split(";")),
        micro_batch_size=int(row["micro_batch"]),
        sequence_length=int(row["seq"]),
        sequence_length_is="Exact",
        activation_checkpointing="Full" if row["checkpointing"] == "1" else "None",
        attention="Eager" if row["attention"] == "eager" else "SDPA",
    )
    product = "Tesla-T4" if row["attention"] == "sdpa_efficient" else "NVIDIA-A100-SXM4-80GB"
    case = _case(row["model"], "BF16" if halves else "FP32", None, task, _gpu(product))
    if case.model is None or case.model.architecture is None:
        return case
    # The steps were run on the text model alone.
    text = replace(case.model.architecture, encoders=())
    return replace(case, model=replace(case.model, architecture=text))


def t4_case(row: Row) -> TrainingCase:
    """LoRA or QLoRA by transformers and PEFT on one T4, padded to exact lengths."""
    quantization = {"nf4": "NF4", "none": None}[row["quant"]]
    task = FineTuning(
        method="QLoRA" if quantization else "LoRA",
        framework="Transformers",
        precision="FP16Mixed",
        optimizer="AdamW",
        adapter=_adapter(row["lora_r"], row["targets"].split("+")),
        quantized=Quantized(kbit_preparation=True) if quantization else None,
        micro_batch_size=int(row["bs"]),
        sequence_length=int(row["seq"]),
        sequence_length_is="Exact",
        activation_checkpointing="Full" if row["ckpt"] == "True" else "None",
        attention="Eager" if row["attn"] == "eager" else "SDPA",
    )
    return _case(row["model"], "FP16", quantization, task, _gpu("Tesla-T4"))


def training_case(row: Row) -> TrainingCase:
    """A row of training.csv."""
    fms = row["framework"].startswith("fms")
    quantization = _quantization(row["quantization"])
    plain_peft = "peft-bnb" in row["aux"] and "baseline" in row["aux"]
    kernels = ("LigerFusedLoss",) if re.search("Liger|cut_cross_entropy", row["special_kernels"]) else ()
    task = FineTuning(
        method=_METHODS.get(row["method"], "LoRA"),
        framework="Transformers" if fms else _FRAMEWORKS.get(row["framework"]),
        framework_version=_release(row["framework_version"]) if fms else None,
        optimizer=_optimizer(row["optimizer"]),
        precision=_precision(row["precision"]),
        adapter=_adapter(
            row["lora_rank"], row["lora_targets"].split(), "BF16" if "litgpt" in row["framework"] else None
        ),
        quantized=Quantized(kbit_preparation=plain_peft) if fms and quantization and row["num_gpus"] == "1" else None,
        micro_batch_size=_int(row["micro_batch"]),
        sequence_length=_int(row["seq_len"]),
        sequence_length_is="Exact" if _exact(row) else "Maximum",
        packing=row["packing"] == "yes" and bool(row["seq_len"]),
        activation_checkpointing=_checkpointing(row["grad_checkpointing"]),
        attention="Flash" if "flash_attention_2" in row["attn_impl"] else None,
        kernels=kernels,
        compile=True if "torch.compile" in row["special_kernels"] else None,
        sharding=_sharding(row["sharding"]),
        offload=("Parameters", "Optimizer") if row["cpu_offload"].startswith("yes") else (),
        parallelism=Parallelism(
            tensor=_int(row["tp"]) or 1, pipeline=_stages(row), context=_int(row["cp"]) or 1, data=_data(row)
        ),
    )
    dtype = None
    if "bfloat16 weights" in row["precision"]:
        dtype = "BF16"
    elif "float16 weights" in row["precision"]:
        dtype = "FP16"
    return _case(row["model_hf_id"], dtype, quantization, task, _gpu(row["gpu"].replace(" ", "-")))


def _case(
    model_id: str, dtype: str | None, quantization: str | None, task: FineTuning, gpu: GPU | None
) -> TrainingCase:
    architecture = architecture_of(model_id)
    if architecture is None or isinstance(architecture, str):
        return TrainingCase(model=None, task=task, gpu=gpu, unreadable=architecture)
    model = Model(
        name=model_id,
        source=ModelSource.CONFIG,
        architecture=architecture,
        dtype=dtype,
        quantization=quantization,
    )
    return TrainingCase(model=model, task=task, gpu=gpu)


def _adapter(rank: str, targets: list[str], dtype: str | None = None) -> Adapter | None:
    named = [name for target in targets for name in _LITGPT_TARGETS.get(target, (target,)) if name.isidentifier()]
    if "linear" in targets:
        named = ["all-linear"]
    return Adapter(rank=int(Fraction(rank)), target_modules=tuple(named), dtype=dtype) if rank else None


def _quantization(text: str) -> str | None:
    words = text.casefold()
    for word, name in (("nf4", "NF4"), ("gptq", "GPTQ"), ("int4 (bnb)", "NF4"), ("int8", "INT8"), ("8-bit", "INT8")):
        if word in words:
            return "INT8" if "int8" in words else name
    return None


def _optimizer(text: str) -> str | None:
    """Every named one is AdamW, some in 8 bit; those that the source does not name stay unstated."""
    if not text:
        return None
    return "Adam8bit" if "8bit" in text else "AdamW"


def _precision(text: str) -> str | None:
    if "autocast" in text and "no autocast" not in text:
        return "FP16Mixed" if "fp16" in text else "BF16Mixed"
    if "fp32 master" in text:
        return "BF16Mixed"
    if "pure" in text or "bf16-true" in text or text == "bf16":
        return "FP16" if text.startswith("float16") else "BF16"
    return None


def _checkpointing(text: str) -> str | None:
    if text.startswith("selective"):
        return "Selective"
    return {"yes": "Full", "full": "Full", "no": "None"}.get(text.split(" ", maxsplit=1)[0])


def _sharding(text: str) -> Sharding | None:
    if text.startswith("FSDP"):
        return Sharding(strategy="FSDP")
    if text.startswith("ZeRO"):
        return Sharding(strategy=text)
    return None


def _exact(row: Row) -> bool:
    """Whether every sequence had the stated length: padded or packed to it, not free of padding."""
    if not row["seq_len"] or "padding-free" in row["special_kernels"]:
        return False
    return row["framework"].startswith(("fms", "torchtitan", "fsdp_qlora"))


def _stages(row: Row) -> int:
    """A model dealt out to GPUs layer by layer (device_map) is a pipeline of one micro-batch at a time."""
    return (_int(row["num_gpus"]) or 1) if row["sharding"].startswith("device_map") else _int(row["pp"]) or 1


def _data(row: Row) -> int:
    stated = re.search(r"FSDP2? (\d+)", row["sharding"])
    if stated:
        return int(stated[1])
    return (_int(row["num_gpus"]) or 1) if row["sharding"].startswith(("FSDP", "ZeRO")) else 1


def _release(text: str) -> str | None:
    found = re.search(r"transformers==([\d.]+)", text)
    return found[1] if found else None


def _gpu(product: str) -> GPU | None:
    for word, memory in _MEMORY.items():
        if word in product.split("-"):
            usable = Range.exact(int(Fraction(memory) * GiB))
            return GPU(name=product, vendor="nvidia", usable=usable, product=product)
    return None


def _int(text: str) -> int | None:
    return int(Fraction(text)) if text else None


TRAINING_READERS: dict[str, Callable[[Row], TrainingCase]] = {
    "faketensor": faketensor_case,
    "t4": t4_case,
    "training": training_case,
}
