"""What programs write when a GPU's memory is exhausted, and what only looks like it: one row a message.

The text is a tenant's. Every quantifier is bounded, so that a search takes time in proportion to the text, whatever it
says. A message is one row here and one in tests/observation/data, which names where it was seen.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Cause(StrEnum):
    """Why a container ended."""

    COMPLETED = "Completed"
    GPU_OUT_OF_MEMORY = "GPUOutOfMemory"
    HOST_OUT_OF_MEMORY = "HostOutOfMemory"
    GPU_FAULT = "GPUFault"
    OTHER = "Other"


@dataclass(frozen=True, slots=True)
class Signature:
    """A message that means a GPU's memory is exhausted; the name says who writes it."""

    name: str
    pattern: re.Pattern[str]


@dataclass(frozen=True, slots=True)
class LookAlike:
    """A message that means something else: another cause, or nothing where the program goes on."""

    pattern: re.Pattern[str]
    cause: Cause | None


def _signature(name: str, pattern: str) -> Signature:
    return Signature(name, re.compile(pattern, re.IGNORECASE))


def _look_alike(pattern: str, cause: Cause | None = None) -> LookAlike:
    return LookAlike(re.compile(pattern, re.IGNORECASE), cause)


# The first that matches a line names it, so the particular stand before the general.
SIGNATURES: Final = (
    _signature("vLLM", r"No available memory for the cache blocks"),
    _signature("vLLM", r"Free memory on device [^\n]{1,80}? is less than desired GPU memory utilization"),
    _signature("vLLM", r"[\d.]{1,12} GiB KV cache is needed, which is larger than the available KV cache memory"),
    _signature(
        "vLLM", r"max seq len \(\d{1,9}\) is larger than the maximum number of tokens that can be stored in KV cache"
    ),
    _signature("vLLM", r"CUDA out of memory occurred when warming up"),
    _signature("vLLM", r"CUDA Error: out of memory at [^\n]{1,120}?cumem_allocator"),
    _signature("SGLang", r"Not enough memory\. Please try to (?:increase|reduce) --mem-fraction-static"),
    _signature("SGLang", r"(?:Decode|Prefill) out of memory\. Try to lower your batch size"),
    _signature("SGLang", r"Capture cuda graph failed: (?:CUDA|HIP) out of memory"),
    _signature("TGI", r"Not enough memory to handle \d{1,9} (?:total tokens with \d{1,9} )?prefill tokens"),
    _signature("TensorRT-LLM", r"\[TensorRT-LLM\]\[ERROR\] CUDA runtime error in [^\n]{1,120}?: out of memory"),
    _signature("TensorRT", r"Requested amount of GPU memory \(\d{1,15} bytes\) could not be allocated"),
    _signature("TensorRT", r"Cuda (?:Runtime|Error in \w{1,40}: \d{1,4}) \(out of memory\)"),
    _signature("bitsandbytes", r"Error out of memory at line \d{1,6} in file [^\n]{1,160}?bitsandbytes"),
    _signature("NCCL", r"NCCL WARN (?:Failed to CUDA calloc|Cuda failure (?:\d{1,4} )?'out of memory')"),
    _signature("llama.cpp", r"(?:failed|unable) to allocate (?:CUDA|ROCm)\d{1,3} buffer"),
    _signature("llama.cpp", r"(?:cuda|hip)Malloc failed: out of memory"),
    _signature("Triton", r"Triton Error \[(?:CUDA|HIP)\]: out of memory"),
    _signature("CuPy", r"cupy\.cuda\.memory\.OutOfMemoryError"),
    _signature("TensorFlow", r"OOM when allocating tensor with [^\n]{1,200}? by allocator GPU_\d{1,3}_bfc"),
    _signature("Accelerate", r"No executable batch size found, reached zero"),
    _signature("PyTorch", r"\b(?:CUDA|HIP|XPU) out of memory\b"),
    _signature("PyTorch", r"torch\.(?:cuda\.)?OutOfMemoryError"),
    # The start of a long line is cut off where only the end of a log is kept.
    _signature("PyTorch", r"has a total capaci?ty of \d{1,9}\.\d{2} [KMGT]iB of which"),
    _signature("XLA", r"Resource[ _]exhausted: (?:Out of memory|Failed to allocate request for)"),
    _signature("math library", r"\b(?:CUBLAS|CUDNN|CUSOLVER|CUSPARSE|HIPBLAS|ROCBLAS)_STATUS_ALLOC_FAILED"),
    _signature("driver", r"\b(?:CUDA_ERROR_OUT_OF_MEMORY|cudaErrorMemoryAllocation|hipErrorOutOfMemory)\b"),
    _signature("driver", r"\b(?:HIP_ERROR_OutOfMemory|UR_RESULT_ERROR_OUT_OF_DEVICE_MEMORY)\b"),
    _signature(
        "driver",
        r"\b(?:CUDA|HIP|ROCm)(?: runtime| driver)? ?(?:error|failure)(?: ?\(?\d{1,4}\)?)? ?: ?out of memory",
    ),
)

LOOK_ALIKES: Final = (
    _look_alike(r"DefaultCPUAllocator: (?:can't allocate|not enough) memory", Cause.HOST_OUT_OF_MEMORY),
    _look_alike(r"Memory cgroup out of memory|Out of memory: Kill(?:ed)? process", Cause.HOST_OUT_OF_MEMORY),
    _look_alike(r"OOM when allocating tensor with [^\n]{1,200}? by allocator cpu", Cause.HOST_OUT_OF_MEMORY),
    _look_alike(r"model requires more system memory", Cause.HOST_OUT_OF_MEMORY),
    _look_alike(r"java\.lang\.OutOfMemoryError", Cause.HOST_OUT_OF_MEMORY),
    _look_alike(r"\bCannot allocate memory\b", Cause.HOST_OUT_OF_MEMORY),
    _look_alike(r"\bXid\b \(PCI:|GPU has fallen off the bus|uncorrectable ECC error", Cause.GPU_FAULT),
    _look_alike(r"an illegal memory access was encountered|Memory access fault by GPU", Cause.GPU_FAULT),
    # A server that takes requests back, or a library that tries another way, goes on.
    _look_alike(r"Decode out of memory happened"),
    _look_alike(r"caller indicates that this is not a failure|Failed to determine best cudnn"),
    _look_alike(r"falling back to|pinned (?:host )?memory|\bretrying\b"),
    # Advice, and counters.
    _look_alike(r"\b(?:if you|in case of|to avoid) [^\n]{0,60}?out of memory|\bOOMs?: ?\d"),
)
