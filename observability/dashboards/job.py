"""One role of one job: what was predicted, what it holds, and what was said of it."""

from typing import Final

from observability.panels import BYTES, COUNT, SHARE, Dashboard, Kind, Panel, Query, Row, Step, Style, Variable
from observability.promql import ROLE, Clock, remembered
from observability.recording import COMPARED, ERROR, NEEDED, POD_USED, POOL_USAGE, USED

_LABELS: Final = 'namespace="$namespace", llmjob="$llmjob", role="$role"'
_WHERE: Final = f"{{{_LABELS}}}"


def _estimate(bound: str) -> str:
    series = f'llmjob_estimated_gpu_memory_bytes{{{_LABELS}, measure="process", bound="{bound}"}}'
    return remembered(series, ROLE, Clock())


_COMPONENTS: Final = remembered(
    f'llmjob_estimated_gpu_memory_component_bytes{{{_LABELS}, bound="expected"}}', "component", Clock()
)
_OUT_OF_MEMORY: Final = f"llmjob_gpu_out_of_memory_total{_WHERE}"

_NOW: Final = (
    Panel(
        kind=Kind.STAT,
        title="Expected per GPU",
        description="The prediction's middle for the worst rank. None: the model, engine or method is unknown;"
        " `kubectl describe llmjob` names the field to correct.",
        unit=BYTES,
        queries=(Query(_estimate("expected"), "expected"),),
        width=5,
        height=4,
    ),
    Panel(
        kind=Kind.STAT,
        title="On the fullest GPU",
        description="What the exporter reports. None: no exporter, a GPU that is shared, or no running pod that carries"
        " llmjob.dev/job.",
        unit=BYTES,
        queries=(Query(f"{USED}{_WHERE}", "used"),),
        width=5,
        height=4,
    ),
    Panel(
        kind=Kind.STAT,
        title="Held against the prediction",
        description="Of engines that fill the card the need, use at ready less the part of the KV pool that was never"
        " used; of others the use. None: the engine's metrics are not scraped, or its cache is not linear in tokens.",
        unit=BYTES,
        queries=(Query(f"{COMPARED}{_WHERE}", "compared"),),
        width=5,
        height=4,
    ),
    Panel(
        kind=Kind.STAT,
        title="Error",
        description="Actual less expected, of expected. Above the band over time: correct the spec, or report the"
        " estimate.",
        unit=SHARE,
        queries=(Query(f"{ERROR}{_WHERE}", "error"),),
        width=5,
        height=4,
    ),
    Panel(
        kind=Kind.STAT,
        title="Out of memory",
        description="How often a container ended because the GPU had no memory left, within the chosen time. The job's"
        " condition MemoryExhausted says what to change.",
        unit=COUNT,
        queries=(Query(f"sum(increase({_OUT_OF_MEMORY}[$__range])) or vector(0)", "times"),),
        width=4,
        height=4,
        steps=(Step(None, "green"), Step(0.5, "red")),
    ),
)

_MEMORY: Final = (
    Panel(
        kind=Kind.TIME_SERIES,
        title="Predicted and actual memory per GPU",
        description="The band is what was predicted at least and at most. Use above it: the job may be placed on a GPU"
        " that is too small next time. Far below it: a smaller GPU may do. For engines that fill the card compare the"
        " need.",
        unit=BYTES,
        queries=(
            Query(_estimate("lower"), "predicted, at least"),
            Query(_estimate("upper"), "predicted, at most"),
            Query(_estimate("expected"), "expected"),
            Query(f"{USED}{_WHERE}", "used, fullest GPU"),
            Query(f"{NEEDED}{_WHERE}", "needed"),
        ),
        width=24,
        height=10,
        style=Style.BAND,
    ),
    Panel(
        kind=Kind.TIME_SERIES,
        title="What the prediction is made of",
        description="The parts of the expected need. The largest is where a change helps most: weights by quantisation,"
        " activations by batch and length, KV cache by concurrency and length.",
        unit=BYTES,
        queries=(Query(_COMPONENTS, "{{component}}"),),
        style=Style.STACKED,
    ),
    Panel(
        kind=Kind.TIME_SERIES,
        title="Used by GPU",
        description="Each GPU of each pod. Unequal: one rank holds more, and that one decides whether the job fits.",
        unit=BYTES,
        queries=(Query(f"{POD_USED}{_WHERE}", "{{pod}} {{gpu}}"),),
    ),
    Panel(
        kind=Kind.TIME_SERIES,
        title="Highest use of the KV cache",
        description="Since the engine began, by pod; none for other jobs. Low for days: less utilisation, or a smaller"
        " GPU, serves the same requests.",
        unit=SHARE,
        queries=(Query(f"max by (pod) ({POOL_USAGE}{_WHERE})", "{{pod}}"),),
    ),
    Panel(
        kind=Kind.TIME_SERIES,
        title="Error over time",
        description="Actual less expected, of expected. It settles once a run has reached its peak: a training run"
        " after its first steps, an engine under load.",
        unit=SHARE,
        queries=(Query(f"{ERROR}{_WHERE}", "error"),),
    ),
)

_EVENTS: Final = (
    Panel(
        kind=Kind.STATE_TIMELINE,
        title="Verdict",
        description="The reason that was in force, as in the job's status. It changes with the spec, the fleet and the"
        " settings.",
        unit=COUNT,
        queries=(Query(f"max by (reason) (llmjob_verdict_info{_WHERE})", "{{reason}}"),),
        texts=((1, "in force"),),
    ),
    Panel(
        kind=Kind.TIME_SERIES,
        title="Out of GPU memory",
        description="When it happened. Compare with the memory above: a slow rise is a leak or a longer sequence, a"
        " jump is a larger batch.",
        unit=COUNT,
        queries=(Query(f"sum(increase({_OUT_OF_MEMORY}[$__rate_interval]))", "times"),),
        style=Style.BARS,
    ),
)

JOB: Final = Dashboard(
    uid="llmjob-job",
    title="LLMJob / Job",
    description="Predicted against actual for one role of one job.",
    variables=(Variable.NAMESPACE, Variable.JOB, Variable.ROLE),
    rows=(Row("Now", _NOW), Row("Memory", _MEMORY), Row("What happened", _EVENTS)),
)
