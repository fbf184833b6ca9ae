"""How long gradients live on the GPU: to the step, or only until they are used or moved to the host."""

from dataclasses import dataclass
from typing import Final

from llmjob.estimator import training_profile
from llmjob.estimator.task import FineTuning
from llmjob.estimator.training_choice import Choice
from llmjob.estimator.training_profile import FrameworkRule
from llmjob.estimator.vocabulary import ADAPTER_METHODS

_MOVES_WITH_STATES: Final = frozenset({"ZeRO2", "ZeRO3"})
"""Source: "offload_optimizer: offloading optimizer memory and computation to CPU", with partitioned gradients: their
reduction copies each bucket to pinned host memory (deepspeed/runtime/zero/stage_1_and_2.py, stage3.py)."""
_MOVES_WITH_WEIGHTS: Final = frozenset({"FSDP", "HSDP"})
"""Source: PyTorch's CPUOffload: offload_params "implicitly enables gradient offloading"; FSDP2's CPUOffloadPolicy:
"sharded gradients are copied device-to-host in backward"."""
_ZERO: Final = frozenset({"ZeRO1", "ZeRO2", "ZeRO3"})
_BUCKETS: Final = 2 * 500_000_000
"""Elements of ZeRO's reduce_bucket_size (default 5e8), two of which overlap_comm fills in turn."""


@dataclass(frozen=True, slots=True)
class GradientsLife:
    """`kept`: on the GPU until the step; else all but `bucket` elements leave as soon as each is whole."""

    kept: bool = True
    bucket: int = 0


_GONE: Final = GradientsLife(kept=False)


def gradients_life(task: FineTuning, rule: FrameworkRule) -> Choice[GradientsLife]:
    """As the sharding does it with what is offloaded; else as the optimizer, which may update inside the backward."""
    strategy = task.sharding.strategy if task.sharding else None
    if strategy in _MOVES_WITH_STATES and "Optimizer" in task.offload:
        return Choice(expected=_GONE, kindest=_GONE, harshest=GradientsLife(kept=False, bucket=_BUCKETS))
    if strategy in _MOVES_WITH_WEIGHTS and "Parameters" in task.offload:
        return Choice(expected=_GONE, kindest=_GONE, harshest=GradientsLife(kept=may_hold_whole(task)))
    stated = training_profile.optimizer(task.optimizer or "AdamW").gradients
    least = training_profile.optimizer(task.optimizer or rule.kindest_optimizer).gradients.low
    # Others that move weights or states to the host move gradients too, or let them be moved (offload_gradients).
    gone = not least or bool({"Optimizer", "Parameters"} & set(task.offload)) or _may_update_in_backward(task, rule)
    return Choice(
        expected=GradientsLife(kept=bool(stated.expected)),
        kindest=GradientsLife(kept=not gone),
        harshest=GradientsLife(kept=bool(stated.high)),
    )


def may_hold_whole(task: FineTuning) -> bool:
    """Whether ranks may hold unsharded gradients between micro-batches.

    Source: no_sync of PyTorch's FSDP, which Accelerate enters where gradients accumulate: "FSDP will accumulate the
    full model gradients (instead of gradient shards) until the eventual sync", on the GPU.
    """
    strategy = task.sharding.strategy if task.sharding else None
    return strategy in _MOVES_WITH_WEIGHTS and (task.gradient_accumulation or 1) > 1


def _may_update_in_backward(task: FineTuning, rule: FrameworkRule) -> bool:
    """Whether any optimizer may step for each parameter as its gradient is there, and nothing says that it does not."""
    strategy = task.sharding.strategy if task.sharding else None
    accumulates = (task.gradient_accumulation or 1) > 1
    return rule.updates_in_backward and task.method not in ADAPTER_METHODS and strategy not in _ZERO and not accumulates
