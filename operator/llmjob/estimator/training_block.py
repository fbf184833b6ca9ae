"""What one block keeps for its backward, and the most its backward needs besides: bytes on one GPU.

The operators are those of Hugging Face's modelling code. What each saves is what PyTorch's autograd saves: a linear its
input (where its weight trains), an RMSNorm its input in FP32 and the normalised value, SDPA q, k, v, its output and a
log-sum-exp, an activation its input, a product both factors. Checked against training steps run on shapes alone
(FakeTensor; transformers 5.23, PEFT 0.21), which agree with GPU runs within 0.06 %.
"""

from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from llmjob.estimator.block import Norm


class Kernel(StrEnum):
    """What computes attention, and so what it keeps."""

    FLASH = "Flash"
    EFFICIENT = "Efficient"
    PADDED = "Padded"
    EAGER = "Eager"


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockShape:
    """One block as training sees it. Widths are elements per token; `fused` linears share one matrix and one input."""

    hidden: int
    heads: int
    query: int
    key: int
    value: int
    context: int
    feed_forward: int
    gated: bool
    norm: Norm = Norm.RMS
    norms: int = 2
    parallel: bool = False
    post_norms: int = 0
    qk_norm: bool = False
    partial_rotary: bool = False
    rotary: bool = True
    softcapped: bool = False
    dropouts: int = 0
    activation: str = "silu"
    fused_qkv: bool = False
    key_heads: int = 1
    expands_keys: bool = False
    fused_gate_up: bool = False
    routed: int = 0
    expert_width: int = 0
    latent: int = 0
    state: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Numerics:
    """Bytes of an element: `stream` of the residual stream, `compute` of the linears' inputs and outputs.

    `autocast`: linears cast what they are given; `trains_base`: base weights have gradients; `saves_input`: frozen
    linears keep their input all the same (bitsandbytes); `adapted`: linears with an adapter, by role (q, k, v, o, gate,
    up, down); `adapter` its bytes per element.
    """

    stream: int = 2
    compute: int = 2
    autocast: bool = False
    trains_base: bool = True
    saves_input: bool = False
    adapted: frozenset[str] = frozenset()
    rank: int = 0
    adapter: int = 4
    dropout: bool = False
    attention: Kernel = Kernel.FLASH


@dataclass(frozen=True, slots=True)
class Cost:
    """Bytes = `token` × tokens + (`score` × heads + `mask`) × batch × length²."""

    token: int = 0
    score: int = 0
    mask: int = 0


@lru_cache(maxsize=256)
def kept(block: BlockShape, numerics: Numerics) -> Cost:
    """What one block keeps from its forward to its backward, its input not counted (see `boundary`)."""
    token = _norms(block, numerics) + _attention(block, numerics) + _feed_forward(block, numerics)
    token += block.dropouts * block.hidden
    return Cost(token, _scores(block, numerics), 2 if numerics.attention is Kernel.PADDED else 0)


@lru_cache(maxsize=256)
def backward_of_feed_forward(block: BlockShape, numerics: Numerics) -> Cost:
    """The most that lives in the feed-forward's backward: all that was kept and the gradients of its products.

    A gated one holds three gradients of its width at once, and has given back the product whose gradient it has.
    """
    whole = kept(block, numerics)
    c, trains = numerics.compute, numerics.trains_base or numerics.saves_input
    gradients = 3 if block.gated else 2
    inner = (gradients - trains) * c * block.feed_forward
    inner += block.routed * ((gradients - trains) * c * block.expert_width + c * block.hidden)
    return Cost(whole.token + inner + numerics.stream * block.hidden, whole.score, whole.mask)


@lru_cache(maxsize=256)
def backward_of_attention(block: BlockShape, numerics: Numerics) -> Cost:
    """The most that lives in attention's backward, once the feed-forward has given back what it kept.

    Eager attention holds a gradient of the scores in FP32 and one in the compute dtype, and keeps softmax's output.
    """
    c = numerics.compute
    token = _norm(block.hidden, block.norm, numerics) + _attention(block, numerics)
    token += 2 * c * block.context + c * (block.query + block.key + block.value) + numerics.stream * block.hidden
    score = _scores(block, numerics)
    if score:
        score += 4 + c + (c if numerics.autocast else 0)
        # A base prepared for k-bit training computes its scores' gradients in FP32 throughout.
        score += 4 if numerics.saves_input and numerics.stream != c else 0
    return Cost(token, score, 2 if numerics.attention is Kernel.PADDED else 0)


def boundary(block: BlockShape, numerics: Numerics) -> int:
    """Bytes per token of a block's input, all that full checkpointing keeps of it."""
    return numerics.stream * block.hidden


def _norms(block: BlockShape, numerics: Numerics) -> int:
    return sum(_norm(block.hidden, block.norm, numerics) for _ in range(block.norms + block.post_norms))


def _norm(width: int, norm: Norm, numerics: Numerics) -> int:
    if norm is Norm.LAYER:
        return (4 if numerics.autocast else numerics.stream) * width
    normalised = 0
    if numerics.trains_base:
        normalised = 4 if norm is Norm.GEMMA else numerics.stream
    return (4 + normalised) * width


def _linears(roles: tuple[str, ...], width: int, given: int, numerics: Numerics, *, already: bool = False) -> int:
    """Input of linears that share it: `width` elements of `given` bytes; `already` where another operator keeps it."""
    casts = numerics.autocast and given != numerics.compute
    saving = numerics.trains_base or numerics.saves_input
    total = 0
    if saving and casts:
        total += len(roles) * numerics.compute * width
    elif saving and not already:
        total += given * width
        already = True
    for role in roles:
        if role not in numerics.adapted:
            continue
        if numerics.autocast:
            total += numerics.compute * (width + numerics.rank)
            continue
        if numerics.adapter != given or numerics.dropout:
            total += numerics.adapter * width
        elif not already:
            total += given * width
            already = True
        total += numerics.adapter * numerics.rank
    return total


def _attention(block: BlockShape, numerics: Numerics) -> int:
    c = numerics.compute
    if block.state:
        return c * block.state + _linears(("in",), block.hidden, numerics.stream, numerics)
    roles = ("qkv",) if block.fused_qkv else ("q", "k", "v")
    normed = 4 if numerics.autocast and block.norm is Norm.LAYER else numerics.stream
    total = _linears(roles, block.hidden, normed, numerics)
    if block.qk_norm:
        total += _norm(block.query + block.key, block.norm, _as_compute(numerics))
    # A latent is kept as projected, in FP32 for its norm and as that norm's output.
    total += c * _attended(block, numerics) + (2 * c + 4) * block.latent
    if numerics.attention is Kernel.EAGER:
        return total + _linears(("o",), block.context, c, numerics)
    total += c * block.context + 4 * block.heads
    if block.partial_rotary and numerics.trains_base and numerics.attention is Kernel.FLASH:
        total += 2 * c * block.hidden // 2
    return total + _linears(("o",), block.context, c, numerics, already=True)


def _attended(block: BlockShape, numerics: Numerics) -> int:
    """Elements of q, k and v as the attention kernel keeps them."""
    flash = numerics.attention is Kernel.FLASH
    # One key head is broadcast by a view; casting it copies. Falcon's kernel call broadcasts by copies.
    casts = numerics.autocast and numerics.stream != numerics.compute
    viewed = block.key_heads == 1 and numerics.attention is not Kernel.EAGER and not casts and not block.expands_keys
    expanded = block.expands_keys if flash else not viewed
    if expanded:
        return 2 * block.query + block.context
    kept = block.query + block.key + block.value
    # v is a slice of the fused projection and keeps all of it alive; rotated q and k are copies.
    return kept + (block.query + block.key if block.fused_qkv and block.rotary and flash else 0)


def _as_compute(numerics: Numerics) -> Numerics:
    return Numerics(stream=numerics.compute, trains_base=numerics.trains_base)


def _scores(block: BlockShape, numerics: Numerics) -> int:
    if numerics.attention is not Kernel.EAGER:
        return 0
    return (4 + numerics.compute) + (numerics.compute if block.softcapped else 0)


def _feed_forward(block: BlockShape, numerics: Numerics) -> int:
    c = numerics.compute
    normed = 4 if numerics.autocast and block.norm is Norm.LAYER else numerics.stream
    total = 0
    if block.feed_forward:
        # A parallel block's one norm feeds both attention and feed-forward.
        shared = block.parallel and not (numerics.autocast and normed != c)
        roles = ("gate_up",) if block.fused_gate_up else (("gate", "up") if block.gated else ("up",))
        total += _linears(roles, block.hidden, normed, numerics, already=shared)
        total += _activated(block, block.feed_forward, numerics)
        down_kept = not block.gated and block.activation == "relu"
        total += _linears(("down",), block.feed_forward, c, numerics, already=down_kept)
    if block.routed:
        # Every routed token: its gathered input, gate, up, activation and product, and the output before weighting.
        gathered = c * block.hidden if numerics.trains_base else 0
        total += gathered
        product = c * block.expert_width if numerics.trains_base else 0
        inner = 3 * c * block.expert_width
        total += block.routed * (gathered + inner + product + c * block.hidden)
    return total


def _activated(block: BlockShape, width: int, numerics: Numerics) -> int:
    c = numerics.compute
    if block.gated:
        return 3 * c * width
    if block.activation == "relu":
        return c * width
    if block.activation == "gelu_new":
        # x, x/2, tanh and 1 + tanh of the composite formula; pow runs in FP32 under autocast.
        return (c + (3 * 4 if numerics.autocast else 3 * c)) * width
    return c * width
