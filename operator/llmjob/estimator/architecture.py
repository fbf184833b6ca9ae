"""A model's architecture: the facts that decide its memory, read from a Hugging Face config as published.

A model is an embedding, runs of equal blocks in order, and a head. Every weight is listed, so that parameter counts are
exact sums and tensor parallelism divides what it really divides. Widths are elements per token, lengths tokens.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from llmjob.estimator.block import Block, Encoder, Run
from llmjob.estimator.config import Config, ConfigError, UnsupportedError, shown
from llmjob.estimator.decoder import Build, decoder
from llmjob.estimator.families import Family, family_of, named
from llmjob.estimator.fitted_rules import fitted
from llmjob.estimator.latent import latent
from llmjob.estimator.published_quantization import read_cache_scheme, read_quantization
from llmjob.estimator.quantization import QuantizationConfig
from llmjob.estimator.special import falcon, gemma4, llama4, nas, nemotron_h
from llmjob.estimator.vision import encoders
from llmjob.estimator.weight import Weight

__all__ = ["Architecture", "ConfigError", "read_architecture"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Architecture:
    """A model. `max_model_len` is its longest context in tokens, None where the config does not say.

    `cache_scheme`: what the checkpoint has for K and V, FP8 or another one as it is published (None: nothing).

    Stored multi-token prediction layers are no part of it: they cost nothing unless speculation is asked for.
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
    cache_scheme: str | None = None
    encoders: tuple[Encoder, ...] = ()
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
    """Read a config.json mapping, as published: nested text_config, class defaults by model_type for absent keys.

    Raises:
        ConfigError: when a field is missing, contradictory or of the wrong type; UnsupportedError where what it says
            (model_type, quantisation, a kind of layer) is not known.
    """
    family = family_of(config)
    outer, text, body_family = _language_model(config, family)
    body = _BUILDS[body_family.word("build", "decoder")](text, body_family)
    hidden = text.count("hidden_size")
    quantization = read_quantization(outer) or read_quantization(text)
    return Architecture(
        family=family.name,
        hidden_size=hidden,
        vocab_size=text.count("vocab_size"),
        tied=text.flag("tie_word_embeddings", default=True),
        layers=body.layers,
        embedding=body.embedding,
        head=tuple(weight for weight in body.head if weight.name != "lm_head" or _generates(config)),
        max_model_len=text.optional_count("max_position_embeddings"),
        dtype=_dtype(outer) or _dtype(text),
        quantization=quantization and fitted(quantization, body.layers),
        cache_scheme=read_cache_scheme(outer) or read_cache_scheme(text),
        encoders=encoders(outer, hidden),
        final_softcapped=text.get("final_logit_softcapping") is not None,
        rotary_cache=body.rotary_cache,
    )


def _dtype(config: Config) -> str | None:
    """The canonical dtype, None where the config states none.

    Raises:
        UnsupportedError: when it is not known.
    """
    for name in ("dtype", "torch_dtype"):
        stated = config.text(name)
        if stated is not None and stated != "auto":
            found = _DTYPES.get(stated.removeprefix("torch."))
            if found is None:
                raise UnsupportedError(
                    config.field(name),
                    f"{shown(stated)} is not known; known are {', '.join(_DTYPES)} (quantization_config says how "
                    "weights are quantised)",
                )
            return found
    return None


def _generates(config: Mapping[str, object]) -> bool:
    """Whether the model has an output matrix: embedding models are published as their bare class (`MistralModel`)."""
    classes = config.get("architectures")
    if not isinstance(classes, list | tuple):
        return True
    names = [name for name in classes if isinstance(name, str)]
    return not names or any(not name.endswith("Model") or name.endswith("LMHeadModel") for name in names)


def _language_model(config: Mapping[str, object], family: Family) -> tuple[Config, Config, Family]:
    """The whole config, that of its language model, and the family that reads the latter."""
    nested = config.get("text_config")
    if nested is None:
        inner = named(family.nested) if family.nested else family
        text = inner.config(config)
        for size in _sizes(inner):
            if not text.states(size):
                raise text.missing(size)
        return family.config(config), text, inner
    if not isinstance(nested, Mapping):
        raise ConfigError("text_config", "must be an object")
    inner = family
    if "model_type" in nested:
        inner = family_of(nested, "text_config.")
    elif family.nested:
        inner = named(family.nested)
    outer = family.config(config)
    values = dict(nested)
    if "tie_word_embeddings" not in values and outer.get("tie_word_embeddings") is not None:
        values["tie_word_embeddings"] = outer.get("tie_word_embeddings")
    text, beside = inner.config(values, "text_config."), inner.config(config)
    for size in _sizes(inner):
        if beside.states(size) and not text.states(size):
            field = beside.field(size)
            raise ConfigError(
                "text_config", f"leaves out {field}, which stands beside it; move {field} into text_config"
            )
    return outer, text, inner


def _sizes(family: Family) -> tuple[str, ...]:
    """What every published config states where the model's sizes stand: class defaults are for nested ones alone."""
    # Nemotron-H's pattern says how many layers there are.
    return tuple(size for size in _SIZES if size != "num_hidden_layers" or family.word("build", "") != "nemotron_h")


_BUILDS: Final[Mapping[str, Build]] = {
    "decoder": decoder,
    "latent": latent,
    "falcon": falcon,
    "llama4": llama4,
    "gemma4": gemma4,
    "nas": nas,
    "nemotron_h": nemotron_h,
}
_SIZES: Final = ("hidden_size", "num_hidden_layers", "num_attention_heads", "vocab_size")
_DTYPES: Final = {"bfloat16": "BF16", "float16": "FP16", "half": "FP16", "float32": "FP32", "float": "FP32"}
