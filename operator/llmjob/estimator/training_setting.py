"""Every setting of a fine-tuning job that memory depends on, resolved: as stated, or one plausible value of several."""

from dataclasses import dataclass
from fractions import Fraction

from llmjob.estimator.training_block import Kernel


@dataclass(frozen=True, slots=True, kw_only=True)
class Elements:
    """Bytes of an element: of base `matrices` and of `others` at rest, of the residual `stream`, of `compute`.

    `gathered`: of a sharded parameter while its unit is whole (0: nothing is sharded). `autocast`: linears cast.
    """

    matrices: Fraction
    others: int
    stream: int = 2
    compute: int = 2
    autocast: bool = False
    gathered: int = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Optimizer:
    """Bytes per trainable parameter: its `gradient`, its `states` (masters included), `copies` at the step."""

    gradient: int
    states: Fraction
    copies: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Shards:
    """How many ranks share the weights, the gradients and the states of one replica."""

    weights: int = 1
    gradients: int = 1
    states: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Logits:
    """Bytes per token and vocabulary entry: `forward` at the loss, `backward` in the loss's backward, `held` after."""

    forward: Fraction
    backward: Fraction
    held: Fraction = Fraction(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One fine-tuning step, nothing left open. Lengths in tokens; degrees of parallelism at least 1.

    `kept_share`: of what blocks keep, the part that lives until their backward (0 under full checkpointing).
    `masks_windows`: a window shorter than the sequence needs a mask, which SDPA's flash kernel does not take.
    `gathers_root`: embedding and head are one sharded unit, whole through forward and backward.
    `sequence_parallel`: tensor ranks share out the tokens where they do not share the widths.
    `saved`: modules trained in full beside an adapter, as copies. `magnitudes`: DoRA's vectors. `accumulates`:
    gradients of earlier micro-batches live on. `buckets`: DDP's copies. `keeps_gradients`: until the step; else each
    leaves the GPU, or is used up, as soon as it is whole, but for `bucket` elements that are on their way.
    """

    elements: Elements
    optimizer: Optimizer
    logits: Logits
    batch: int
    length: int
    trains_base: bool
    quantized: bool = False
    adapter_bytes: int = 4
    adapter_rank: int = 0
    adapter_dropout: bool = False
    targets: tuple[str, ...] = ()
    saved: tuple[str, ...] = ()
    magnitudes: bool = False
    attention: Kernel = Kernel.FLASH
    masks_windows: bool = True
    kept_share: Fraction = Fraction(1)
    accumulates: bool = False
    buckets: bool = False
    keeps_gradients: bool = True
    bucket: int = 0
    shards: Shards = Shards()
    gathers_root: bool = True
    tensor: int = 1
    sequence_parallel: bool = False
    pipeline: int = 1
    offload: frozenset[str] = frozenset()

    @property
    def tokens(self) -> int:
        return self.batch * self.length
