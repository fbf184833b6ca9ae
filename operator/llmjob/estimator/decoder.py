"""Building the layers of a decoder from its config: the common shape, of which a family's table states the rest."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from llmjob.estimator.attention import (
    attention_weights,
    grouped_heads,
    head_width,
    layer_count,
    reaches,
    rotary_positions,
    rotary_width,
)
from llmjob.estimator.block import Attention, Block, Norm, Reach, Run
from llmjob.estimator.config import Config, ConfigError
from llmjob.estimator.families import Family
from llmjob.estimator.feed_forward import dense, dense_weights, expert_weights, experts, layers_named, mixes
from llmjob.estimator.weight import Split, Weight


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """The text model as read: its layers, the weights around them, and the elements of its rotary caches."""

    layers: tuple[Run, ...]
    embedding: tuple[Weight, ...]
    head: tuple[Weight, ...]
    rotary_cache: int


def runs(blocks: Iterable[Block]) -> tuple[Run, ...]:
    """Equal blocks that follow each other, counted."""
    found: list[Run] = []
    for block in blocks:
        if found and found[-1].block is block:
            found[-1] = Run(block, found[-1].count + 1)
        else:
            found.append(Run(block, 1))
    return tuple(found)


def attention(config: Config, family: Family, reach: Reach = Reach.FULL, window: int | None = None) -> Attention:
    """The family's attention over one reach."""
    heads = config.count("num_attention_heads")
    head_dim = head_width(config, config.count("hidden_size"), heads)
    kv_heads = grouped_heads(config, heads)
    if family.states("kv_heads") and family.holds("kv_heads", config):
        kv_heads = 1
    return Attention(
        heads=heads,
        kv_heads=kv_heads,
        head_dim=head_dim,
        reach=reach,
        window=window,
        rotary_dim=rotary_width(config, family, head_dim),
        qk_norm=family.kind("qk_norm", config) is not None,
        softcapped=config.get("attn_logit_softcapping") is not None,
        bias=family.holds("qkv_bias", config),
        fused_qkv=family.holds("fused_qkv", config),
        sinks=family.holds("sinks", config),
    )


def decoder(config: Config, family: Family) -> Body:
    """Layers of one kind but for their windows and experts: most families."""
    layers = layer_count(config)
    named = layers_named(config, "mlp_only_layers")
    made: dict[tuple[Reach, int | None, bool], Block] = {}
    blocks = []
    for layer, (reach, window) in enumerate(reaches(config, family, layers)):
        mixed = family.holds("experts", config) and mixes(config, layer, named)
        key = (reach, window, mixed)
        if key not in made:
            made[key] = decoder_block(config, family, attention(config, family, reach, window), mixed=mixed)
        blocks.append(made[key])
    return around(config, family, runs(blocks))


def decoder_block(config: Config, family: Family, mixer: Attention, *, mixed: bool) -> Block:
    """One layer: attention, then an MLP or a mixture of experts."""
    hidden = config.count("hidden_size")
    weights = attention_weights(hidden, mixer, config, family)
    mlp = mixture = None
    if mixed:
        mixture = experts(config, family, config.count("shared_expert_intermediate_size", 0, least=0))
        weights += expert_weights(
            hidden,
            mixture,
            router_bias=family.holds("router_bias", config),
            expert_bias=family.holds("expert_bias", config),
            shared_gate=family.holds("shared_gate", config),
        )
    else:
        mlp = dense(config, family)
        weights += dense_weights(hidden, mlp)
    block = Block(mixer=mixer, feed_forward=mlp, experts=mixture, weights=tuple(weights))
    return normed(config, family, block)


def normed(config: Config, family: Family, block: Block) -> Block:
    """The block with its norms, as the family has them."""
    parallel = family.holds("parallel", config)
    before = family.number("norms", 2)
    if parallel and family.holds("one_norm_if_parallel", config):
        before = 1
    after = family.number("post_norms")
    norms = [norm_weight(config, family, f"norm_{index}") for index in range(before + after)]
    dropping = config.ratio("residual_dropout") or 0
    return replace(
        block,
        norm=Norm(family.word("norm", "RMS")),
        norms=before,
        post_norms=after,
        parallel=parallel,
        dropouts=family.number("dropouts") if dropping > 0 else 0,
        weights=(*block.weights, *norms),
    )


def norm_weight(config: Config, family: Family, name: str, width: int | None = None) -> Weight:
    """A norm's scale, with a bias where the family's LayerNorms have one."""
    width = width or config.count("hidden_size")
    layer = family.word("norm", "RMS") == Norm.LAYER and family.holds("norm_bias", config, default=True)
    return Weight(name, width, bias=width if layer else 0, linear=False)


def around(
    config: Config,
    family: Family,
    layers: tuple[Run, ...],
    *,
    extra: tuple[Weight, ...] = (),
    rotary: int | None = None,
) -> Body:
    """Embedding, final norm and head around the layers; `extra` weights join the embedding."""
    hidden, vocabulary = config.count("hidden_size"), config.count("vocab_size")
    longest = config.optional_count("max_position_embeddings")
    embedding = [Weight("model.embed_tokens", vocabulary, hidden, split=Split.VOCABULARY, linear=False)]
    if family.states("learned_positions"):
        if longest is None:
            raise ConfigError(config.field("max_position_embeddings"), "is missing; positions are learned here")
        rows = longest + family.number("learned_positions")
        embedding.append(Weight("model.embed_positions", rows, hidden, linear=False))
    if family.holds("embedding_norm", config):
        embedding.append(norm_weight(config, family, "model.embed_norm"))
    head = [norm_weight(config, family, "model.norm")]
    if not config.flag("tie_word_embeddings", default=True):
        bias = vocabulary if family.holds("head_bias", config) else 0
        head.append(Weight("lm_head", vocabulary, hidden, bias, Split.VOCABULARY))
    if rotary is None:
        rotary = rotary_cache(config, family, layers)
    return Body(layers=layers, embedding=(*embedding, *extra), head=tuple(head), rotary_cache=rotary)


def rotary_cache(config: Config, family: Family, layers: tuple[Run, ...]) -> int:
    """Elements of the sine and cosine tables; local layers of some families have one of their own, never scaled."""
    widths = {run.block.mixer.rotary_dim for run in layers if isinstance(run.block.mixer, Attention)}
    width = max(widths, default=0)
    cache = rotary_positions(config, family) * width
    if family.holds("local_rotary", config):
        cache += config.count("max_position_embeddings", 0, least=0) * width
    return cache


Build = Callable[[Config, Family], Body]
