"""A model's architecture: the facts that decide its memory, read from a Hugging Face config as published.

A model is an embedding, runs of equal blocks in order, and a head. Every weight is listed, so that parameter counts are
exact sums and tensor parallelism divides what it really divides. Widths are elements per token, lengths tokens.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from llmjob.estimator.block import Block, Encoder, Run
from llmjob.estimator.config import ConfigError
from llmjob.estimator.quantization import QuantizationConfig
from llmjob.estimator.weight import Weight

__all__ = ["Architecture", "ConfigError", "read_architecture"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Architecture:
    """A model. `max_model_len` is its longest context in tokens, None where the config does not say.

    `positions` > 0: learned position embeddings; `speculative`: the blocks of stored multi-token prediction layers,
    which cost nothing unless speculation is asked for and count in neither parameter count.
    """

    family: str
    hidden_size: int
    vocab_size: int
    tied: bool
    layers: tuple[Run, ...]
    embedding: tuple[Weight, ...]
    head: tuple[Weight, ...]
    max_model_len: int | None = None
    dtype: str | None = None
    quantization: QuantizationConfig | None = None
    encoders: tuple[Encoder, ...] = ()
    speculative: tuple[Run, ...] = ()
    final_softcapped: bool = False
    rotary_cache: int = 0

    @property
    def num_layers(self) -> int:
        return sum(run.count for run in self.layers)

    @property
    def parameters(self) -> int:
        """Every stored parameter, encoders included, multi-token prediction layers not."""
        blocks = sum(run.count * run.block.parameters for run in self.layers)
        return blocks + self._outside_blocks + self.encoder_parameters

    @property
    def active_parameters(self) -> int:
        """Parameters that one text token uses."""
        return sum(run.count * run.block.active_parameters for run in self.layers) + self._outside_blocks

    @property
    def encoder_parameters(self) -> int:
        return sum(encoder.parameters for encoder in self.encoders)

    @property
    def embedding_parameters(self) -> int:
        return sum(weight.elements for weight in self.embedding)

    @property
    def head_parameters(self) -> int:
        """Of the final norm and, where it is not tied to the embedding, the output matrix."""
        return sum(weight.elements for weight in self.head)

    @property
    def multimodal(self) -> bool:
        return bool(self.encoders)

    @property
    def _outside_blocks(self) -> int:
        return self.embedding_parameters + self.head_parameters

    def blocks(self) -> Iterator[Block]:
        """Every layer's block, in order."""
        for run in self.layers:
            yield from (run.block for _ in range(run.count))


def read_architecture(config: Mapping[str, object]) -> Architecture:
    """Read a config.json mapping.

    Raises:
        ConfigError: when a field is missing, contradictory or of the wrong type.
    """
    raise ConfigError("model_type", "not read yet")
