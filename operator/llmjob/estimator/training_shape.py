"""An architecture's blocks as one rank of a training job sees them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from math import ceil
from typing import Final

from llmjob.estimator.architecture import Architecture
from llmjob.estimator.block import Attention, Block, LatentAttention, Mamba
from llmjob.estimator.training_block import BlockShape
from llmjob.estimator.weight import Weight

_ALL_LINEAR: Final = "alllinear"
_ROLES: Final[Mapping[str, str]] = {
    "q_proj": "q", "k_proj": "k", "v_proj": "v", "o_proj": "o",
    "gate_proj": "gate", "up_proj": "up", "down_proj": "down",
}  # fmt: skip
# What families call their linears, by the names that an architecture's weights carry.
_QKV: Final = ("q_proj", "k_proj", "v_proj")
_OTHER_NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "query_key_value": _QKV, "Wqkv": _QKV, "c_attn": _QKV, "W_pack": _QKV, "qkv_proj": _QKV,
    "dense": ("o_proj",), "out_proj": ("o_proj",), "c_proj": ("o_proj", "down_proj"),
    "gate_up_proj": ("gate_proj", "up_proj"), "w1": ("up_proj",), "w2": ("gate_proj",),
    "fc1": ("up_proj",), "c_fc": ("up_proj",), "dense_h_to_4h": ("up_proj",),
    "fc2": ("down_proj",), "dense_4h_to_h": ("down_proj",),
}  # fmt: skip


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
    architecture: Architecture,
    *,
    targets: Sequence[str],
    rank: int,
    tensor: int,
    pipeline: int,
    sequence_parallel: bool = False,
) -> tuple[TrainedBlock, ...]:
    """The runs of blocks of the fullest pipeline stage, first block first; degrees of parallelism are at least 1.

    Equal runs are one object, however often they alternate with others.
    `sequence_parallel`: shapes keep their full widths, because ranks share out tokens instead.
    """
    hidden, width_ranks = architecture.hidden_size, 1 if sequence_parallel else tensor
    made: dict[tuple[int, int], TrainedBlock] = {}
    blocks = []
    for run in architecture.layers:
        key = (id(run.block), -(-run.count // pipeline))
        if key not in made:
            trained = _trained(run.block, hidden, tuple(targets), rank, tensor, width_ranks)
            made[key] = replace(trained, count=key[1])
        blocks.append(made[key])
    return tuple(blocks)


def leaf(module: str) -> str:
    """The last part of a module's path."""
    return module.rsplit(".", 1)[-1]


def module_names(architecture: Architecture) -> frozenset[str]:
    """The last parts of all modules' paths; a tied head is a module too."""
    blocks = (weight.name for run in architecture.layers for weight in run.block.weights)
    outside = (weight.name for weight in (*architecture.embedding, *architecture.head))
    return frozenset(leaf(name) for name in (*blocks, *outside, "lm_head"))


def saved_elements(architecture: Architecture, names: Sequence[str], tensor: int = 1) -> int:
    """Elements on one rank of the modules that PEFT copies whole to train them (`modules_to_save`).

    Matched by the last part of a module's path; a head that is tied to the embedding is as large as that.
    """
    leaves = {leaf(name) for name in names}
    outside = [*architecture.embedding, *architecture.head]
    total = sum(weight.elements for weight in outside if leaf(weight.name) in leaves)
    if architecture.tied and "lm_head" in leaves:
        total += architecture.embedding[0].elements
    for run in architecture.layers:
        total += run.count * sum(weight.elements for weight in run.block.weights if leaf(weight.name) in leaves)
    return ceil(total / tensor)


def role(weight: Weight, block: Block) -> str:
    """What a linear does in its block: q, k, v, qkv, o, gate, up, gate_up, down, or "" for anything else."""
    found = _ROLES.get(leaf(weight.name), "")
    if found in {"q", "k", "v"} and isinstance(block.mixer, Attention) and block.mixer.fused_qkv:
        return "qkv"
    if found in {"gate", "up"} and block.feed_forward is not None and block.feed_forward.fused_gate_up:
        return "gate_up"
    return found


def targeted(weight: Weight, targets: Sequence[str]) -> bool:
    """Whether an adapter on `targets` (module names of any family, or all-linear) trains this weight.

    Experts are not linears: their weights are one tensor.
    """
    if not weight.linear or weight.inputs == 1 or weight.copies > 1:
        return False
    name = leaf(weight.name)
    for target in targets:
        if target.replace("-", "").replace("_", "").casefold() == _ALL_LINEAR:
            return True
        last = leaf(target)
        if name == last or name in _OTHER_NAMES.get(last, ()):
            return True
    return False


@lru_cache(maxsize=1024)
def _trained(
    block: Block, hidden: int, targets: tuple[str, ...], rank: int, tensor: int, width_ranks: int
) -> TrainedBlock:
    matrices = others = adapters = largest = down = 0
    adapted = set()
    for weight in block.weights:
        matrix, bias = weight.on_rank(tensor)
        name = role(weight, block)
        if weight.linear and weight.inputs > 1:
            matrices += matrix
            others += bias
            largest = max(largest, matrix // weight.copies)
        else:
            others += matrix + bias
        if name == "down":
            down += matrix
        if targeted(weight, targets):
            # Linears fused into one matrix share one A.
            shares = name in {"qkv", "gate_up"} and name in adapted
            adapters += rank * (weight.outputs + (0 if shares else weight.inputs))
            adapted.add(name)
    return TrainedBlock(
        count=1,
        shape=_shape(block, hidden, width_ranks),
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
        # Falcon's: the one key head lies in the fused projection and is broadcast by copies.
        expands_keys=fused_qkv and rotary and key_heads == 1,
        fused_gate_up=bool(feed_forward and feed_forward.fused_gate_up),
        routed=experts.top_k if experts else 0,
        expert_width=ceil(experts.width / tensor) if experts else 0,
        latent=latent,
        state=state,
    )
