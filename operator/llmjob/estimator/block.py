"""What a model's layers are made of: mixers (attention or a recurrent state), feed-forwards, norms, and their weights.

Widths are elements per token, lengths tokens.
"""

from dataclasses import dataclass
from enum import StrEnum

from llmjob.estimator.weight import Weight


class Reach(StrEnum):
    """Which earlier tokens an attention layer keeps."""

    FULL = "Full"
    SLIDING = "Sliding"
    CHUNKED = "Chunked"


class Norm(StrEnum):
    """How a model normalises: RMS, Gemma (RMS whose weight is applied in FP32), Layer (torch's LayerNorm)."""

    RMS = "RMS"
    GEMMA = "Gemma"
    LAYER = "Layer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attention:
    """Softmax attention with its own K and V per head; `window` in tokens for Sliding and Chunked.

    `shared_kv`: it reads another layer's cache and stores none. `rotary_dim` 0: no rotary embedding.
    """

    heads: int
    kv_heads: int
    head_dim: int
    reach: Reach = Reach.FULL
    window: int | None = None
    rotary_dim: int = 0
    qk_norm: bool = False
    softcapped: bool = False
    bias: bool = False
    fused_qkv: bool = False
    sinks: bool = False
    shared_kv: bool = False

    @property
    def query(self) -> int:
        return self.heads * self.head_dim

    @property
    def key(self) -> int:
        return self.kv_heads * self.head_dim

    @property
    def value(self) -> int:
        return self.kv_heads * self.head_dim

    @property
    def context(self) -> int:
        """Width of attention's output before its projection."""
        return self.heads * self.head_dim


@dataclass(frozen=True, slots=True, kw_only=True)
class LatentAttention:
    """Multi-head latent attention (MLA): the cache holds one latent of `kv_rank` and one rotary key for all heads.

    `index_dim` and `index_heads`: the sparse-attention indexer, which keeps a key of its own per token (0: none).
    """

    heads: int
    kv_rank: int
    nope_dim: int
    rope_dim: int
    value_dim: int
    q_rank: int | None = None
    index_heads: int = 0
    index_dim: int = 0

    @property
    def head_dim(self) -> int:
        return self.nope_dim + self.rope_dim

    @property
    def kv_heads(self) -> int:
        return self.heads

    @property
    def query(self) -> int:
        return self.heads * self.head_dim

    @property
    def key(self) -> int:
        """Width of the expanded keys; the cache holds `cached` instead."""
        return self.heads * self.head_dim

    @property
    def value(self) -> int:
        return self.heads * self.value_dim

    @property
    def context(self) -> int:
        return self.heads * self.value_dim

    @property
    def cached(self) -> int:
        """Elements kept per token, whatever the number of heads."""
        return self.kv_rank + self.rope_dim


@dataclass(frozen=True, slots=True, kw_only=True)
class Mamba:
    """A Mamba-2 mixer: one state per sequence instead of a cache that grows; `state_bytes` per element of it."""

    heads: int
    head_dim: int
    state: int
    groups: int
    kernel: int
    state_bytes: int = 4

    @property
    def width(self) -> int:
        return self.heads * self.head_dim

    @property
    def convolved(self) -> int:
        """Channels of the causal convolution."""
        return self.width + 2 * self.groups * self.state


Mixer = Attention | LatentAttention | Mamba


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedForward:
    """A dense MLP of `width`; gated ones have three matrices, plain ones two."""

    width: int
    gated: bool = True
    activation: str = "silu"
    bias: bool = False
    fused_gate_up: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Experts:
    """A mixture of experts: `count` of `width`, `top_k` a token, and what every token passes (`shared_width`)."""

    count: int
    top_k: int
    width: int
    shared_width: int = 0
    gated: bool = True
    activation: str = "silu"


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One layer. `norms` before its parts and `post_norms` after them, each as wide as the hidden state.

    `parallel`: mixer and feed-forward read the same normalised input. `dropouts` of hidden width act in training.
    """

    mixer: Mixer | None
    feed_forward: FeedForward | None
    experts: Experts | None
    weights: tuple[Weight, ...]
    norm: Norm = Norm.RMS
    norms: int = 2
    post_norms: int = 0
    parallel: bool = False
    dropouts: int = 0

    @property
    def parameters(self) -> int:
        return sum(weight.elements for weight in self.weights)

    @property
    def active_parameters(self) -> int:
        """Parameters that one token uses: of the experts only the chosen ones."""
        if self.experts is None:
            return self.parameters
        chosen, count = self.experts.top_k, self.experts.count
        return sum(
            weight.elements // weight.copies * chosen if weight.copies == count and count > 1 else weight.elements
            for weight in self.weights
        )


@dataclass(frozen=True, slots=True)
class Run:
    """`count` equal blocks one after the other."""

    block: Block
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoder:
    """A multimodal part (a vision tower with its projector): loaded with the model, used before its first layer.

    `tokens`: the most tokens of one item (an image) that the language model gets, None where the config does not say.
    `levels`: how many of its layers feed the language model besides its output (DeepStack).
    """

    kind: str
    hidden_size: int
    layers: int
    parameters: int
    tokens: int | None = None
    levels: int = 0
