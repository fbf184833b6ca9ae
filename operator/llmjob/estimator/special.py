"""Building the decoders that a table alone does not describe: Falcon, Llama 4, Gemma 4, Nemotron-NAS, Nemotron-H.

Sources: modeling_falcon.py, modeling_llama4.py, modeling_gemma4.py and modeling_nemotron_h.py of
huggingface/transformers 5.24.0; modeling_decilm.py of nvidia/Llama-3_3-Nemotron-Super-49B-v1.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from llmjob.estimator.attention import (
    MOST_LAYERS,
    attention_weights,
    grouped_heads,
    head_width,
    layer_count,
    reaches,
    rotary_positions,
)
from llmjob.estimator.block import Attention, Block, Experts, FeedForward, Mamba, Reach
from llmjob.estimator.config import LARGEST, Config, ConfigError, UnsupportedError, shown
from llmjob.estimator.decoder import Body, around, attention, norm_weight, normed, runs
from llmjob.estimator.families import Family
from llmjob.estimator.feed_forward import dense, dense_weights, expert_weights, experts, layers_named
from llmjob.estimator.weight import Split, Weight

_PATTERN: Final[Mapping[str, str]] = {"M": "mamba", "*": "attention", "-": "mlp", "E": "moe"}


def falcon(config: Config, family: Family) -> Body:
    """Multi-query attention in the 7B, grouped in the new architecture; both with parallel blocks."""
    hidden, heads = config.count("hidden_size"), config.count("num_attention_heads")
    new = config.flag("new_decoder_architecture")
    single = 1 if config.flag("multi_query") else heads
    kv_heads = grouped_heads(config, heads) if new else single
    mixer = replace(attention(config, family), heads=heads, kv_heads=kv_heads)
    mlp = dense(config, family)
    parallel = config.flag("parallel_attn")
    norms = config.count("num_ln_in_parallel_attn", 2 if new else 1) if parallel else 2
    block = Block(
        mixer=mixer,
        feed_forward=mlp,
        experts=None,
        weights=(*attention_weights(hidden, mixer, config, family), *dense_weights(hidden, mlp)),
    )
    block = normed(config, family, block)
    first = [weight for weight in block.weights if not weight.name.startswith("norm_")]
    scales = [norm_weight(config, family, f"norm_{index}") for index in range(min(norms, 2))]
    block = replace(block, norms=min(norms, 2), parallel=parallel, weights=(*first, *scales))
    return around(config, family, runs(block for _ in range(layer_count(config))))


def llama4(config: Config, family: Family) -> Body:
    """Chunked attention with rotary embeddings, full attention without on every fourth layer; experts on every n-th."""
    layers, hidden = layer_count(config), config.count("hidden_size")
    step, interval = config.count("interleave_moe_layer_step"), config.count("no_rope_layer_interval")
    chunk = config.optional_count("attention_chunk_size")
    named = layers_named(config, "moe_layers")
    made: dict[tuple[bool, bool], Block] = {}
    blocks = []
    for layer in range(layers):
        turned = bool((layer + 1) % interval)
        mixed = layer in named if named is not None else (layer + 1) % step == 0
        if (turned, mixed) not in made:
            base = attention(
                config, family, Reach.CHUNKED if turned and chunk else Reach.FULL, chunk if turned else None
            )
            mixer = base if turned else replace(base, rotary_dim=0)
            made[turned, mixed] = _llama4_block(config, family, mixer, hidden, mixed=mixed)
        blocks.append(made[turned, mixed])
    return around(config, family, runs(blocks))


def _llama4_block(config: Config, family: Family, mixer: Attention, hidden: int, *, mixed: bool) -> Block:
    weights = attention_weights(hidden, mixer, config, family)
    mlp = mixture = None
    if mixed:
        mixture = experts(config, family, config.count("intermediate_size"))
        weights += expert_weights(hidden, mixture)
    else:
        mlp = dense(config, family, config.count("intermediate_size_mlp"))
        weights += dense_weights(hidden, mlp)
    return normed(config, family, Block(mixer=mixer, feed_forward=mlp, experts=mixture, weights=tuple(weights)))


def gemma4(config: Config, family: Family) -> Body:
    """Local layers and wider global ones, whose keys may serve as values; a mixture beside the MLP where enabled."""
    layers = layer_count(config)
    shared = config.count("num_kv_shared_layers", 0, least=0)
    kinds = reaches(config, family, layers)
    if kinds[-1][0] is not Reach.FULL:
        kinds[-1] = (Reach.FULL, None)
    made: dict[tuple[Reach, int | None, bool], Block] = {}
    blocks = []
    for layer, (reach, window) in enumerate(kinds):
        key = (reach, window, layer >= layers - shared)
        if key not in made:
            made[key] = _gemma4_block(config, family, *key)
        blocks.append(made[key])
    extra = _per_layer_embedding(config, family, layers)
    widths = {block.mixer.rotary_dim for block in made.values() if isinstance(block.mixer, Attention)}
    return around(config, family, runs(blocks), extra=extra, rotary=rotary_positions(config) * sum(widths))


def _gemma4_block(config: Config, family: Family, reach: Reach, window: int | None, shares: bool) -> Block:  # noqa: FBT001
    hidden, heads = config.count("hidden_size"), config.count("num_attention_heads")
    full = reach is Reach.FULL
    same = full and config.flag("attention_k_eq_v")
    kv_heads = grouped_heads(config, heads)
    if same and config.get("num_global_key_value_heads") is not None:
        kv_heads = grouped_heads(config, heads, "num_global_key_value_heads")
    head_dim = config.count("global_head_dim") if full else head_width(config, hidden, heads)
    mixer = Attention(
        heads=heads,
        kv_heads=kv_heads,
        head_dim=head_dim,
        reach=reach,
        window=window,
        rotary_dim=head_dim,
        qk_norm=True,
        shared_kv=shares,
    )
    weights = attention_weights(hidden, mixer, config, family, shared_value=same)
    weights.append(Weight("self_attn.q_norm", head_dim, linear=False))
    if not shares:
        weights.append(Weight("self_attn.k_norm", head_dim, linear=False))
    width = config.count("intermediate_size")
    mlp = dense(config, family, 2 * width if shares and config.flag("use_double_wide_mlp") else width)
    weights += dense_weights(hidden, mlp)
    mixture, after = None, 2
    if config.flag("enable_moe_block"):
        mixture = experts(config, family)
        after = 5
        weights += expert_weights(hidden, mixture)
        weights += [
            Weight("router.scale", hidden, linear=False),
            Weight("router.per_expert_scale", mixture.count, linear=False),
        ]
    weights += [norm_weight(config, family, f"norm_{index}") for index in range(2 + after)]
    narrow = config.count("hidden_size_per_layer_input", 0, least=0)
    if narrow:
        weights += [
            Weight("per_layer_input_gate", narrow, hidden),
            Weight("per_layer_projection", hidden, narrow),
            norm_weight(config, family, "post_per_layer_input_norm"),
        ]
    return Block(mixer=mixer, feed_forward=mlp, experts=mixture, weights=tuple(weights), norms=2, post_norms=after)


def _per_layer_embedding(config: Config, family: Family, layers: int) -> tuple[Weight, ...]:
    narrow = config.count("hidden_size_per_layer_input", 0, least=0)
    if not narrow:
        return ()
    rows, hidden = config.count("vocab_size_per_layer_input"), config.count("hidden_size")
    return (
        Weight("model.embed_tokens_per_layer", rows, layers * narrow, split=Split.VOCABULARY, linear=False),
        Weight("model.per_layer_model_projection", layers * narrow, hidden, linear=False),
        norm_weight(config, family, "model.per_layer_projection_norm", narrow),
    )


def nas(config: Config, family: Family) -> Body:
    """Every block with its own number of KV heads and MLP width, or without one of the parts.

    Raises:
        ConfigError: when block_configs is missing, of another length, or asks for a part that is not known.
    """
    stated = config.sequence("block_configs")
    layers = layer_count(config)
    if stated is None or len(stated) != layers:
        raise ConfigError(config.field("block_configs"), f"must list each of the {layers} num_hidden_layers")
    made: dict[tuple[int | None, int | None], Block] = {}
    blocks = []
    for index, entry in enumerate(stated):
        key = _nas_entry(config, index, entry)
        if key not in made:
            made[key] = _nas_block(config, family, *key)
        blocks.append(made[key])
    return around(config, family, runs(blocks))


def _nas_entry(config: Config, index: int, entry: object) -> tuple[int | None, int | None]:
    path = f"{config.field('block_configs')}[{index}]."
    if not isinstance(entry, Mapping):
        raise ConfigError(path[:-1], f"must be an object, not {shown(entry)}")
    block = Config(entry, path=path)
    mixer = Config(block.mapping("attention") or {}, path=f"{path}attention.")
    mlp = Config(block.mapping("ffn") or {}, path=f"{path}ffn.")
    for part in (mixer, mlp):
        if part.flag("replace_with_linear"):
            raise UnsupportedError(part.field("replace_with_linear"), "blocks with one linear map are not supported")
    heads, hidden = config.count("num_attention_heads"), config.count("hidden_size")
    groups = width = None
    if not mixer.flag("no_op"):
        size = mixer.count("n_heads_in_group")
        if heads % size:
            raise ConfigError(mixer.field("n_heads_in_group"), f"{size} does not divide the {heads} attention heads")
        groups = heads // size
    if not mlp.flag("no_op"):
        # Source: _ffn_mult_to_intermediate_size in vllm/model_executor/models/nemotron_nas.py of vllm-project/vllm.
        wanted = int(2 * mlp.scale("ffn_mult") * hidden / 3)
        width = -(-wanted // 256) * 256
    return groups, width


def _nas_block(config: Config, family: Family, groups: int | None, width: int | None) -> Block:
    hidden = config.count("hidden_size")
    weights: list[Weight] = []
    mixer = mlp = None
    if groups is not None:
        mixer = replace(attention(config, family), kv_heads=groups)
        weights += attention_weights(hidden, mixer, config, family)
    if width is not None:
        mlp = dense(config, family, width)
        weights += dense_weights(hidden, mlp)
    norms = sum(part is not None for part in (mixer, mlp))
    weights += [norm_weight(config, family, f"norm_{index}") for index in range(norms)]
    return Block(mixer=mixer, feed_forward=mlp, experts=None, weights=tuple(weights), norms=norms)


def nemotron_h(config: Config, family: Family) -> Body:
    """One part a layer: Mamba-2, attention, an MLP or a mixture of experts, as the pattern says."""
    made: dict[str, Block] = {}
    blocks = []
    for kind in _parts(config):
        if kind not in made:
            made[kind] = _single_part(config, family, kind)
        blocks.append(made[kind])
    return around(config, family, runs(blocks), rotary=0)


def _parts(config: Config) -> list[str]:
    listed = config.sequence("layers_block_type")
    field = "layers_block_type"
    if listed is None:
        field = "hybrid_override_pattern"
        pattern = config.text(field)
        if pattern is None:
            raise ConfigError(config.field(field), "is missing; it says which part each layer is")
        listed = [_PATTERN.get(letter, letter) for letter in pattern]
    parts = [kind for kind in listed if isinstance(kind, str) and kind in _PATTERN.values()]
    if len(parts) != len(listed) or not parts or len(parts) > MOST_LAYERS:
        raise ConfigError(config.field(field), f"must name one of {', '.join(_PATTERN.values())} for every layer")
    layers = config.count("num_hidden_layers", len(parts))
    if layers != len(parts):
        raise ConfigError(config.field(field), f"names {len(parts)} layers, num_hidden_layers says {layers}")
    return parts


def _single_part(config: Config, family: Family, kind: str) -> Block:
    hidden = config.count("hidden_size")
    norm = norm_weight(config, family, "norm")
    mixer: Attention | Mamba | None = None
    mlp: FeedForward | None = None
    mixture: Experts | None = None
    if kind == "attention":
        mixer = replace(attention(config, family), rotary_dim=0)
        weights = attention_weights(hidden, mixer, config, family)
    elif kind == "mamba":
        mixer = _mamba(config)
        weights = _mamba_weights(config, mixer)
    elif kind == "moe":
        count = config.count("n_shared_experts", 0, least=0)
        mixture = experts(config, family, count * config.count("moe_shared_expert_intermediate_size"))
        weights = expert_weights(hidden, mixture)
        if config.get("moe_latent_size") is not None:
            raise ConfigError(config.field("moe_latent_size"), "experts in a latent space are not supported")
    else:
        mlp = dense(config, family)
        weights = dense_weights(hidden, mlp)
    return Block(mixer=mixer, feed_forward=mlp, experts=mixture, weights=(*weights, norm), norms=1)


def _mamba(config: Config) -> Mamba:
    dtype = config.text("mamba_ssm_cache_dtype", "float32")
    mixer = Mamba(
        heads=config.count("mamba_num_heads"),
        head_dim=config.count("mamba_head_dim"),
        state=config.count("ssm_state_size"),
        groups=config.count("n_groups"),
        kernel=config.count("conv_kernel"),
        state_bytes=4 if dtype == "float32" else 2,
    )
    if mixer.width >= LARGEST or mixer.heads % mixer.groups:
        raise ConfigError(config.field("n_groups"), f"{mixer.groups} does not divide {mixer.heads} mamba_num_heads")
    return mixer


def _mamba_weights(config: Config, mixer: Mamba) -> list[Weight]:
    hidden, heads = config.count("hidden_size"), mixer.heads
    inputs = mixer.width + mixer.convolved + heads
    bias = config.flag("use_bias")
    kernel_bias = mixer.convolved if config.flag("use_conv_bias", default=True) else 0
    return [
        Weight("mixer.in_proj", inputs, hidden, inputs if bias else 0, Split.OUTPUTS, heads),
        Weight("mixer.conv1d", mixer.convolved, mixer.kernel, kernel_bias, Split.OUTPUTS, heads, linear=False),
        Weight("mixer.state", 3 * heads, split=Split.OUTPUTS, units=heads, linear=False),
        Weight("mixer.norm", mixer.width, split=Split.OUTPUTS, units=heads, linear=False),
        Weight("mixer.out_proj", hidden, mixer.width, hidden if bias else 0, Split.INPUTS, heads),
    ]
