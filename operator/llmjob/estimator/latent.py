"""Building decoders with multi-head latent attention: DeepSeek-V2 and what descends from it.

Source of the weights: modeling_deepseek_v3.py and modeling_deepseek_v32.py (the indexer) of huggingface/transformers.
"""

from llmjob.estimator.attention import layer_count, rotary_positions
from llmjob.estimator.block import Block, LatentAttention
from llmjob.estimator.config import Config
from llmjob.estimator.decoder import Body, around, normed, runs
from llmjob.estimator.families import Family
from llmjob.estimator.feed_forward import dense, dense_weights, expert_weights, experts, mixes
from llmjob.estimator.weight import Split, Weight


def latent(config: Config, family: Family) -> Body:
    """Dense layers first, then mixtures of experts."""
    mixer = latent_attention(config, family)
    made = {mixed: latent_block(config, family, mixer, mixed=mixed) for mixed in (False, True)}
    layers = runs(made[mixes(config, layer)] for layer in range(layer_count(config)))
    return around(config, family, layers, rotary=rotary_positions(config) * mixer.rope_dim)


def latent_attention(config: Config, family: Family) -> LatentAttention:
    """The ranks and widths of MLA, with the indexer where the family has one."""
    indexed = family.holds("indexer", config)
    return LatentAttention(
        heads=config.count("num_attention_heads"),
        kv_rank=config.count("kv_lora_rank"),
        nope_dim=config.count("qk_nope_head_dim"),
        rope_dim=config.count("qk_rope_head_dim"),
        value_dim=config.count("v_head_dim"),
        q_rank=config.optional_count("q_lora_rank"),
        index_heads=config.count("index_n_heads") if indexed else 0,
        index_dim=config.count("index_head_dim") if indexed else 0,
    )


def latent_block(config: Config, family: Family, mixer: LatentAttention, *, mixed: bool) -> Block:
    """One layer with latent attention."""
    hidden = config.count("hidden_size")
    weights = _attention_weights(config, mixer)
    mlp = mixture = None
    if mixed:
        shared = config.count("n_shared_experts", 0, least=0) * config.count("moe_intermediate_size")
        mixture = experts(config, family, shared)
        weights += expert_weights(hidden, mixture, router_bias=family.holds("router_bias", config))
    else:
        mlp = dense(config, family)
        weights += dense_weights(hidden, mlp)
    block = Block(mixer=mixer, feed_forward=mlp, experts=mixture, weights=tuple(weights))
    return normed(config, family, block)


def _attention_weights(config: Config, mixer: LatentAttention) -> list[Weight]:
    hidden, heads = config.count("hidden_size"), mixer.heads
    bias = config.flag("attention_bias")
    weights = []
    if mixer.q_rank is None:
        weights.append(Weight("self_attn.q_proj", mixer.query, hidden, split=Split.OUTPUTS, units=heads))
    else:
        weights += [
            Weight("self_attn.q_a_proj", mixer.q_rank, hidden, mixer.q_rank if bias else 0),
            Weight("self_attn.q_a_layernorm", mixer.q_rank, linear=False),
            Weight("self_attn.q_b_proj", mixer.query, mixer.q_rank, split=Split.OUTPUTS, units=heads),
        ]
    expanded = heads * (mixer.nope_dim + mixer.value_dim)
    weights += [
        Weight("self_attn.kv_a_proj_with_mqa", mixer.cached, hidden, mixer.cached if bias else 0),
        Weight("self_attn.kv_a_layernorm", mixer.kv_rank, linear=False),
        Weight("self_attn.kv_b_proj", expanded, mixer.kv_rank, split=Split.OUTPUTS, units=heads),
        Weight("self_attn.o_proj", hidden, mixer.context, hidden if bias else 0, Split.INPUTS, heads),
    ]
    if mixer.index_dim:
        weights += [
            Weight("self_attn.indexer.wq_b", mixer.index_heads * mixer.index_dim, mixer.q_rank or hidden),
            Weight("self_attn.indexer.wk", mixer.index_dim, hidden),
            Weight("self_attn.indexer.k_norm", mixer.index_dim, bias=mixer.index_dim, linear=False),
            Weight("self_attn.indexer.weights_proj", mixer.index_heads, hidden, linear=False),
        ]
    return weights
