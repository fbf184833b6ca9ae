"""KV caches that do not page: one tensor per layer, as long as the context, as transformers and llama.cpp keep them."""

from llmjob.estimator.architecture import Architecture
from llmjob.estimator.block import Attention, LatentAttention, Mamba, Mixer

_STATE_BYTES = 2  # of a convolution's state


def cache_bytes_per_token(architecture: Architecture, element_bytes: int, tensor: int = 1) -> int:
    """Bytes of K and V per token of one rank, every layer at full length; MLA stored expanded, per head.

    Source: llama.cpp's KV buffer L·k·d·(bytes of K + bytes of V) (0.5 % on 83 of 94 measured rows).
    """
    return element_bytes * sum(run.count * _elements(run.block.mixer, tensor) for run in architecture.layers)


def state_bytes(architecture: Architecture, tensor: int = 1) -> int:
    """Bytes of the recurrent states of one sequence: they do not grow with its length."""
    return sum(run.count * _state(run.block.mixer, tensor) for run in architecture.layers)


def _elements(mixer: Mixer | None, tensor: int) -> int:
    if isinstance(mixer, Attention):
        return 0 if mixer.shared_kv else 2 * max(1, -(-mixer.kv_heads // tensor)) * mixer.head_dim
    if isinstance(mixer, LatentAttention):
        return -(-mixer.heads // tensor) * (mixer.head_dim + mixer.value_dim)
    return 0


def _state(mixer: Mixer | None, tensor: int) -> int:
    if not isinstance(mixer, Mamba):
        return 0
    recurrent = mixer.width * mixer.state * mixer.state_bytes
    convolved = mixer.convolved * (mixer.kernel - 1) * _STATE_BYTES
    return -(-(recurrent + convolved) // tensor)
