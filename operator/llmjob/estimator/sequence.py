"""The sequences a server is asked to hold at once: how long, how many, and their KV cache in the engine's pages."""

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Final, Self

from llmjob.estimator.architecture import Architecture
from llmjob.estimator.block import LatentAttention
from llmjob.estimator.degrees import counts_decode_context
from llmjob.estimator.kv_cache import Pages, kv_bytes_per_token, kv_cache_bytes
from llmjob.estimator.model import Model
from llmjob.estimator.parts import Part
from llmjob.estimator.result import Basis, ComponentName
from llmjob.estimator.shape import activation_dtype
from llmjob.estimator.task import Inference

_LENGTH_UNKNOWN: Final = 2048  # tokens; the length that the simple method counts with


@dataclass(frozen=True, slots=True)
class Sequences:
    """`number` sequences of `length` tokens, kept as `pages` says (its step is set anew for each question).

    `kindest`: in FP8, where the engine may take it; `scheme`: the checkpoint says so.
    """

    architecture: Architecture
    length: int
    number: int
    pages: Pages
    kindest: Pages
    scheme: bool

    def paged(self, *, hybrid: bool, group_ratio: Fraction, checkpoint_cache: str) -> Self:
        """The same, kept as an engine's version does: whether windows end what a layer keeps, how kinds are grouped.

        `checkpoint_cache`: whether it follows the checkpoint's dtype of K and V: `never`, `either` or `always`. With
        `either`, sparse attention may be FP8 by default, too ("For DeepSeekV3.2, we use a custom fp8 format as
        default" in vLLM 0.11; SGLang's choice goes by the GPU).
        """
        pages, kindest = (replace(each, hybrid=hybrid, group_ratio=group_ratio) for each in (self.pages, self.kindest))
        likely = kindest if self.scheme and checkpoint_cache == "always" else pages
        return replace(self, pages=likely, kindest=kindest if checkpoint_cache == "either" else likely)

    @property
    def bytes_per_token(self) -> int | None:
        """Bytes per token on the fullest rank; None where the cache is not linear in tokens."""
        return kv_bytes_per_token(self.architecture, self.pages)

    def one(self, step: int, length: int | None = None) -> int:
        """Bytes of one sequence on the fullest rank; `step` is max_num_batched_tokens."""
        return kv_cache_bytes(self.architecture, length or self.length, replace(self.pages, step=step))

    def part(self, low_step: int, step: int, high_step: int) -> Part:
        """The cache of all sequences; sliding windows keep up to one step's tokens more.

        Every sequence may take a whole step, as the engine's log of its concurrency counts (so do `one` and what is
        offered); at the least they share one.
        """
        expected, upper = (self.number * self.one(tokens) for tokens in (step, high_step))
        lower = kv_cache_bytes(self.architecture, self.length, replace(self.kindest, step=low_step), self.number)
        return Part(name=ComponentName.KV_CACHE, lower=lower, expected=expected, upper=upper, basis=Basis.EXACT)

    def longest(self, pool: int, step: int) -> int | None:
        """The longest sequence, up to the model's own maximum, that a pool of so many bytes holds; None for none."""
        low, high = 0, max(self.architecture.max_model_len or 0, self.length)
        while low < high:
            middle = (low + high + 1) // 2
            if self.one(step, middle) <= pool:
                low = middle
            else:
                high = middle - 1
        return low or None


def asked_sequences(architecture: Architecture, model: Model, task: Inference) -> tuple[Sequences, list[str]]:
    """How long and how many the task's sequences are, and what had to be assumed.

    The length is maxModelLen, else input and output together, else the model's maximum.
    """
    warnings = []
    maximum = architecture.max_model_len
    stated = (task.input_length or 0) + (task.output_length or 0)
    length = task.max_model_len or stated or maximum
    if length is None:
        length = _LENGTH_UNKNOWN
        warnings.append(f"the model's config states no longest context: {length} tokens count; state maxModelLen")
    if maximum is not None and length > maximum:
        warnings.append(f"a length of {length} tokens exceeds the model's own maximum of {maximum}")
    degrees = task.parallelism
    pages = Pages(
        step=length,
        kv_dtype=cache_dtype(model, architecture, task),
        tensor=degrees.tensor,
        pipeline=degrees.pipeline,
        decode_context=degrees.decode_context if counts_decode_context(task) else 1,
    )
    scheme = cache_scheme(model, task) == "FP8"
    sparse = any(
        isinstance(run.block.mixer, LatentAttention) and run.block.mixer.index_dim for run in architecture.layers
    )
    kindest = replace(pages, kv_dtype="FP8") if scheme or (sparse and _is_open(task.kv_cache_dtype)) else pages
    number = (task.concurrency or 1) * (task.batch_size or 1)
    return Sequences(architecture, length, number, pages, kindest, scheme), warnings


def cache_dtype(model: Model, architecture: Architecture, task: Inference) -> str:
    """The dtype of K and V: the stated one, else that of the activations; vLLM's own words for FP8 stay as they are."""
    stated = task.kv_cache_dtype
    return activation_dtype(model, architecture) if stated is None or _is_open(stated) else stated


def cache_scheme(model: Model, task: Inference) -> str | None:
    """What the checkpoint has scales of K and V for (FP8, or a scheme as published) where the job states no dtype."""
    known = model.architecture
    own = known.quantization.method if known and known.quantization else None
    if known is None or model.quantization not in {None, own} or not _is_open(task.kv_cache_dtype):
        return None
    return known.cache_scheme


def _is_open(kv_cache_dtype: str | None) -> bool:
    return kv_cache_dtype is None or kv_cache_dtype.casefold() == "auto"
