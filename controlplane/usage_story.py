"""The third act's script: what the pods of examples/ use of their GPUs within an hour.

A run has the figure that was measured for it, from its example's annotation or from vLLM's own log; how it gets there,
how much of its pool an engine uses, the drift and the death are drawn. Nothing comes from llmjob's estimates.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from controlplane import nodes
from controlplane.exporters import VLLM, Course, Share, courses, devices, measured
from controlplane.nodes import GPU_RESOURCE
from controlplane.truth import NEED_ANNOTATION, SOURCE_ANNOTATION

MINUTE: Final = 60.0
MIB: Final = 2**20
GIB: Final = 2**30
HOUR: Final = 60 * MINUTE
DRIFTING: Final = "mistral-7b-lora"
"""Its first pod leaks, or gets ever longer samples."""
EXHAUSTED: Final = "llama-8b-lora"
"""The one of its pods with the smallest card gets a sample that is too long."""
DEATH: Final = 52 * MINUTE
_DRIFT: Final = (15 * MINUTE, 45 * MINUTE)
_DRIFTED: Final = 66 * GIB
_BUSY: Final = 10 * MINUTE
_JOB_LABEL: Final = "llmjob.dev/job"
_RANKS: Final = {1: "tp1pp1dp1", 2: "tp2pp1dp1"}
_SERVED: Final = {  # the measured model, and how many tokens its pool comes to hold
    "llama-70b-serving": ("RedHatAI/Llama-3.3-70B-Instruct-fp8-dynamic", 131_072),
    "qwen3-30b-serving": ("Qwen/Qwen3-30B-A3B", 68_000),
    "qwen3-8b-serving": ("Qwen/Qwen3-8B", 16_384),
}
# Below it vLLM batches a quarter as many tokens by default, and a batch takes a quarter as much.
_LARGE_CARD: Final = 70 * GIB
_FILLED: Final = 0.9  # vLLM's default share of the card, for a server whose run nobody logged


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """What a pod uses of each of its GPUs, and its engine's own metrics where they are scraped.

    `dies` is set for the one that runs out of memory at DEATH.
    """

    gpus: tuple[Course, ...]
    engine: VLLM | None = None
    dies: bool = False


def uses(pods: Iterable[Mapping[str, Any]], cards: Mapping[str, int]) -> dict[str, Use]:
    """By pod; `cards` are the bytes of each node's cards. Raises NotMeasured."""
    there = sorted(pods, key=lambda pod: (cards[pod["spec"]["nodeName"]], pod["metadata"]["name"]))
    drifts = min((_name(pod) for pod in there if _job(pod) == DRIFTING), default="")
    dies = next((_name(pod) for pod in there if _job(pod) == EXHAUSTED), "")
    found = {}
    for pod in there:
        card = cards[pod["spec"]["nodeName"]]
        if _job(pod) in _SERVED:
            found[_name(pod)] = _serving(_job(pod), card, _gpus(pod))
        elif _job(pod).endswith("-serving"):
            # Its engine is not scraped: what it needs of the card that it fills stays unknown.
            found[_name(pod)] = Use(gpus=(courses.serving(round(_FILLED * card)),) * _gpus(pod))
        else:
            course = _training(pod)
            if _name(pod) == drifts:
                course = courses.drifting(course, _DRIFTED, begin=_DRIFT[0], end=_DRIFT[1])
            if _name(pod) == dies:
                course = courses.out_of_memory(course, card, begin=DEATH - MINUTE, end=DEATH)
            found[_name(pod)] = Use(gpus=(course,) * _gpus(pod), dies=_name(pod) == dies)
    return found


def last_words(card: int) -> str:
    """The end of the log of PyTorch on a card of that many bytes."""
    total, free = (card - devices.RESERVED) / GIB, 417.06
    held = total - free / 1024
    return (
        "Traceback (most recent call last):\n"
        '  File "/opt/conda/bin/litgpt", line 8, in <module>\n    sys.exit(main())\n'
        "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 1.96 GiB. GPU 0 has a total capacity of "
        f"{total:.2f} GiB of which {free:.2f} MiB is free. Including non-PyTorch memory, this process has {held:.2f} "
        f"GiB memory in use. Of the allocated memory {held - 1.2:.2f} GiB is allocated by PyTorch, and 703.11 MiB is "
        "reserved by PyTorch but unallocated.\n"
    )


def _training(pod: Mapping[str, Any]) -> Course:
    annotations = pod["metadata"]["annotations"]
    return courses.training(int(annotations[NEED_ANNOTATION]), source=annotations[SOURCE_ANNOTATION])


def _serving(job: str, card: int, gpus: int) -> Use:
    """As vLLM was logged on an H100; another card has as large a share in use, and a pool of what is left of it."""
    model, tokens = _SERVED[job]
    run = measured.vllm_on_h100(model, _RANKS[gpus])
    if run.pool_bytes is None or run.pool_tokens is None or run.activation_bytes is None:
        raise measured.NotMeasured(f"{run.source}: no pool or no batch")
    ready = round(run.gpus[0].peak * card / (nodes.H100.memory * MIB))
    batch = run.activation_bytes if card >= _LARGE_CARD else run.activation_bytes // 4
    course = courses.drifting(courses.serving(ready, source=run.source), ready + batch, begin=2 * MINUTE, end=_BUSY)
    pool = ready - (run.gpus[0].peak - run.pool_bytes)
    blocks = pool * run.pool_tokens // run.pool_bytes // 16
    share = min(1.0, tokens / (16 * blocks))
    usage = Share(((MINUTE, 0.0), (_BUSY, 0.7 * share), (HOUR / 2, share), (HOUR, 0.8 * share)))
    return Use(gpus=(course,) * gpus, engine=VLLM(model=model, blocks=blocks, tokens=16 * blocks, usage=usage))


def _name(pod: Mapping[str, Any]) -> str:
    return str(pod["metadata"]["name"])


def _job(pod: Mapping[str, Any]) -> str:
    return str(pod["metadata"]["labels"][_JOB_LABEL])


def _gpus(pod: Mapping[str, Any]) -> int:
    return sum(
        int(item.get("resources", {}).get("limits", {}).get(GPU_RESOURCE, "0")) for item in pod["spec"]["containers"]
    )
