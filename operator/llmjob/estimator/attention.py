"""Reading attention from a config: heads, widths, windows, rotary embeddings, and the weights of one layer."""

from collections.abc import Mapping
from fractions import Fraction
from typing import Final

from llmjob.estimator.block import Attention, Reach
from llmjob.estimator.config import Config, ConfigError, UnsupportedError, shown
from llmjob.estimator.families import Family
from llmjob.estimator.weight import Split, Weight

MOST_LAYERS: Final = 256
"""Twice the 126 layers of Llama-3.1-405B; bounds what an estimate costs."""
_REACHES: Final[Mapping[str, Reach]] = {
    "full_attention": Reach.FULL,
    "attention": Reach.FULL,
    "sliding_attention": Reach.SLIDING,
    "chunked_attention": Reach.CHUNKED,
}


def layer_count(config: Config) -> int:
    """Layers of the model.

    Raises:
        ConfigError: when there are none, or more than any model has.
    """
    layers = config.count("num_hidden_layers")
    if layers > MOST_LAYERS:
        raise ConfigError(config.field("num_hidden_layers"), f"must be at most {MOST_LAYERS}, not {layers}")
    return layers


def head_width(config: Config, hidden: int, heads: int) -> int:
    """`head_dim`, else hidden size ÷ heads.

    Raises:
        ConfigError: when neither gives a whole number.
    """
    stated = config.optional_count("head_dim")
    if stated is not None:
        return stated
    if hidden % heads:
        raise ConfigError(
            config.field("num_attention_heads"),
            f"{heads} heads do not divide {config.field('hidden_size')} {hidden}; correct one or state head_dim",
        )
    return hidden // heads


def grouped_heads(config: Config, heads: int, name: str = "num_key_value_heads") -> int:
    """KV heads: as stated, else one for every head.

    Raises:
        ConfigError: when they do not divide the heads.
    """
    kv_heads = config.count(name, heads)
    if heads % kv_heads:
        raise ConfigError(
            config.field(name), f"{kv_heads} KV heads do not divide {heads} {config.field('num_attention_heads')}"
        )
    return kv_heads


def reaches(config: Config, family: Family, layers: int) -> list[tuple[Reach, int | None]]:
    """What each layer keeps: layer_types, else the family's rule over sliding_window.

    Raises:
        ConfigError: when layer_types has another length; UnsupportedError for a kind that is not known.
    """
    window = config.optional_count("sliding_window")
    if not config.flag("use_sliding_window", default=True):
        window = None
    chunk = config.optional_count("attention_chunk_size")
    kinds = config.sequence("layer_types")
    if kinds is None:
        stated = [_rule(config, family, layer, layers) for layer in range(layers)]
    else:
        if len(kinds) != layers:
            raise ConfigError(
                config.field("layer_types"),
                f"has {len(kinds)} entries for {layers} {config.field('num_hidden_layers')}; they must agree",
            )
        stated = [_reach(config, kind) for kind in kinds]
    widths = {Reach.FULL: None, Reach.SLIDING: window, Reach.CHUNKED: chunk}
    return [(reach, widths[reach]) if widths[reach] else (Reach.FULL, None) for reach in stated]


def _reach(config: Config, kind: object) -> Reach:
    reach = _REACHES.get(kind) if isinstance(kind, str) else None
    if reach is None:
        raise UnsupportedError(
            config.field("layer_types"), f"{shown(kind)} is not known; known are {', '.join(_REACHES)}"
        )
    return reach


def _rule(config: Config, family: Family, layer: int, layers: int) -> Reach:
    rule = family.word("window", "none")
    sliding = rule == "every"
    if rule == "alternate":
        sliding = layer % 2 == 0
    elif rule == "pattern":
        sliding = bool((layer + 1) % config.count("sliding_window_pattern"))
    elif rule == "from-layer":
        sliding = layer >= config.count("max_window_layers", layers, least=0)
    return Reach.SLIDING if sliding else Reach.FULL


def rotary_width(config: Config, family: Family, head_dim: int) -> int:
    """Elements of a head that the rotary embedding turns; 0 where the family has none."""
    if not family.holds("rotary", config, default=True) or config.flag("alibi"):
        return 0
    if family.states("rotary_below") and config.count("hidden_size") >= family.number("rotary_below"):
        return 0
    stated = config.optional_count("rotary_dim")
    if stated is not None:
        return min(stated, head_dim)
    nested = config.mapping("rope_parameters") or {}
    factor = Config(nested, path="rope_parameters.").ratio("partial_rotary_factor")
    if factor is None:
        factor = config.ratio("partial_rotary_factor")
    return head_dim if factor is None else int(head_dim * factor)


def rotary_positions(config: Config, family: Family | None = None) -> int:
    """Positions that an engine prepares sines and cosines for.

    Linear and dynamic scaling lengthen the maximum, YaRN the original length, longrope keeps a short and a long table,
    multimodal sections four times the maximum. Source: vllm/model_executor/layers/rotary_embedding.
    """
    longest = config.count("max_position_embeddings", 0, least=0)
    if family is not None and family.holds("mrope", config):
        return 4 * longest
    scaling = config.mapping("rope_scaling") or config.mapping("rope_parameters")
    if scaling is None:
        return longest
    rope = Config(scaling, path=f"{config.field('rope_scaling')}.")
    kind = rope.text("rope_type", rope.text("type", "default"))
    if rope.sequence("mrope_section") is not None:
        return 4 * longest
    factor = rope.scale("factor", Fraction(1))
    original = rope.count("original_max_position_embeddings", config.count("original_max_position_embeddings", longest))
    lengths = {
        "linear": int(longest * factor),
        "dynamic": int(longest * factor),
        "yarn": int(original * factor),
        "longrope": longest + original,
        "su": longest + original,
    }
    return lengths.get(kind or "default", longest)


def attention_weights(
    hidden: int, attention: Attention, config: Config, family: Family, *, shared_value: bool = False
) -> list[Weight]:
    """The projections and QK norms of one layer; `shared_value`: keys serve as values and no value matrix is stored."""
    bias = family.holds("qkv_bias", config)
    out_bias = hidden if family.holds("o_bias", config) else 0
    heads, groups = attention.heads, attention.kv_heads
    weights = [_projection("self_attn.q_proj", attention.query, hidden, heads, bias=bias)]
    if not attention.shared_kv:
        weights.append(_projection("self_attn.k_proj", attention.key, hidden, groups, bias=bias))
        if not shared_value:
            weights.append(_projection("self_attn.v_proj", attention.value, hidden, groups, bias=bias))
    weights.append(Weight("self_attn.o_proj", hidden, attention.context, out_bias, Split.INPUTS, heads))
    if attention.sinks:
        weights.append(Weight("self_attn.sinks", heads, split=Split.OUTPUTS, units=heads, linear=False))
    return weights + _qk_norms(attention, family.kind("qk_norm", config))


def _projection(name: str, outputs: int, inputs: int, units: int, *, bias: bool) -> Weight:
    return Weight(name, outputs, inputs, outputs if bias else 0, Split.OUTPUTS, units)


def _qk_norms(attention: Attention, kind: str | None) -> list[Weight]:
    if kind is None:
        return []
    query, key = attention.head_dim, attention.head_dim
    if kind in {"width", "heads"}:
        query, key = attention.query, attention.key
    norms = [Weight("self_attn.q_norm", query, linear=False)]
    if not attention.shared_kv:
        norms.append(Weight("self_attn.k_norm", key, linear=False))
    return norms
