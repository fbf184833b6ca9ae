"""Pipeline parallelism: which layers each stage holds."""

from llmjob.estimator.architecture import Architecture
from llmjob.estimator.block import Run


def stages(architecture: Architecture, pipeline: int) -> tuple[tuple[Run, ...], ...]:
    """The layers of each stage, first to last; stages beyond the number of layers are empty.

    An equal share each, what is left over one by one from the last stage but one towards the first, since the last also
    holds the head. Source: get_pp_indices in vllm/distributed/utils.py.
    """
    share, rest = divmod(architecture.num_layers, pipeline)
    counts = [share] * pipeline
    for index in range(rest):
        counts[pipeline - 2 - index] += 1
    layers = list(architecture.layers)
    return tuple(_take(layers, count) for count in counts)


def _take(layers: list[Run], count: int) -> tuple[Run, ...]:
    """The first `count` layers, removed from `layers`."""
    taken = []
    while count:
        run = layers.pop(0)
        part = min(count, run.count)
        taken.append(Run(run.block, part))
        count -= part
        if run.count > part:
            layers.insert(0, Run(run.block, run.count - part))
    return tuple(taken)
