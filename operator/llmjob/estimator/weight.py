"""One stored weight: its shape, and how tensor parallelism divides it."""

from dataclasses import dataclass
from enum import StrEnum


class Split(StrEnum):
    """What a rank of W holds: all of it, its share of the outputs (bias too), of the inputs, or of the vocabulary."""

    NONE = "None"
    OUTPUTS = "Outputs"
    INPUTS = "Inputs"
    VOCABULARY = "Vocabulary"


@dataclass(frozen=True, slots=True)
class Weight:
    """`outputs` × `inputs` elements (inputs 1 for a vector) and `bias` elements, `copies` times (experts).

    `name` is the module's path in its block as Transformers writes it (`self_attn.q_proj`). `units` are the
    indivisible parts of the divided axis: heads, KV heads (replicated where there are fewer than ranks), groups.
    `linear`: a matrix that a quantiser may convert.
    """

    name: str
    outputs: int
    inputs: int = 1
    bias: int = 0
    split: Split = Split.NONE
    units: int = 0
    copies: int = 1
    linear: bool = True

    @property
    def matrix(self) -> int:
        """Elements of one copy without its bias."""
        return self.outputs * self.inputs

    @property
    def elements(self) -> int:
        """All elements: every copy, bias included."""
        return self.copies * (self.matrix + self.bias)

    def on_rank(self, ranks: int, expert_ranks: int = 1) -> tuple[int, int]:
        """Matrix and bias elements that the fullest of `ranks` holds.

        `expert_ranks` > 1: whole experts are dealt out instead of being cut (expert parallelism).
        """
        if self.copies > 1 and expert_ranks > 1:
            copies = -(-self.copies // expert_ranks)
            return copies * self.matrix, copies * self.bias
        return self.copies * self._share(ranks, self.matrix), self.copies * self._bias_share(ranks)

    def _share(self, ranks: int, elements: int) -> int:
        if self.split is Split.VOCABULARY:
            return padded_vocabulary(self.outputs, ranks) // ranks * self.inputs
        if self.split is Split.NONE:
            return elements
        units = self.units or (self.outputs if self.split is Split.OUTPUTS else self.inputs)
        return elements * -(-units // ranks) // units

    def _bias_share(self, ranks: int) -> int:
        return self._share(ranks, self.bias) if self.split is Split.OUTPUTS else self.bias


def padded_vocabulary(vocabulary: int, ranks: int) -> int:
    """Rows that vLLM keeps over all ranks: a multiple of 64, of every rank's share.

    Source: vllm/model_executor/layers/vocab_parallel_embedding.py (DEFAULT_VOCAB_PADDING_SIZE = 64).
    """
    rows = -(-vocabulary // 64) * 64
    return -(-rows // ranks) * ranks
