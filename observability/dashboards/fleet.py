"""What GPUs there are and what becomes of their memory."""

from typing import Final

from observability.panels import BYTES, COUNT, SHARE, Dashboard, Kind, Panel, Query, Row, Step, Style, Variable
from observability.promql import ROLE, Clock, estimate, remembered
from observability.recording import POD_USED, STRANDED

_WHERE: Final = '{namespace=~"$namespace"}'
_USED: Final = f"{POD_USED}{_WHERE}"
_USED_BY_CLASS: Final = f"sum by (class) ({_USED})"
_PREDICTED_BY_CLASS: Final = f"sum by (class) (0 * {_USED} + on ({ROLE}) group_left () {estimate('expected', Clock())})"


def _memory(kind: str) -> str:
    return remembered(f'llmjob_gpu_class_memory_bytes{{kind="{kind}"}}', "class", Clock())


_USABLE_OF_HELD: Final = f"{_memory('usable_lower')} * on (class) count by (class) ({_USED})"

_NOW: Final = (
    Panel(
        kind=Kind.STAT,
        title="GPUs that hold a job",
        description="GPUs with a pod of an LLMJob whose use an exporter reports. Fewer than you run: look whether the"
        " exporter's labels name pods, and whether the pods carry llmjob.dev/job. Shared GPUs never count.",
        unit=COUNT,
        queries=(Query(f"count({_USED})", "GPUs"),),
        width=6,
        height=4,
    ),
    Panel(
        kind=Kind.STAT,
        title="Stranded memory",
        description="Usable memory of those GPUs, of all namespaces, that their jobs do not need. If it is as large as"
        " a whole GPU of a class, some job fits a smaller one: see below which class, then the Accuracy dashboard.",
        unit=BYTES,
        queries=(Query(f"sum({STRANDED})", "stranded"),),
        width=6,
        height=4,
    ),
    Panel(
        kind=Kind.STAT,
        title="Usable memory in use",
        description="Of the usable memory of GPUs that hold a job. Engines that fill the card count in full; what they"
        " need is less.",
        unit=SHARE,
        queries=(Query(f"sum({_USED}) / sum({_USABLE_OF_HELD})", "in use"),),
        width=6,
        height=4,
    ),
    Panel(
        kind=Kind.STAT,
        title="Roles that fit nowhere",
        description="Roles of jobs that no GPU of the fleet can hold. Their status and the Job dashboard say what would"
        " make them fit.",
        unit=COUNT,
        queries=(Query(f"count(max by ({ROLE}) (llmjob_fits{_WHERE}) == 0) or vector(0)", "roles"),),
        width=6,
        height=4,
        steps=(Step(None, "green"), Step(1, "orange")),
    ),
)

_CLASSES: Final = (
    Panel(
        kind=Kind.TABLE,
        title="GPU classes",
        description="What the nodes offer. Reported is what labels and the product table say, usable what a process can"
        " have; the verdicts rest on usable. A class without figures is unknown: nothing is refused there.",
        unit=BYTES,
        queries=(
            Query("max by (class) (llmjob_gpu_class_nodes)", "Nodes", COUNT),
            Query("max by (class) (llmjob_gpu_class_gpus)", "GPUs", COUNT),
            Query(_memory("reported_lower"), "Reported, least"),
            Query(_memory("reported_upper"), "Reported, most"),
            Query(_memory("usable_lower"), "Usable, least"),
            Query(_memory("usable_upper"), "Usable, most"),
        ),
        width=24,
    ),
    Panel(
        kind=Kind.BAR_GAUGE,
        title="In use of what is usable",
        description="By class, of the GPUs that hold a job. Far below the others: jobs there could share or go to a"
        " smaller class.",
        unit=SHARE,
        queries=(Query(f"{_USED_BY_CLASS} / on (class) ({_USABLE_OF_HELD})", "{{class}}"),),
        steps=(Step(None, "blue"), Step(0.5, "green"), Step(0.95, "orange")),
    ),
    Panel(
        kind=Kind.TIME_SERIES,
        title="Usable memory of GPUs that hold a job",
        description="What there is to be used, by class. Compare with predicted and used beside and below.",
        unit=BYTES,
        queries=(Query(_USABLE_OF_HELD, "{{class}}"),),
        style=Style.STACKED,
    ),
    Panel(
        kind=Kind.TIME_SERIES,
        title="Predicted",
        description="The sum of the expected need of the jobs on those GPUs, by class. Above use for long: memory lies"
        " idle, see Accuracy.",
        unit=BYTES,
        queries=(Query(_PREDICTED_BY_CLASS, "{{class}}"),),
        width=8,
        style=Style.STACKED,
    ),
    Panel(
        kind=Kind.TIME_SERIES,
        title="Used",
        description="What the exporters report for the jobs' GPUs, by class. It goes on for an hour after the operator"
        " went away.",
        unit=BYTES,
        queries=(Query(_USED_BY_CLASS, "{{class}}"),),
        width=8,
        style=Style.STACKED,
    ),
    Panel(
        kind=Kind.TIME_SERIES,
        title="Stranded",
        description="Usable less needed, by class, of all namespaces. The class with the most is where moving a job to"
        " a smaller GPU saves most.",
        unit=BYTES,
        queries=(Query(STRANDED, "{{class}}"),),
        width=8,
        style=Style.STACKED,
    ),
)

FLEET: Final = Dashboard(
    uid="llmjob-fleet",
    title="LLMJob / Fleet",
    description="GPU classes: reported, usable, predicted, used, stranded.",
    variables=(Variable.NAMESPACES,),
    rows=(Row("Now", _NOW), Row("Classes", _CLASSES)),
)
