"""One training step as a ledger: what lives on the fullest rank at the loss, in the backward of a block, at the end
of backward and at the optimizer's step.

Components at an instant are that instant's own; what is offloaded lives on the host.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from math import ceil
from typing import Final

from llmjob.estimator.architecture import Architecture
from llmjob.estimator.ledger import Instant, Moment, corners
from llmjob.estimator.result import ComponentName
from llmjob.estimator.training_block import (
    Cost,
    Kernel,
    Numerics,
    backward_of_attention,
    backward_of_feed_forward,
    boundary,
    kept,
)
from llmjob.estimator.training_setting import Setting
from llmjob.estimator.training_shape import TrainedBlock, saved_elements, trained_blocks

# cuBLAS keeps two workspaces of 8.125 MiB (up to Ada) to 32 MiB (Hopper), as training steps run on shapes and 23 runs
# on GPUs allocate them; the smaller counts as sure.
_WORKSPACES: Final = 2 * 8_519_680


@dataclass(frozen=True, slots=True)
class _Outside:
    """Elements outside the blocks: `embedding`, `head` (0 where tied), and whether the head is the embedding."""

    embedding: int
    head: int
    encoders: int
    tied: bool


@dataclass(frozen=True, slots=True)
class _Run:
    """A run of equal blocks: what each keeps through its forward, and leaves between that and its backward; bytes."""

    block: TrainedBlock
    numerics: Numerics
    kept: int
    between: int


class Program:
    """The instants of one training step of an architecture under a setting."""

    def __init__(self, architecture: Architecture, setting: Setting) -> None:
        self.whole_tokens = setting.tokens
        if setting.sequence_parallel:
            setting = replace(setting, length=ceil(setting.length / setting.tensor))
        self.setting = setting
        self.hidden = architecture.hidden_size
        self.vocabulary = ceil(architecture.vocab_size / setting.tensor)
        self.blocks = trained_blocks(
            architecture,
            targets=setting.targets,
            rank=setting.adapter_rank,
            tensor=setting.tensor,
            pipeline=setting.pipeline,
            sequence_parallel=setting.sequence_parallel,
        )
        share = setting.tensor
        self.outside = _Outside(
            embedding=ceil(architecture.embedding_parameters / share),
            head=ceil(architecture.head_parameters / share),
            encoders=ceil(architecture.encoder_parameters / share),
            tied=architecture.tied,
        )
        self.saved = saved_elements(architecture, setting.saved, share) if setting.saved else 0
        # The first stage of a pipeline holds as many micro-batches as there are stages.
        self.in_flight = setting.pipeline
        distinct = {id(block): block for block in self.blocks}
        self._runs = {key: self._run(block) for key, block in distinct.items()}

    def _run(self, block: TrainedBlock) -> _Run:
        numerics = self._numerics(block)
        whole = self._bytes(kept(block.shape, numerics), block)
        return _Run(block, numerics, whole, self._left(block, numerics, whole))

    @cached_property
    def trainable(self) -> int:
        """Elements with a gradient on this rank, before sharding."""
        return self._adapters + (self._base if self.setting.trains_base else 0)

    def instants(self) -> Iterator[Instant]:
        """Every instant that can be the peak."""
        yield from self._loss()
        yield from self._backward()
        yield self._end_of_backward()
        yield self._step()

    # What is there all the time.

    @cached_property
    def _base(self) -> int:
        blocks = sum(block.count * (block.matrices + block.others) for block in self.blocks)
        return blocks + self.outside.embedding + self.outside.head

    @cached_property
    def _adapters(self) -> int:
        magnitudes = self.hidden if self.setting.magnitudes else 0
        adapters = sum(block.count * (block.adapters + magnitudes * len(block.adapted)) for block in self.blocks)
        return adapters + self.saved

    @cached_property
    def _weights(self) -> int:
        elements = self.setting.elements
        matrices = sum(block.count * block.matrices for block in self.blocks)
        others = sum(block.count * block.others for block in self.blocks)
        outside = self.outside.embedding + self.outside.head + self.outside.encoders
        whole = matrices * elements.matrices + (others + outside) * elements.others
        return ceil(whole / self.setting.shards.weights)

    @cached_property
    def _gathered(self) -> int:
        """The largest block, and the root unit where embedding and head are one, whole while they compute."""
        setting = self.setting
        if setting.shards.weights == 1 and "Parameters" not in setting.offload:
            return 0
        elements = setting.elements
        matrix = elements.matrices if setting.quantized else Fraction(elements.gathered)
        blocks = (run.block for run in self._runs.values())
        block = max(block.matrices * matrix + block.others * elements.gathered for block in blocks)
        root = (self.outside.embedding + self.outside.head) * elements.gathered if setting.gathers_root else 0
        return ceil(block + root)

    @cached_property
    def _states(self) -> int:
        setting = self.setting
        if "Optimizer" in setting.offload:
            return 0
        return ceil(self.trainable * setting.optimizer.states / setting.shards.states)

    def _instant(
        self,
        name: str,
        *,
        gradients: int,
        activations: int,
        logits: int = 0,
        step: int = 0,
        gathered: bool = True,
    ) -> Instant:
        setting = self.setting
        gradient_total = gradients
        if setting.buckets:
            gradient_total += self.trainable * setting.optimizer.gradient
        weights = 0 if "Parameters" in setting.offload else self._weights
        live = {
            ComponentName.WEIGHTS: weights + (self._gathered if gathered else 0),
            ComponentName.ADAPTERS: -(-self._adapters * setting.adapter_bytes // setting.shards.weights),
            ComponentName.GRADIENTS: gradient_total,
            ComponentName.OPTIMIZER_STATES: self._states + step,
            ComponentName.ACTIVATIONS: activations + _WORKSPACES,
            ComponentName.LOGITS: logits,
        }
        return Instant(name, {component: size for component, size in live.items() if size})

    # Forward and loss.

    def _numerics(self, block: TrainedBlock) -> Numerics:
        setting = self.setting
        attention = setting.attention
        windowed = setting.masks_windows and block.window is not None and setting.length >= block.window
        if windowed and attention is Kernel.FLASH:
            attention = Kernel.PADDED
        return Numerics(
            stream=setting.elements.stream,
            compute=setting.elements.compute,
            autocast=setting.elements.autocast,
            trains_base=setting.trains_base,
            saves_input=setting.quantized,
            adapted=block.adapted,
            rank=setting.adapter_rank,
            adapter=setting.adapter_bytes,
            dropout=setting.adapter_dropout,
            attention=attention,
        )

    def _bytes(self, cost: Cost, block: TrainedBlock) -> int:
        setting = self.setting
        squares = setting.batch * setting.length**2
        return cost.token * setting.tokens + (cost.score * block.shape.heads + cost.mask) * squares + self._casts(block)

    def _cached_casts(self) -> int:
        """Casts of trainable weights that autocast caches until the forward ends, checkpointing or not."""
        if not self.setting.trains_base or self.setting.kept_share == 1:
            return 0
        return sum(block.count * self._casts(block) for block in self.blocks)

    def _left(self, block: TrainedBlock, numerics: Numerics, whole: int) -> int:
        """What a block leaves between its forward and its backward; checkpointing keeps its input besides the share."""
        share = self.setting.kept_share
        if share == 1:
            return whole
        return self.setting.tokens * boundary(block.shape, numerics) + ceil(share * whole)

    def _casts(self, block: TrainedBlock) -> int:
        """Copies that autocast makes of FP32 weights, alive until their backward."""
        elements = self.setting.elements
        if not elements.autocast or elements.stream == elements.compute or self.setting.quantized:
            return 0
        return elements.compute * block.matrices

    @cached_property
    def _resident(self) -> int:
        """What the forward leaves for the backward: every block's boundary, or all it keeps."""
        if "Activations" in self.setting.offload and self.setting.kept_share < 1:
            return max((run.between for run in self._runs.values()), default=0)
        return sum(block.count * self._runs[id(block)].between for block in self.blocks) * self.in_flight

    def _after_blocks(self) -> int:
        """The final norm's input in FP32 and what it and the head keep of it."""
        return self.setting.tokens * self.hidden * (8 if self.setting.trains_base else 4)

    def _head_cast(self) -> int:
        elements = self.setting.elements
        if not elements.autocast or elements.stream == elements.compute or self.setting.quantized:
            return 0
        return elements.compute * (self.outside.embedding if self.outside.tied else self.outside.head)

    def _logits(self, per_entry: Fraction) -> int:
        return ceil(per_entry * self.whole_tokens * self.vocabulary)

    def _loss(self) -> Iterator[Instant]:
        activations = self._resident + self._after_blocks() + self._head_cast()
        before = self._gradients_before()
        forward, backward = self.setting.logits.forward, self.setting.logits.backward
        cached = activations + self._cached_casts()
        yield self._instant("loss", gradients=before, activations=cached, logits=self._logits(forward))
        name = "backward of the loss"
        yield self._instant(name, gradients=before, activations=activations, logits=self._logits(backward))

    # Backward.

    def _gradients_before(self) -> int:
        """Gradients of earlier micro-batches, where steps accumulate them."""
        return self._gradient_bytes(self.trainable) if self.setting.accumulates else 0

    def _gradient_bytes(self, elements: int) -> int:
        """Of gradients that are whole: none where they do not stay."""
        if not self.setting.keeps_gradients:
            return 0
        return -(-elements * self.setting.optimizer.gradient // self.setting.shards.gradients)

    def _whole_gradients(self, unit: int, largest: int) -> int:
        """Bytes of gradients in the making: of a sharded `unit` until it is reduced, of one parameter where none stays.

        Elsewhere they count as they are kept.
        """
        setting = self.setting
        if setting.keeps_gradients:
            return unit * setting.optimizer.gradient if setting.shards.gradients > 1 else 0
        elements = unit if setting.shards.gradients > 1 else largest
        return (elements + min(self.trainable, setting.bucket)) * setting.optimizer.gradient

    def _block_elements(self, block: TrainedBlock) -> int:
        return block.adapters + (block.matrices + block.others if self.setting.trains_base else 0)

    def _backward(self) -> Iterator[Instant]:
        setting = self.setting
        head = self.outside.embedding if self.outside.tied else self.outside.head
        done = head if setting.trains_base else self.saved
        below = self._resident
        held = self._logits(setting.logits.held)
        moments: dict[int, list[Moment]] = {key: [] for key in self._runs}
        for block in reversed(self.blocks):
            between, own = self._runs[id(block)].between, self._block_elements(block)
            ends = [("last", 0)] if block.count == 1 else [("last", 0), ("first", block.count - 1)]
            for which, later in ends:
                name = f"backward of the {which} block" if len(self.blocks) == 1 else "backward of a block"
                moments[id(block)].append(Moment(name, below - later * between, done + later * own))
            done += block.count * own
            below -= block.count * between
        for key, of_run in moments.items():
            for moment in corners(of_run):
                yield from self._block_backward(self._runs[key], moment, held)

    def _block_backward(self, run: _Run, moment: Moment, held: int) -> Iterator[Instant]:
        """Both halves of a block's backward: the feed-forward's, with the gradient of down, then attention's."""
        setting, block, numerics, done = self.setting, run.block, run.numerics, moment.gradients
        own = self._block_elements(block)
        whole = self._whole_gradients(own, min(own, block.largest))
        base = moment.left - ceil(setting.kept_share * run.kept)
        if setting.shards.weights > 1 and not setting.kept_share and not setting.trains_base:
            # FSDP with a frozen base: each boundary counts twice. Source: the sharded LoRA rows of group
            # fms-allocated; with it a 70B is 1.6 % out instead of 15.4 %.
            base *= 2
        down = block.down if setting.trains_base else 0
        for cost, gradients in (
            (backward_of_feed_forward(block.shape, numerics), self._gradient_bytes(done + down)),
            (backward_of_attention(block.shape, numerics), self._gradient_bytes(done + max(0, own - down) // 2 + down)),
        ):
            live = max(0, base) + self._bytes(cost, block)
            dequantized = block.largest * setting.elements.compute if setting.quantized else 0
            yield self._instant(
                moment.name,
                gradients=max(gradients + whole, self._gradients_before()),
                activations=live + dequantized,
                logits=held,
            )

    def _end_of_backward(self) -> Instant:
        """The embedding's gradient comes last; where the head is tied to it, three of its size coexist while summed."""
        setting = self.setting
        gradients = self._gradient_bytes(self.trainable)
        if setting.trains_base:
            embedding = self.outside.embedding
            whole = self._whole_gradients(embedding, embedding)
            gradients += 2 * embedding * setting.optimizer.gradient if self.outside.tied else whole
        return self._instant(
            "end of backward",
            gradients=gradients,
            activations=setting.tokens * setting.elements.stream * self.hidden,
            logits=self._logits(setting.logits.held),
        )

    def _step(self) -> Instant:
        setting = self.setting
        copies = -(-self.trainable * setting.optimizer.copies // setting.shards.states)
        step = 0 if "Optimizer" in setting.offload else copies
        return self._instant(
            "optimizer step",
            gradients=self._gradient_bytes(self.trainable),
            activations=0,
            step=step,
            logits=self._logits(setting.logits.held),
            gathered=False,
        )
