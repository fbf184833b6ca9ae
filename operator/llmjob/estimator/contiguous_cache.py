"""KV caches that do not page: one tensor per layer, as long as the context, as transformers and llama.cpp keep them."""

from fractions import Fraction
from math import ceil
from typing import Final

from llmjob.estimator.architecture import Architecture
from llmjob.estimator.block import Attention, LatentAttention, Mamba, Mixer
from llmjob.estimator.quantization import DTYPE_BYTES

_STATE_BYTES = 2  # of a convolution's state
_BLOCK = 32
_BLOCK_BYTES: Final = {"Q8_0": 34, "Q4_0": 18, "Q4_1": 20, "Q5_0": 22, "Q5_1": 24, "IQ4_NL": 18}
"""Bytes of a block of 32 elements, scales included: ggml/src/ggml-common.h of ggml-org/llama.cpp."""


def element_bytes(name: str) -> Fraction:
    """Bytes of an element of K or V, by canonical dtype or cache type (vLLM's words for FP8 are 1 byte)."""
    if name in _BLOCK_BYTES:
        return Fraction(_BLOCK_BYTES[name], _BLOCK)
    return Fraction(1 if name.casefold().startswith("fp8") else DTYPE_BYTES[name])


def cache_bytes(
    architecture: Architecture, tokens: int, element: Fraction, *, tensor: int = 1, latent: bool, windowed: bool
) -> int:
    """Bytes of K and V of one sequence on one rank, recurrent states included.

    `latent`: MLA keeps its latent, else K and V expanded per head; `windowed`: a layer keeps no more than its window.
    Source: llama.cpp's KV buffer L·k·d·(bytes of K + bytes of V) (0.5 % on 83 of 94 measured rows).
    """
    total = Fraction(0)
    for run in architecture.layers:
        mixer = run.block.mixer
        kept = min(tokens, mixer.window) if windowed and isinstance(mixer, Attention) and mixer.window else tokens
        total += run.count * (kept * element * _elements(mixer, tensor, latent=latent) + _state(mixer, tensor))
    return ceil(total)


def copied_latent_bytes(architecture: Architecture, tokens: int, element: Fraction) -> int:
    """What MLA's values take where they are kept a second time: the latent without its rotary key.

    Source: rows I0046, I0306 and I0348 of benchmarks/accuracy/data/inference.csv, llama.cpp without flash attention.
    """
    mixers = ((run.count, run.block.mixer) for run in architecture.layers)
    return ceil(tokens * element * sum(n * mixer.kv_rank for n, mixer in mixers if isinstance(mixer, LatentAttention)))


def cache_bytes_per_token(
    architecture: Architecture, element: Fraction, *, tensor: int = 1, latent: bool = True
) -> int:
    """Bytes of K and V per token on one rank, every layer at full length."""
    elements = sum(run.count * _elements(run.block.mixer, tensor, latent=latent) for run in architecture.layers)
    return ceil(element * elements)


def _elements(mixer: Mixer | None, tensor: int, *, latent: bool) -> int:
    if isinstance(mixer, Attention):
        return 0 if mixer.shared_kv else 2 * max(1, -(-mixer.kv_heads // tensor)) * mixer.head_dim
    if isinstance(mixer, LatentAttention):
        return mixer.cached if latent else -(-mixer.heads // tensor) * (mixer.head_dim + mixer.value_dim)
    return 0


def _state(mixer: Mixer | None, tensor: int) -> int:
    if not isinstance(mixer, Mamba):
        return 0
    recurrent = mixer.width * mixer.state * mixer.state_bytes
    convolved = mixer.convolved * (mixer.kernel - 1) * _STATE_BYTES
    return -(-(recurrent + convolved) // tensor)
