"""Draws a page's panels with matplotlib, laid out as in Grafana; the same bytes for the same series."""

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from observability.figures import scaled, tick, written
from observability.panels import COLUMNS, Dashboard, Kind, Panel, Placed, Query, Row, Style

_STYLE: Final[dict[str, object]] = {
    "svg.hashsalt": "llmjob",
    "svg.fonttype": "none",
    "font.family": ["sans-serif"],
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 7.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#9a9a9a",
    "xtick.color": "#555555",
    "ytick.color": "#555555",
    "lines.linewidth": 1.4,
}
_PALETTE: Final = ("#3b76af", "#e08214", "#4d9a4d", "#b24745", "#7b68ae", "#8c6d55", "#c46fa9", "#7f7f7f")
_NAMED: Final = {"green": "#3c8c40", "orange": "#d9790b", "red": "#c23b3b", "blue": "#3b76af"}
_TEXT: Final = "#1f1f1f"
_QUIET: Final = "#6a6a6a"
_WIDTH: Final = 11.0  # inches
_ROW: Final = 0.26  # inches for one of Grafana's rows


@dataclass(frozen=True, slots=True)
class Line:
    """A series by its legend: its labels, minutes and values (in the panel's unit, unscaled)."""

    query: int
    legend: str
    labels: Mapping[str, str]
    points: tuple[tuple[float, float], ...]

    @property
    def last(self) -> float:
        return self.points[-1][1]


Series = Mapping[str, Sequence[Line]]


def svg(page: Dashboard, series: Series) -> str:
    """The page; `series` are by the panels' titles."""
    placed = list(page.placed())
    rows = max(place.y + place.height for place in placed) + 1
    with mpl.rc_context(_STYLE):  # type: ignore[arg-type]
        figure = Figure(figsize=(_WIDTH, rows * _ROW))
        figure.text(0.008, 1 - 0.55 / rows, page.title, fontsize=10, weight="bold", color=_TEXT, va="center")
        for place in placed:
            _draw(figure, place, rows, series)
        out = io.StringIO()
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
    return "".join(f"{line.rstrip()}\n" for line in out.getvalue().splitlines())


def _draw(figure: Figure, place: Placed, rows: int, series: Series) -> None:
    """In inches: a heading, or a panel's title with its axes below it."""
    left, top = place.x / COLUMNS, 1 - (place.y + 1) / rows
    what = place.what
    if isinstance(what, Row):
        figure.text(0.008, top - 0.5 / rows, what.title, fontsize=8, weight="bold", color=_QUIET, va="center")
        return
    figure.text(left + 0.008, top - 0.55 / rows, what.title, fontsize=7.5, weight="bold", color=_TEXT, va="center")
    margin = 0.008 if what.kind in {Kind.STAT, Kind.TABLE} else 0.05
    below = 2.3 if what.kind in {Kind.TIME_SERIES, Kind.STATE_TIMELINE} else 0.6
    height, width = (place.height - 1.2 - below) / rows, place.width / COLUMNS - margin - 0.02
    axes = figure.add_axes((left + margin, top - (place.height - below) / rows, width, height))
    found = series[what.title]
    if found:
        _KINDS[what.kind](axes, what, found)
    else:
        axes.set_axis_off()
        axes.text(0, 0.5, "none", color=_QUIET, fontsize=9, va="center")


def _stat(axes: Axes, panel: Panel, lines: Sequence[Line]) -> None:
    axes.set_axis_off()
    value = lines[0].last
    text = dict(panel.texts).get(value, written(value, panel.unit))
    axes.text(0, 0.4, text, fontsize=15, weight="bold", color=_color(panel, value), va="center")


def _color(panel: Panel, value: float) -> str:
    """By the panel's steps."""
    passed = [step.color for step in panel.steps if step.value is None or value >= step.value]
    return _NAMED[passed[-1]] if passed else _TEXT


def _bar_gauge(axes: Axes, panel: Panel, lines: Sequence[Line]) -> None:
    """Names above their bars: they may be longer than the margin."""
    places, values = range(len(lines)), [line.last for line in lines]
    bars = axes.barh(
        places, [scaled(value, panel.unit) for value in values], height=0.4,
        color=[_color(panel, value) for value in values],
    )  # fmt: skip
    axes.bar_label(bars, [written(value, panel.unit) for value in values], padding=3)
    for place, line in zip(places, lines, strict=True):
        axes.text(0, place - 0.26, line.legend, va="bottom", color=_QUIET)
    axes.set_xlim(0, 110)
    axes.set_ylim(len(lines) - 0.6, -0.8)
    axes.set_axis_off()


def _state_timeline(axes: Axes, panel: Panel, lines: Sequence[Line]) -> None:
    del panel
    for index, line in enumerate(lines):
        minutes = [minute for minute, value in line.points if value]
        axes.barh(index, minutes[-1] - minutes[0], left=minutes[0], height=0.6, color=_PALETTE[index])
        axes.text(minutes[0] + 0.5, index, line.legend, color="white", va="center", weight="bold")
    axes.set_yticks([])
    axes.set_ylim(-1, len(lines))
    _minutes(axes)


def _time_series(axes: Axes, panel: Panel, lines: Sequence[Line]) -> None:
    curves = [([minute for minute, _ in line.points], _values(line, panel)) for line in lines]
    legends = [line.legend for line in lines]
    match panel.style:
        case Style.STACKED:
            minutes = sorted({minute for line in lines for minute, _ in line.points})
            at = [dict(line.points) for line in lines]
            heights = [[scaled(points.get(minute, 0.0), panel.unit) for minute in minutes] for points in at]
            axes.stackplot(minutes, heights, labels=legends, colors=_PALETTE, alpha=0.75)
        case Style.BARS:
            for (minutes, values), legend in zip(curves, legends, strict=True):
                axes.bar(minutes, values, width=1.6, label=legend, color=_PALETTE[3])
        case Style.BAND:
            _band(axes, lines, curves)
        case Style.LINES:
            for index, ((minutes, values), legend) in enumerate(zip(curves, legends, strict=True)):
                axes.plot(minutes, values, label=legend, color=_PALETTE[index % len(_PALETTE)])
    values = [value for _, found in curves for value in found]
    low, high = axes.get_ylim()
    axes.set_ylim(low if min(values) < 0 else 0, high if any(values) else 1)
    axes.yaxis.set_major_formatter(lambda value, _: tick(value, panel.unit, high))
    axes.yaxis.set_major_locator(mpl.ticker.MaxNLocator(5))
    axes.grid(axis="y", color="#e4e4e4", linewidth=0.6)
    axes.set_axisbelow(True)
    _minutes(axes)
    columns = min(len(legends), 5)
    axes.legend(
        loc="upper left", bbox_to_anchor=(0, -1.0 / (panel.height - 3.5)), ncols=columns, frameon=False,
        fontsize=6.5, borderpad=0, handlelength=1.2, columnspacing=1.2,
    )  # fmt: skip


def _band(axes: Axes, lines: Sequence[Line], curves: Sequence[tuple[list[float], list[float]]]) -> None:
    """The first two queries are the edges, which a legend names once."""
    edges = {line.query: curve for line, curve in zip(lines, curves, strict=True) if line.query <= 1}
    axes.fill_between(edges[0][0], edges[0][1], edges[1][1], color=_PALETTE[0], alpha=0.2, label="predicted")
    for line, (minutes, values) in zip(lines, curves, strict=True):
        if line.query > 1:
            axes.plot(minutes, values, label=line.legend, color=_PALETTE[line.query - 2])


def _values(line: Line, panel: Panel) -> list[float]:
    return [scaled(value, panel.unit) for _, value in line.points]


def _minutes(axes: Axes) -> None:
    axes.set_xlim(0, 60)
    axes.set_xticks(range(0, 61, 10))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0f} min")


def _table(axes: Axes, panel: Panel, lines: Sequence[Line]) -> None:
    """One line for each set of labels, one column for each query, as merged by Grafana."""
    axes.set_axis_off()
    keys = sorted({tuple(sorted(line.labels.items())) for line in lines})
    names = [name for name, _ in keys[0]]
    cells = {(tuple(sorted(line.labels.items())), line.query): line.last for line in lines}

    def cell(key: tuple[tuple[str, str], ...], index: int, query: Query) -> str:
        value = cells.get((key, index))
        return "" if value is None else written(value, query.unit or panel.unit)

    table = [[*names, *(query.legend for query in panel.queries)]]
    table += [
        [*(value for _, value in key), *(cell(key, *column) for column in enumerate(panel.queries))] for key in keys
    ]
    for row, texts in enumerate(table):
        for column, text in enumerate(texts):
            weight, color = ("bold", _QUIET) if row == 0 else ("normal", _TEXT)
            place = (column / len(texts), 1 - row / max(8, len(table)))
            axes.text(*place, text, va="top", weight=weight, color=color)


_KINDS: Final[dict[Kind, Callable[[Axes, Panel, Sequence[Line]], None]]] = {
    Kind.STAT: _stat,
    Kind.BAR_GAUGE: _bar_gauge,
    Kind.TIME_SERIES: _time_series,
    Kind.STATE_TIMELINE: _state_timeline,
    Kind.TABLE: _table,
}
