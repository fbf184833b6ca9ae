"""What an estimate says: an interval per GPU, its parts, how each is known, and what an engine's budget allows."""

from dataclasses import dataclass
from enum import StrEnum

from llmjob.estimator.interval import Interval, Range
from llmjob.names import Reason


class Basis(StrEnum):
    """How a component is known, surest first."""

    EXACT = "Exact"
    MEASURED = "Measured"
    MODELLED = "Modelled"
    RULE_OF_THUMB = "RuleOfThumb"


class ComponentName(StrEnum):
    """The parts of an estimate, in printing order; an absent one is zero."""

    WEIGHTS = "Weights"
    ADAPTERS = "Adapters"
    GRADIENTS = "Gradients"
    OPTIMIZER_STATES = "OptimizerStates"
    ACTIVATIONS = "Activations"
    LOGITS = "Logits"
    KV_CACHE = "KVCache"
    CUDA_GRAPHS = "CUDAGraphs"
    COMMUNICATION = "Communication"
    RUNTIME = "Runtime"
    ALLOCATOR_SLACK = "AllocatorSlack"


class Limit(StrEnum):
    """Which of the two tests binds: the card's memory or the engine's budget on it."""

    MEMORY = "Memory"
    BUDGET = "Budget"


@dataclass(frozen=True, slots=True)
class Component:
    """One part of the need, bytes per GPU on the worst rank."""

    name: ComponentName
    memory: Interval
    basis: Basis


@dataclass(frozen=True, slots=True, kw_only=True)
class Measures:
    """The three measures of one run, never mixed: allocated ≤ reserved ≤ process."""

    allocated: Interval
    reserved: Interval
    process: Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What an engine that fills the card must place inside utilisation × total.

    `needed` are the components it budgets; `available` is None while no GPU is assumed.
    """

    needed: Interval
    available: Range | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """What a server on this GPU would offer, at the expected values.

    `kv_pool` in bytes per GPU, `kv_tokens` in tokens, `concurrency` in sequences of the asked length,
    `longest_length` the longest sequence that still starts, in tokens.
    """

    starts: bool
    kv_pool: Interval
    kv_tokens: int | None
    concurrency: float
    longest_length: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Unknown:
    """Why there is no estimate: `field` is the path in the LLMJob's spec that caused it, `message` names the fix."""

    reason: Reason
    field: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """GPU memory one GPU of the worst rank needs: process memory, in bytes.

    The components' expected values sum exactly to `per_gpu.expected`; bounds need not sum.
    """

    per_gpu: Interval
    components: tuple[Component, ...]
    profile: str
    parameters: int
    active_parameters: int
    measures: Measures | None = None
    budget: Budget | None = None
    serving: Serving | None = None
    instant: str | None = None
    kv_bytes_per_token: int | None = None
    warnings: tuple[str, ...] = ()

    def component(self, name: ComponentName) -> Interval:
        """A part by name; an absent one is zero."""
        return next((part.memory for part in self.components if part.name == name), Interval(0, 0, 0))
