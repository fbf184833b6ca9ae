"""The KV cache of one sequence in vLLM's pages, bytes on one rank.

A layer keeps whole pages of `block_size` tokens. Where layers keep different lengths, vLLM deals them into groups of
equal size that share page numbers, and pads each kind up to a multiple of it. Source: vllm/v1/kv_cache_interface.py and
vllm/v1/core/kv_cache_utils.py (v0.19); inside the rounding of the log on every measured single-stage H100 row.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from llmjob.estimator.architecture import Architecture
from llmjob.estimator.block import Attention, LatentAttention, Mamba, Mixer, Reach, Run
from llmjob.estimator.pipeline import stages

BLOCK_SIZE: Final = 16
"""Tokens of a page where nothing else is asked for (vLLM's --block-size)."""
_GROUP_RATIO: Final = Fraction(3, 2)
_SPARSE_LATENT: Final = 656
"""Bytes per token of fp8_ds_mla: 512 FP8 latents, four FP32 scales, 64 rotary elements in 16 bit."""
_INDEX_SCALE: Final = 4
"""Bytes of the FP32 scale beside the indexer's FP8 key."""
_STATE_ELEMENT: Final = 2
"""Bytes of an element of a convolution's state, kept in the model's 16-bit dtype."""
_ELEMENT: Final = {"FP32": 4, "FP16": 2, "BF16": 2, "FP8": 1, "INT8": 1}


@dataclass(frozen=True, slots=True)
class _Kind:
    """What a layer keeps: bytes per token over a reach, or one state of `state` bytes per sequence."""

    token: int = 0
    reach: Reach = Reach.FULL
    window: int = 0
    state: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Pages:
    """How an engine pages. `step` is max_num_batched_tokens, `kv_dtype` a canonical dtype or vLLM's fp8_ds_mla.

    `hybrid` False: windows are ignored and every layer keeps the whole sequence (vLLM before 0.10, or its hybrid
    manager switched off). `group_ratio`: kinds whose counts are closer than this are not split further (1.25 in earlier
    versions). `states`: recurrent states kept per sequence (two with prefix caching).
    """

    step: int
    kv_dtype: str = "BF16"
    block_size: int = BLOCK_SIZE
    tensor: int = 1
    pipeline: int = 1
    decode_context: int = 1
    hybrid: bool = True
    group_ratio: Fraction = _GROUP_RATIO
    states: int = 1

    @property
    def element(self) -> int:
        """Bytes of an element of K and V."""
        return 1 if self.kv_dtype.casefold().startswith("fp8") else _ELEMENT[self.kv_dtype]


def kv_cache_bytes(architecture: Architecture, tokens: int, pages: Pages, number: int = 1) -> int:
    """Bytes that `number` sequences of `tokens` each take on the fullest rank, at once and in one step.

    A step's tokens are shared out among them: no two can be a whole step beyond their windows. vLLM's log of the
    concurrency counts otherwise, a whole step for every sequence: that is `number` times the bytes of one.
    """
    return max(_stage_bytes(stage, tokens, pages, number) for stage in stages(architecture, pages.pipeline))


def kv_bytes_per_token(architecture: Architecture, pages: Pages) -> int | None:
    """Bytes per token on the fullest rank; None where the cache does not grow linearly with the tokens."""
    found = []
    for stage in stages(architecture, pages.pipeline):
        kinds = _kinds(stage, pages)
        if any(kind.state or kind.reach is not Reach.FULL for kind in kinds):
            return None
        found.append(sum(kind.token * count for kind, count in kinds.items()))
    return -(-max(found) // pages.decode_context)


def _kinds(layers: Iterable[Run], pages: Pages) -> Counter[_Kind]:
    kinds: Counter[_Kind] = Counter()
    for run in layers:
        for kind in _kept(run.block.mixer, pages):
            kinds[kind] += run.count
    return kinds


def _kept(mixer: Mixer | None, pages: Pages) -> tuple[_Kind, ...]:
    if isinstance(mixer, Attention) and not mixer.shared_kv:
        token = 2 * -(-mixer.kv_heads // pages.tensor) * mixer.head_dim * pages.element
        if mixer.window is None or not pages.hybrid:
            return (_Kind(token),)
        return (_Kind(token, mixer.reach, mixer.window),)
    if isinstance(mixer, LatentAttention):
        return _latent(mixer, pages)
    if isinstance(mixer, Mamba):
        return (_Kind(state=_state(mixer, pages)),)
    return ()


def _latent(mixer: LatentAttention, pages: Pages) -> tuple[_Kind, ...]:
    sparse = pages.kv_dtype == "fp8_ds_mla" or (mixer.index_dim and pages.element == 1)
    kinds = [_Kind(_SPARSE_LATENT if sparse else mixer.cached * pages.element)]
    if mixer.index_dim:
        kinds.append(_Kind(mixer.index_dim + _INDEX_SCALE))
    return tuple(kinds)


def _state(mixer: Mamba, pages: Pages) -> int:
    """A rank's share of the recurrent state and of the convolution's last inputs."""
    recurrent = mixer.width * mixer.state * mixer.state_bytes
    convolved = mixer.convolved * (mixer.kernel - 1) * _STATE_ELEMENT
    return -(-(recurrent + convolved) // pages.tensor)


def _stage_bytes(layers: Sequence[Run], tokens: int, pages: Pages, number: int) -> int:
    kinds = _kinds(layers, pages)
    if not kinds:
        return 0
    if len({(kind.reach, kind.window, bool(kind.state)) for kind in kinds}) == 1:
        return sum(
            count * _pages(kind, tokens, pages.block_size, pages, number) * _page(kind, pages.block_size)
            for kind, count in kinds.items()
        )
    sizes = _shared_page(kinds, pages.block_size)
    page = max(_page(kind, sizes[kind]) for kind in kinds)
    group = _group(kinds.values(), pages.group_ratio)
    return sum(
        -(-count // group) * group * _pages(kind, tokens, sizes[kind], pages, number) * page
        for kind, count in kinds.items()
    )


def _page(kind: _Kind, block: int) -> int:
    return kind.state or kind.token * block


def _pages(kind: _Kind, tokens: int, block: int, pages: Pages, number: int) -> int:
    """Pages of all sequences."""
    if kind.state:
        return number * pages.states
    if kind.reach is Reach.FULL:
        held = -(-tokens // pages.decode_context)
        return number * -(-held // block)
    # A window may begin and end within a page.
    window, more = (kind.window - 1, 1) if kind.reach is Reach.SLIDING else (kind.window, 0)
    alone = -(-min(window + pages.step, tokens) // block) + more
    shared = number * (-(-window // block) + more) + -(-pages.step // block)
    return min(number * alone, shared)


def _shared_page(kinds: Iterable[_Kind], block: int) -> dict[_Kind, int]:
    """Tokens of a page for each kind, so that pages become equally large.

    Kinds with fewer bytes per token take more tokens, a whole number of times; where a recurrent state is larger than
    the largest page, pages grow by `block` tokens until it fits.
    """
    kinds = tuple(kinds)
    token = max((kind.token for kind in kinds), default=0)
    state = max((kind.state for kind in kinds), default=0)
    if token and state > token * block:
        block *= -(-state // (token * block))
    return {kind: block * (token // kind.token) if kind.token and token % kind.token == 0 else block for kind in kinds}


def _group(counts: Iterable[int], ratio: Fraction) -> int:
    """Layers of a group: the rarer kind's number, but the commoner's where the two are close."""
    counts = tuple(counts)
    smallest, largest = min(counts), max(counts)
    return largest if largest < ratio * smallest else smallest
