"""Reading feed-forwards from a config: dense MLPs and mixtures of experts, with their weights."""

from collections.abc import Container

from llmjob.estimator.block import Experts, FeedForward
from llmjob.estimator.config import Config, ConfigError
from llmjob.estimator.families import Family
from llmjob.estimator.weight import Split, Weight


def dense(config: Config, family: Family, width: int | None = None) -> FeedForward:
    """The dense MLP: intermediate_size, or the family's multiple of the hidden size where it is absent."""
    hidden = config.count("hidden_size")
    if width is None:
        factor = family.times("widths", config)
        width = config.count("intermediate_size", factor * hidden if factor else None)
        if family.holds("halved_width", config):
            width //= 2
    return FeedForward(
        width=width,
        gated=family.word("mlp", "gated") == "gated",
        activation=config.text("hidden_act", "silu") or "silu",
        bias=family.holds("mlp_bias", config),
        fused_gate_up=family.holds("fused_gate_up", config),
    )


def dense_weights(hidden: int, mlp: FeedForward, prefix: str = "mlp") -> list[Weight]:
    """The matrices of a dense MLP: gate and up, or up alone, and down."""
    bias = mlp.width if mlp.bias else 0
    into = ("gate_proj", "up_proj") if mlp.gated else ("up_proj",)
    weights = [Weight(f"{prefix}.{name}", mlp.width, hidden, bias, Split.OUTPUTS) for name in into]
    return [*weights, Weight(f"{prefix}.down_proj", hidden, mlp.width, hidden if mlp.bias else 0, Split.INPUTS)]


def experts(config: Config, family: Family, shared_width: int = 0) -> Experts:
    """The mixture of a layer that has one.

    Raises:
        ConfigError: when more experts are chosen than there are.
    """
    count, top_k = config.count("num_experts"), config.count("num_experts_per_tok")
    if top_k > count:
        raise ConfigError(
            config.field("num_experts_per_tok"), f"{top_k} exceeds the {count} {config.field('num_experts')}"
        )
    return Experts(
        count=count,
        top_k=top_k,
        width=config.count("moe_intermediate_size"),
        shared_width=shared_width,
        gated=family.word("mlp", "gated") == "gated",
        activation=config.text("hidden_act", "silu") or "silu",
    )


def expert_weights(
    hidden: int, mixture: Experts, *, router_bias: bool = False, expert_bias: bool = False, shared_gate: bool = False
) -> list[Weight]:
    """Router, experts (one entry a matrix, `copies` of it) and shared experts."""
    count, width = mixture.count, mixture.width
    into = ("gate_proj", "up_proj") if mixture.gated else ("up_proj",)
    bias_in, bias_out = (width, hidden) if expert_bias else (0, 0)
    weights = [Weight("mlp.gate", count, hidden, count if router_bias else 0, linear=False)]
    weights += [Weight(f"mlp.experts.{name}", width, hidden, bias_in, Split.OUTPUTS, copies=count) for name in into]
    weights.append(Weight("mlp.experts.down_proj", hidden, width, bias_out, Split.INPUTS, copies=count))
    if mixture.shared_width:
        shared = FeedForward(width=mixture.shared_width, gated=mixture.gated)
        weights += dense_weights(hidden, shared, "mlp.shared_experts")
    if shared_gate:
        weights.append(Weight("mlp.shared_expert_gate", 1, hidden, linear=False))
    return weights


def layers_named(config: Config, name: str) -> frozenset[int] | None:
    """The layers that a list names by number; None where it is absent."""
    named = config.sequence(name)
    return None if named is None else frozenset(layer for layer in named if isinstance(layer, int))


def mixes(config: Config, layer: int, dense_layers: Container[int] | None = None) -> bool:
    """Whether a layer has experts: past the first dense ones, on every n-th, not among those named dense."""
    if dense_layers is not None and layer in dense_layers:
        return False
    first = config.count("first_k_dense_replace", 0, least=0)
    step = config.count("moe_layer_freq", 1)
    sparse = config.count("decoder_sparse_step", 1)
    return layer >= first and layer % step == 0 and (layer + 1) % sparse == 0
