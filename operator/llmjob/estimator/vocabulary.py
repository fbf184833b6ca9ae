"""Canonical names of engines, methods, dtypes and the like, however users spell them.

Names are matched after dropping case, space and `- _ + .`: "adamw", "AdamW" and "Adam-W" are one optimizer.
"""

import re
from collections.abc import Mapping
from difflib import get_close_matches
from enum import StrEnum
from functools import cache
from typing import Final


class Kind(StrEnum):
    """What a name names; the value is the word that messages use."""

    ENGINE = "engine"
    METHOD = "method"
    OBJECTIVE = "objective"
    OPTIMIZER = "optimizer"
    IMPLEMENTATION = "optimizer implementation"
    QUANTIZATION = "quantization"
    DTYPE = "dtype"
    CACHE_TYPE = "KV cache type"
    PRECISION = "precision"
    FRAMEWORK = "framework"
    STRATEGY = "sharding strategy"
    CHECKPOINTING = "activation checkpointing"
    ATTENTION = "attention"
    OFFLOAD = "offload"
    KERNEL = "kernel"


GGUF_TYPES: Final = (
    *("Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0"),
    *("Q2_K", "Q2_K_S", "Q3_K", "Q3_K_S", "Q3_K_M", "Q3_K_L", "Q4_K", "Q4_K_S", "Q4_K_M"),
    *("Q5_K", "Q5_K_S", "Q5_K_M", "Q6_K"),
    *("IQ1_S", "IQ1_M", "IQ2_XXS", "IQ2_XS", "IQ2_S", "IQ2_M", "IQ3_XXS", "IQ3_XS", "IQ3_S", "IQ3_M"),
    *("IQ4_XS", "IQ4_NL"),
)

ADAPTER_METHODS: Final = frozenset({"LoRA", "QLoRA", "DoRA", "IA3", "PromptTuning", "PrefixTuning"})
"""Methods that train few parameters of their own on a frozen base."""
TRAINED_DEQUANTIZED: Final = frozenset({"MXFP4"})
"""Quantised checkpoints whose kernels have no backward: Transformers trains them in 16 bit."""
PLACES_LAYERS: Final = frozenset({"LlamaCpp", "Ollama"})
"""Engines that put as many layers on the GPU as are asked for, or as fit, and keep the others in host memory."""
SHARDS_WEIGHTS: Final = frozenset({"ZeRO3", "FSDP", "HSDP"})
SHARDS_GRADIENTS: Final = SHARDS_WEIGHTS | {"ZeRO2"}
SHARDS_STATES: Final = SHARDS_GRADIENTS | {"ZeRO1"}

_NAMES: Final[Mapping[Kind, tuple[str, ...]]] = {
    Kind.ENGINE: ("vLLM", "SGLang", "TGI", "TensorRTLLM", "LlamaCpp", "Ollama", "Transformers"),
    Kind.METHOD: ("Full", "LoRA", "QLoRA", "DoRA", "Freeze", "IA3", "PromptTuning", "PrefixTuning"),
    Kind.OBJECTIVE: ("SFT", "DPO", "ORPO", "KTO", "GRPO", "RewardModel", "Pretrain"),
    Kind.OPTIMIZER: (
        *("SGD", "SGDMomentum", "RMSProp", "Adam", "AdamW", "Adam8bit", "PagedAdam8bit"),
        *("Adafactor", "Lion", "Muon", "GaLore", "APOLLO", "LOMO", "BAdam"),
    ),
    Kind.IMPLEMENTATION: ("Foreach", "Fused", "Loop"),
    Kind.QUANTIZATION: ("INT8", "FP8", "INT4", "NF4", "AWQ", "GPTQ", "MXFP4", "NVFP4", *GGUF_TYPES),
    Kind.DTYPE: ("FP32", "FP16", "BF16", "FP8"),
    Kind.CACHE_TYPE: ("Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "IQ4_NL"),
    Kind.PRECISION: ("FP32", "BF16", "FP16", "BF16Mixed", "FP16Mixed"),
    Kind.FRAMEWORK: (
        *("Transformers", "TRL", "Unsloth", "Axolotl", "LLaMAFactory", "MSSwift"),
        *("Torchtune", "Torchtitan", "DeepSpeed", "Megatron", "Litgpt"),
    ),
    Kind.STRATEGY: ("DDP", "ZeRO1", "ZeRO2", "ZeRO3", "FSDP", "HSDP"),
    Kind.CHECKPOINTING: ("None", "Selective", "Full"),
    Kind.ATTENTION: ("Eager", "SDPA", "Flash"),
    Kind.OFFLOAD: ("Optimizer", "Parameters", "Activations"),
    Kind.KERNEL: ("LigerFusedLoss",),
}

# The long names of PyTorch's and safetensors' element types, which people copy from a config.json.
_OTHER_SPELLINGS: Final[Mapping[Kind, Mapping[str, str]]] = {
    Kind.DTYPE: {
        "float32": "FP32", "float": "FP32", "float16": "FP16", "half": "FP16", "bfloat16": "BF16",
        "float8": "FP8", "f32": "FP32", "f16": "FP16",
    },
}  # fmt: skip

_DROPPED: Final = re.compile(r"[\s_+.-]+")


def names(kind: str) -> tuple[str, ...]:
    """Every canonical name of a kind."""
    return _NAMES[Kind(kind)]


def canonical(kind: str, text: str) -> str | None:
    """The canonical name that `text` spells, None where there is none."""
    return _spellings(Kind(kind)).get(_folded(text))


def nearest(kind: str, text: str) -> str | None:
    """The canonical name that looks most like an unknown `text`, for messages; None where none is near."""
    spellings = _spellings(Kind(kind))
    found = get_close_matches(_folded(text)[:64], spellings, n=1, cutoff=0.6)
    return spellings[found[0]] if found else None


def unknown_name(kind: str, text: str) -> str:
    """One sentence that says which name is unknown and what to write instead."""
    shown = text if len(text) <= 40 else text[:39] + "…"  # noqa: PLR2004, one line of a terminal
    near = nearest(kind, text)
    fix = f"did you mean {near}?" if near else f"known are {', '.join(names(kind)[:14])}"
    return f"{Kind(kind).value} {shown!r} is not known; {fix}"


def _folded(text: str) -> str:
    return _DROPPED.sub("", text).casefold()


@cache
def _spellings(kind: Kind) -> Mapping[str, str]:
    return {_folded(name): name for name in _NAMES[kind]} | dict(_OTHER_SPELLINGS.get(kind, {}))
