"""An architecture's blocks as one rank of a training job sees them."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Final

from llmjob.estimator.architecture import Architecture
from llmjob.estimator.block import Attention, Block, LatentAttention, Mamba
from llmjob.estimator.training_block import BlockShape
from llmjob.estimator.weight import Split, Weight

_ALL_LINEAR: Final = "alllinear"
_ATTENTION_PATHS: Final = ("attn", "attention", "self_attention", "self_attn", "mixer")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainedBlock:
    """`count` equal blocks of a rank: elements of `matrices` (what a quantiser converts), `others`, `adapters`.

    `adapted`: the roles that have an adapter; `down`: elements of the matrix whose gradient comes first; `window` in
    tokens where attention slides.
    """

    count: int
    shape: BlockShape
    matrices: int
    others: int
    adapters: int
    adapted: frozenset[str]
    largest: int
    down: int
    window: int | None


def trained_blocks(
    architecture: Architecture, *, targets: Sequence[str], rank: int, tensor: int, pipeline: int
) -> tuple[TrainedBlock, ...]:
    """The runs of blocks of the fullest pipeline stage, first block first; degrees of parallelism are at least 1."""
    return tuple(
        _trained(run.block, ceil(run.count / pipeline), architecture.hidden_size, targets, rank, tensor)
        for run in architecture.layers
    )


def role(weight: Weight) -> str:
    """What a linear does in its block: q, k, v, qkv, o, gate, up, gate_up, down, or "" for anything else."""
    path = weight.name.split(".")
    leaf = path[-1]
    in_attention = any(part in _ATTENTION_PATHS for part in path[:-1])
    if weight.split is Split.INPUTS:
        return "o" if in_attention else "down"
    if in_attention:
        first = leaf[:1]
        return first if leaf in {"q_proj", "k_proj", "v_proj"} else "qkv"
    if weight.split is not Split.OUTPUTS:
        return ""
    return {"gate_proj": "gate", "gate_up_proj": "gate_up"}.get(leaf, "up")


def targeted(weight: Weight, targets: Sequence[str]) -> bool:
    """Whether an adapter on `targets` (module names, or all-linear) trains this weight; experts are not linears."""
    if not weight.linear or weight.inputs == 1 or weight.copies > 1:
        return False
    leaf = weight.name.rsplit(".", 1)[-1]
    for target in targets:
        if target.replace("-", "").replace("_", "").casefold() == _ALL_LINEAR:
            return True
        if target in (leaf, weight.name) or weight.name.endswith("." + target):
            return True
    return False


def _trained(block: Block, count: int, hidden: int, targets: Sequence[str], rank: int, tensor: int) -> TrainedBlock:
    matrices = others = adapters = largest = down = 0
    adapted = set()
    for weight in block.weights:
        matrix, bias = weight.on_rank(tensor)
        if weight.linear and weight.inputs > 1:
            matrices += matrix
            others += bias
            largest = max(largest, matrix // weight.copies)
        else:
            others += matrix + bias
        if weight.inputs > 1 and role(weight) == "down":
            down += matrix
        if targeted(weight, targets):
            adapted.add(role(weight))
            adapters += rank * (weight.outputs + weight.inputs)
    return TrainedBlock(
        count=count,
        shape=_shape(block, hidden, tensor),
        matrices=matrices,
        others=others,
        adapters=ceil(adapters / tensor),
        adapted=frozenset(adapted - {""}),
        largest=largest,
        down=down,
        window=block.mixer.window if isinstance(block.mixer, Attention) else None,
    )


def _shape(block: Block, hidden: int, tensor: int) -> BlockShape:
    mixer, feed_forward, experts = block.mixer, block.feed_forward, block.experts
    heads = query = key = value = context = latent = state = key_heads = 0
    qk_norm = fused_qkv = softcapped = rotary = partial = False
    if isinstance(mixer, Attention):
        heads, key_heads = ceil(mixer.heads / tensor), ceil(mixer.kv_heads / tensor)
        query, key = heads * mixer.head_dim, key_heads * mixer.head_dim
        value, context = key, query
        qk_norm, fused_qkv, softcapped = mixer.qk_norm, mixer.fused_qkv, mixer.softcapped
        rotary, partial = mixer.rotary_dim > 0, 0 < mixer.rotary_dim < mixer.head_dim
    elif isinstance(mixer, LatentAttention):
        heads = key_heads = ceil(mixer.heads / tensor)
        query = key = heads * mixer.head_dim
        value = context = heads * mixer.value_dim
        latent = mixer.kv_rank + (mixer.q_rank or 0)
        rotary = True
    elif isinstance(mixer, Mamba):
        state = ceil((2 * mixer.convolved + 3 * mixer.width) / tensor)
    gated = feed_forward.gated if feed_forward else (experts.gated if experts else True)
    width = ceil(feed_forward.width / tensor) if feed_forward else 0
    activation = feed_forward.activation if feed_forward else (experts.activation if experts else "silu")
    return BlockShape(
        hidden=hidden,
        heads=heads,
        query=query,
        key=key,
        value=value,
        context=context,
        key_heads=key_heads,
        feed_forward=width + (ceil(experts.shared_width / tensor) if experts else 0),
        gated=gated,
        norm=block.norm,
        norms=block.norms,
        post_norms=block.post_norms,
        parallel=block.parallel,
        qk_norm=qk_norm,
        rotary=rotary,
        partial_rotary=partial,
        softcapped=softcapped,
        dropouts=block.dropouts,
        activation=activation,
        fused_qkv=fused_qkv,
        fused_gate_up=bool(feed_forward and feed_forward.fused_gate_up),
        routed=experts.top_k if experts else 0,
        expert_width=ceil(experts.width / tensor) if experts else 0,
        latent=latent,
        state=state,
    )
