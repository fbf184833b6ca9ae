"""How right the predictions are, by engine, by method and by job."""

from typing import Final

from observability.panels import BYTES, COUNT, SHARE, Dashboard, Kind, Panel, Query, Row, Step, Variable
from observability.promql import ROLE, Clock, estimate, remembered
from observability.recording import COMPARED, ERROR

_WHERE: Final = '{namespace=~"$namespace"}'
_ERROR: Final = f"{ERROR}{_WHERE}"
_COMPARED: Final = f"{COMPARED}{_WHERE}"
_LOWER: Final = estimate("lower", Clock())
_UPPER: Final = estimate("upper", Clock())
_INSIDE: Final = f"({_COMPARED} >= on ({ROLE}) {_LOWER}) <= on ({ROLE}) {_UPPER}"
# A role has one engine and one method; while either changes it may have two series for a moment.
_INFO: Final = f"topk by ({ROLE}) (1, {remembered('llmjob_info', f'{ROLE}, engine, method', Clock())})"
_ERROR_BY_PROFILE: Final = f"{_ERROR} * on ({ROLE}) group_left (engine, method) {_INFO}"
_COMPARED_BY_PROFILE: Final = f"{_COMPARED} * on ({ROLE}) group_left (engine, method) {_INFO}"
_INSIDE_BY_PROFILE: Final = f"({_INSIDE}) * on ({ROLE}) group_left (engine, method) {_INFO}"
_SHARE: Final = f"(count({_INSIDE}) or vector(0)) / count({_COMPARED})"
_GOOD: Final = (Step(None, "red"), Step(0.8, "orange"), Step(0.95, "green"))

_NOW: Final = (
    Panel(
        kind=Kind.STAT,
        title="Inside their interval",
        description="Share of roles whose actual need lies between the prediction's bounds. Below 95 %: the list at the"
        " end says which, and the panels by engine and method say whether they have something in common.",
        unit=SHARE,
        queries=(Query(_SHARE, "inside"),),
        width=6,
        height=4,
        steps=_GOOD,
    ),
    Panel(
        kind=Kind.STAT,
        title="Roles compared",
        description="Roles with a prediction and a measured need. The others run on shared GPUs, have no exporter, or"
        " serve by an engine whose metrics are not scraped.",
        unit=COUNT,
        queries=(Query(f"count({_COMPARED}) or vector(0)", "roles"),),
        width=6,
        height=4,
    ),
    Panel(
        kind=Kind.STAT,
        title="Median error",
        description="Half of the roles are nearer to their expected need than this, in either direction.",
        unit=SHARE,
        queries=(Query(f"quantile(0.5, abs({_ERROR}))", "median"),),
        width=6,
        height=4,
    ),
    Panel(
        kind=Kind.STAT,
        title="Most above its prediction",
        description="The role that exceeds its expected need most. Above its upper bound it also raises the alert"
        " LLMJobAboveEstimate.",
        unit=SHARE,
        queries=(Query(f"max({_ERROR})", "worst"),),
        width=6,
        height=4,
    ),
)

_OVER_TIME: Final = (
    Panel(
        kind=Kind.TIME_SERIES,
        title="Inside their interval, over time",
        description="All roles of the chosen namespaces. A step down after an upgrade of an engine: its profile no"
        " longer holds.",
        unit=SHARE,
        queries=(Query(_SHARE, "inside"),),
    ),
    Panel(
        kind=Kind.BAR_GAUGE,
        title="Inside their interval, by engine and method",
        description="Where one engine or method is worse than the others, report it with one of its jobs.",
        unit=SHARE,
        queries=(
            Query(
                f"(count by (engine, method) ({_INSIDE_BY_PROFILE}) or 0 * count by (engine, method)"
                f" ({_COMPARED_BY_PROFILE})) / count by (engine, method) ({_COMPARED_BY_PROFILE})",
                "{{engine}} {{method}}",
            ),
        ),
        steps=_GOOD,
    ),
    Panel(
        kind=Kind.TIME_SERIES,
        title="Median error by engine and method",
        description="With its sign: above 0 more was used than expected. A lasting offset is ours to correct, scatter"
        " comes from specs that say less than what runs.",
        unit=SHARE,
        queries=(Query(f"quantile by (engine, method) (0.5, {_ERROR_BY_PROFILE})", "{{engine}} {{method}}"),),
    ),
    Panel(
        kind=Kind.TIME_SERIES,
        title="Largest error by engine and method",
        description="The role furthest from its expected need in either direction.",
        unit=SHARE,
        queries=(Query(f"max by (engine, method) (abs({_ERROR_BY_PROFILE}))", "{{engine}} {{method}}"),),
    ),
)

_ROLES: Final = (
    Panel(
        kind=Kind.TABLE,
        title="Every role",
        description="Sort by error. Far below 0: a smaller GPU may do, ask `llmjob check`. Above the upper bound:"
        " compare the spec with what runs.",
        unit=BYTES,
        queries=(
            Query(f"max by ({ROLE}) ({_ERROR})", "Error", SHARE),
            Query(f"max by ({ROLE}) ({_COMPARED})", "Actual"),
            Query(f"{estimate('expected', Clock())} and on ({ROLE}) {_COMPARED}", "Expected"),
            Query(f"{_LOWER} and on ({ROLE}) {_COMPARED}", "At least"),
            Query(f"{_UPPER} and on ({ROLE}) {_COMPARED}", "At most"),
        ),
        width=24,
        height=10,
    ),
)

ACCURACY: Final = Dashboard(
    uid="llmjob-accuracy",
    title="LLMJob / Accuracy",
    description="How far predictions are from what jobs need, and how many stay inside their interval.",
    variables=(Variable.NAMESPACES,),
    rows=(Row("Now", _NOW), Row("By engine and method", _OVER_TIME), Row("By job", _ROLES)),
)
