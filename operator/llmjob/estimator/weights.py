"""The weights that one GPU of the worst rank holds, bytes.

What an engine holds is what the checkpoint stores, divided as the engine divides it, plus what every rank keeps whole:
rotary tables, and copies that kernels want in another form. Scored against 84 measured loads of vLLM (0.4 to 0.19):
benchmarks/accuracy, group vllm-weights.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from math import ceil
from typing import Final

from llmjob.estimator.architecture import Architecture
from llmjob.estimator.block import LatentAttention, Run
from llmjob.estimator.interval import Interval
from llmjob.estimator.pipeline import stages
from llmjob.estimator.quantization import (
    DTYPE_BYTES,
    QuantizationConfig,
    bytes_per_element,
    fewest_bytes,
    harshest,
    kindest,
    least,
    typical,
)
from llmjob.estimator.result import Basis
from llmjob.estimator.task import Parallelism
from llmjob.estimator.weight import Weight
from llmjob.quantity import MiB

# Measured loads against the formula, below and above: 42 logs of vLLM 0.4 to 0.19 in benchmarks/accuracy (28
# architectures). Logs are rounded to 0.01 GiB and hold whole allocator blocks; kernels repack some formats: the same
# MXFP4 model logs from 61.3 to 66.0 GiB.
_RESIDUAL: Final = (Fraction(1, 1000), Fraction(8, 1000))
_RESIDUALS: Final[Mapping[str, tuple[Fraction, Fraction]]] = {
    "INT8": (Fraction(1, 1000), Fraction(35, 1000)),
    "NF4": (Fraction(7, 100), Fraction(2, 100)),
    "MXFP4": (Fraction(2, 100), Fraction(8, 100)),
    "NVFP4": (Fraction(2, 100), Fraction(8, 100)),
    # No load of it is measured: the widest of those that are.
    "HQQ": (Fraction(7, 100), Fraction(8, 100)),
}
_ENCODER_RESIDUAL: Final = Fraction(25, 1000)
_BUFFERS: Final = 32 * MiB
"""Rotary tables of 32-bit positions, scales, rounding of the log."""
_TILE: Final = 256
"""Columns that MXFP4 kernels pad an expert's width to; some pad the hidden size as well (six loads of gpt-oss-20b)."""
_DEEPSTACK_TOKENS: Final = (0, 8192, 16384)
"""Tokens of one step that DeepStack buffers hold, least, usual, most (vLLM's max_num_batched_tokens by GPU)."""


@dataclass(frozen=True, slots=True)
class HeldWeights:
    """Bytes on one GPU of the worst rank, and how they are known."""

    memory: Interval
    basis: Basis


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stored:
    """How elements are stored: `plain` bytes of an unquantised one, `quantized` of a quantised one that no list names.

    `padded`: kernels pad an expert's width, and the hidden size.
    """

    plain: int
    quantized: Fraction
    config: QuantizationConfig | None
    tensor: int
    expert: int
    padded: tuple[bool, bool] = (False, False)

    def bytes_of(self, weight: Weight, prefix: str = "") -> Fraction | int:
        """One weight on the fullest rank; biases and norms stay plain."""
        matrix, bias = weight.on_rank(self.tensor, self.expert)
        config = self.config
        element = config.stored(weight.name, prefix, self.quantized) if config is not None and weight.linear else None
        if element is None:
            return self.plain * (matrix + bias)
        size = matrix * element
        if weight.copies > 1 and any(self.padded):
            size *= self._padding(weight)
        return size + self.plain * bias

    def _padding(self, weight: Weight) -> Fraction:
        """Factor by which kernels enlarge an expert's matrix: its width, and its hidden size."""
        hidden, width = weight.inputs, weight.outputs
        if weight.name.endswith("down_proj"):
            hidden, width = width, hidden
        share = width if self.expert > 1 else -(-width // self.tensor)
        factor = Fraction(1)
        for wanted, size in zip(self.padded, (share, hidden), strict=True):
            if wanted:
                factor *= Fraction(-(-size // _TILE) * _TILE, size)
        return factor


def quantization_in_force(
    architecture: Architecture, stated: str | QuantizationConfig | None
) -> QuantizationConfig | None:
    """What is stated, else the checkpoint's own; a stated method that is the checkpoint's own keeps its details."""
    own = architecture.quantization
    if stated is None or isinstance(stated, QuantizationConfig):
        return stated or own
    return own if own is not None and own.method == stated else typical(stated)


def weights(
    architecture: Architecture,
    *,
    dtype: str | None = None,
    quantization: str | QuantizationConfig | None = None,
    parallelism: Parallelism | None = None,
) -> HeldWeights:
    """Bytes on the worst rank under vLLM. `dtype` and `quantization` as stated (canonical); None: the checkpoint's own.

    Lower leaves out what only some engines keep (rotary tables, copies, padding), upper takes towers undivided.

    Raises:
        ValueError: when the stated quantisation is none whose element size is known.
    """
    degrees = parallelism or Parallelism()
    config = quantization_in_force(architecture, quantization)
    if config is None and quantization is not None:
        raise ValueError(f"quantisation {quantization!r} has no known size of an element")
    guessed = config is not None and config is not architecture.quantization
    plain = DTYPE_BYTES[dtype or architecture.dtype or "BF16"]
    ends = _ends(config, guessed=guessed)
    tiled = config is not None and config.method == "MXFP4"
    latent = any(isinstance(run.block.mixer, LatentAttention) for run in architecture.layers)
    # Counting each tensor of each layer is most of an estimate's work, and mostly the three ends are stored alike.
    worst = cache(lambda stored, copies: _worst(architecture, stored, degrees.pipeline, copies=copies))
    lower, expected, upper = (
        worst(
            _Stored(
                plain=plain,
                quantized=size,
                config=end,
                tensor=degrees.tensor,
                expert=_expert_ranks(degrees, widest=index == 0),
                padded=(tiled and index > 0, tiled and index > 1),
            ),
            latent and index > 0,
        )
        for index, (end, size) in enumerate(ends)
    )
    rotary = architecture.rotary_cache * plain
    tower = architecture.encoder_parameters * plain
    split = -(-tower // degrees.tensor)
    levels = sum(encoder.levels for encoder in architecture.encoders) * architecture.hidden_size * plain
    buffers = [tokens * levels for tokens in _DEEPSTACK_TOKENS]
    middle = expected + split + rotary + buffers[1]
    most = upper + tower + rotary + buffers[2]
    residuals = [_RESIDUALS.get(method, _RESIDUAL) for method in (config.methods if config else ("",))]
    below, above = map(max, zip(*residuals, strict=True))
    if architecture.multimodal:
        above = max(above, _ENCODER_RESIDUAL)
    memory = Interval(
        int((lower + split + buffers[0]) * (1 - below)),
        middle,
        max(ceil(most * (1 + _RESIDUAL[1])), ceil(middle * (1 + above)) + _BUFFERS),
    )
    return HeldWeights(memory, Basis.MODELLED if config is not None or tower else Basis.EXACT)


def _expert_ranks(degrees: Parallelism, *, widest: bool) -> int:
    """Ranks that whole experts are dealt to: as stated, or all that there are, over which vLLM spreads them anyway."""
    if degrees.expert == 1:
        return 1
    return max(degrees.expert, degrees.tensor, degrees.tensor * degrees.data if widest else 1)


def _ends(
    config: QuantizationConfig | None, *, guessed: bool
) -> tuple[tuple[QuantizationConfig | None, Fraction], ...]:
    """How weights are stored at the least, expectedly and at the most, with the bytes of a quantised element."""
    if config is None:
        return ((None, Fraction(0)),) * 3
    if guessed:
        return tuple((end, bytes_per_element(end)) for end in (kindest(config), config, harshest(config)))
    size = bytes_per_element(config)
    if config.open:
        return (least(config), fewest_bytes(config)), (config, size), (None, Fraction(0))
    return ((config, size),) * 3


def _worst(architecture: Architecture, stored: _Stored, pipeline: int, *, copies: bool) -> int:
    """The fullest stage, in whole bytes."""
    return ceil(
        max(
            sum((stored.bytes_of(weight) for weight in around), _blocks(layers, start, stored, copies=copies))
            for layers, start, around in _ranks(architecture, pipeline, head=bool(stored.config and stored.config.head))
        )
    )


def _blocks(layers: Iterable[Run], start: int, stored: _Stored, *, copies: bool) -> Fraction | int:
    total: Fraction | int = 0
    for run in layers:
        apart = run.count if stored.config is not None and stored.config.by_layer else 1
        for layer in range(start, start + apart):
            prefix = f"model.layers.{layer}."
            total += run.count // apart * sum(stored.bytes_of(weight, prefix) for weight in run.block.weights)
        if copies and isinstance(run.block.mixer, LatentAttention):
            total += run.count * _absorbed(run.block.mixer, stored)
        start += run.count
    return total


def _absorbed(mixer: LatentAttention, stored: _Stored) -> int:
    """Bytes of the second copy of kv_b_proj, split for decoding and never quantised.

    Source: process_weights_after_loading in vllm/v1/attention/backends/mla/common.py (W_UK_T and W_UV); without it two
    DeepSeek-R1 loads at tensor parallel 16 miss 0.12 GiB, with it 0.002.
    """
    heads = -(-mixer.heads // stored.tensor)
    return heads * (mixer.nope_dim + mixer.value_dim) * mixer.kv_rank * stored.plain


def _ranks(
    architecture: Architecture, pipeline: int, *, head: bool
) -> list[tuple[tuple[Run, ...], int, tuple[Weight, ...]]]:
    """Of every stage its layers, the number of its first one, and what surrounds them; `head`: it is quantised.

    The last stage holds the head, and a second copy of the embedding where they are tied.
    """
    found, start = [], 0
    for stage, layers in enumerate(stages(architecture, pipeline)):
        last = stage == pipeline - 1
        around: tuple[Weight, ...] = architecture.embedding if stage == 0 else ()
        if last:
            around += _head(architecture, alone=pipeline > 1, quantized=head)
        found.append((layers, start, around))
        start += sum(run.count for run in layers)
    return found


def _head(architecture: Architecture, *, alone: bool, quantized: bool) -> tuple[Weight, ...]:
    """The final norm and the output matrix; the matrix stays at the model's dtype unless its config says otherwise."""
    head = tuple(weight if quantized or not weight.linear else _plain(weight) for weight in architecture.head)
    return (*head, *architecture.embedding[:1]) if alone and architecture.tied else head


def _plain(weight: Weight) -> Weight:
    return Weight(weight.name, weight.outputs, weight.inputs, weight.bias, weight.split, linear=False)
