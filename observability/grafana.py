"""Grafana's JSON of a dashboard, built with its foundation SDK; the same bytes every time."""

import json
from collections.abc import Callable, Iterator
from typing import Final, TypeAlias

from grafana_foundation_sdk.builders import (
    bargauge,
    common,
    dashboard,
    prometheus,
    stat,
    statetimeline,
    table,
    timeseries,
)
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import common as c
from grafana_foundation_sdk.models import dashboard as d
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from observability.panels import Dashboard, Kind, Panel, Row, Step, Style, Variable

TAG: Final = "llmjob"
SCHEMA_VERSION: Final = 41  # of Grafana 11.6 and 12
_DATA_SOURCE: Final = d.DataSourceRef(type_val="prometheus", uid="${datasource}")

_Drawn: TypeAlias = bargauge.Panel | stat.Panel | statetimeline.Panel | table.Panel | timeseries.Panel


def dashboard_json(page: Dashboard) -> str:
    """The file that Grafana imports, with a line's end at its end."""
    builder = (
        dashboard.Dashboard(page.title)
        .uid(page.uid)
        .description(page.description)
        .tags([TAG])
        .readonly()
        .refresh("1m")
        .time("now-6h", "now")
        .timezone("browser")
        .tooltip(d.DashboardCursorSync.CROSSHAIR)
        .with_variable(_data_source())
        .link(_other_pages())
    )
    for variable in page.variables:
        builder = builder.with_variable(_VARIABLES[variable]())
    for panel in _placed(page):
        builder = builder.with_row(panel) if isinstance(panel, dashboard.Row) else builder.with_panel(panel)
    built = builder.build()
    built.schema_version = SCHEMA_VERSION
    return json.dumps(built, cls=JSONEncoder, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def _placed(page: Dashboard) -> Iterator[dashboard.Row | _Drawn]:
    """Rows and panels with their ids and places."""
    for number, placed in enumerate(page.placed(), 1):
        place = d.GridPos(h=placed.height, w=placed.width, x=placed.x, y=placed.y)
        what = placed.what
        built = dashboard.Row(what.title) if isinstance(what, Row) else _drawn(what)
        yield built.id(number).grid_pos(place)


def _drawn(panel: Panel) -> _Drawn:
    built = _KINDS[panel.kind](panel)
    built = built.title(panel.title).description(panel.description).unit(panel.unit).datasource(_DATA_SOURCE)
    for index, query in enumerate(panel.queries):
        target = (
            prometheus.Dataquery()
            .ref_id(_ref(index))
            .expr(query.expr)
            .legend_format(query.legend)
            .datasource(_DATA_SOURCE)
            .format(PromQueryFormat.TABLE if panel.kind is Kind.TABLE else PromQueryFormat.TIME_SERIES)
        )
        built = built.with_target(target.instant() if panel.instant else target.range())
    if panel.steps:
        built = built.thresholds(_thresholds(panel.steps))
    if panel.texts:
        texts = {f"{value:g}": d.ValueMappingResult(text=text) for value, text in panel.texts}
        built = built.mappings([d.ValueMap(options=texts)])
    return built


def _ref(index: int) -> str:
    return chr(ord("A") + index)


def _stat(panel: Panel) -> stat.Panel:
    del panel
    return stat.Panel().graph_mode(c.BigValueGraphMode.NONE).reduce_options(_last())


def _bar_gauge(panel: Panel) -> bargauge.Panel:
    built = bargauge.Panel().reduce_options(_last()).orientation(c.VizOrientation.HORIZONTAL).min(0)
    return built.max(1) if panel.steps else built


def _state_timeline(panel: Panel) -> statetimeline.Panel:
    del panel
    return statetimeline.Panel().show_value(c.VisibilityMode.NEVER).fill_opacity(70)


def _time_series(panel: Panel) -> timeseries.Panel:
    legend = common.VizLegendOptions().display_mode(c.LegendDisplayMode.LIST).show_legend(show_legend=True)
    built = (
        timeseries.Panel()
        .legend(legend.placement(c.LegendPlacement.BOTTOM).calcs([]))
        .tooltip(common.VizTooltipOptions().mode(c.TooltipDisplayMode.MULTI))
        .show_points(c.VisibilityMode.NEVER)
    )
    match panel.style:
        case Style.STACKED:
            return built.stacking(common.StackingConfig().mode(c.StackingMode.NORMAL)).fill_opacity(40).min(0)
        case Style.BARS:
            return built.draw_style(c.GraphDrawStyle.BARS).fill_opacity(80).min(0)
        case Style.BAND:
            lower, upper = panel.queries[0].legend, panel.queries[1].legend
            edge = [
                d.DynamicConfigValue(id_val="custom.lineWidth", value=0),
                d.DynamicConfigValue(id_val="color", value={"mode": "fixed", "fixedColor": "blue"}),
            ]
            filled = [
                *edge,
                d.DynamicConfigValue(id_val="custom.fillBelowTo", value=lower),
                d.DynamicConfigValue(id_val="custom.fillOpacity", value=20),
            ]
            return built.override_by_name(lower, edge).override_by_name(upper, filled)
        case Style.LINES:
            return built


def _table(panel: Panel) -> table.Panel:
    """One line for each set of labels, one column for each query."""
    columns = {f"Value #{_ref(index)}": query.legend for index, query in enumerate(panel.queries)}
    built = (
        table.Panel()
        .with_transformation(d.DataTransformerConfig(id_val="merge", options={}))
        .with_transformation(
            d.DataTransformerConfig(
                id_val="organize", options={"excludeByName": {"Time": True}, "renameByName": columns}
            )
        )
    )
    for query in panel.queries:
        if query.unit is not None:
            built = built.override_by_name(query.legend, [d.DynamicConfigValue(id_val="unit", value=query.unit)])
    return built


_KINDS: Final[dict[Kind, Callable[[Panel], _Drawn]]] = {
    Kind.STAT: _stat,
    Kind.TIME_SERIES: _time_series,
    Kind.BAR_GAUGE: _bar_gauge,
    Kind.STATE_TIMELINE: _state_timeline,
    Kind.TABLE: _table,
}


def _last() -> Builder[c.ReduceDataOptions]:
    return common.ReduceDataOptions().values(values=False).calcs(["lastNotNull"])


def _thresholds(steps: tuple[Step, ...]) -> Builder[d.ThresholdsConfig]:
    found = [d.Threshold(value=step.value, color=step.color) for step in steps]
    return dashboard.ThresholdsConfig().mode(d.ThresholdsMode.ABSOLUTE).steps(found)


def _data_source() -> dashboard.DatasourceVariable:
    return dashboard.DatasourceVariable("datasource").label("Data source").type("prometheus")


def _chosen(name: str, label: str, series: str) -> dashboard.QueryVariable:
    return (
        dashboard.QueryVariable(name)
        .label(label)
        .datasource(_DATA_SOURCE)
        .query(f"label_values({series}, {name})")
        .refresh(d.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(d.VariableSort.ALPHABETICAL_ASC)
    )


def _namespaces() -> dashboard.QueryVariable:
    everything = d.VariableOption(selected=True, text="All", value="$__all")
    several = _chosen("namespace", "Namespace", "llmjob_info").multi(multi=True).include_all(include_all=True)
    return several.all_value(".*").current(everything)


_VARIABLES: Final[dict[Variable, Callable[[], dashboard.QueryVariable]]] = {
    Variable.NAMESPACES: _namespaces,
    Variable.NAMESPACE: lambda: _chosen("namespace", "Namespace", "llmjob_info"),
    Variable.JOB: lambda: _chosen("llmjob", "Job", 'llmjob_info{namespace="$namespace"}'),
    Variable.ROLE: lambda: _chosen("role", "Role", 'llmjob_info{namespace="$namespace", llmjob="$llmjob"}'),
}


def _other_pages() -> dashboard.DashboardLink:
    return (
        dashboard.DashboardLink("LLMJob")
        .type(d.DashboardLinkType.DASHBOARDS)
        .tags([TAG])
        .as_dropdown(as_dropdown=True)
        .keep_time(keep_time=True)
    )
