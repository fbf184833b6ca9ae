"""What a person sees, before any drawing: dashboards of rows of panels, each with its queries.

Grafana's JSON is made from these in grafana.py; a picture for the documentation may be drawn from the same queries.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, StrEnum

from grafana_foundation_sdk.models import units

COLUMNS = 24
BYTES: str = units.BytesIEC
SHARE: str = units.PercentUnit
COUNT: str = units.Short
SECONDS: str = units.Seconds
RATE: str = units.RequestsPerSecond


class Kind(StrEnum):
    """Grafana's name of a panel's type."""

    STAT = "stat"
    TIME_SERIES = "timeseries"
    BAR_GAUGE = "bargauge"
    STATE_TIMELINE = "state-timeline"
    TABLE = "table"


class Style(Enum):
    """How the series of a time series are drawn."""

    LINES = "lines"
    STACKED = "stacked"
    BARS = "bars"
    BAND = "the first two queries are the lower and the upper edge of a filled band"


class Variable(StrEnum):
    """What a reader chooses above a dashboard; the data source is chosen on each."""

    NAMESPACES = "namespaces"
    NAMESPACE = "namespace"
    JOB = "llmjob"
    ROLE = "role"


@dataclass(frozen=True, slots=True)
class Query:
    """PromQL, and the name of what it returns: a legend with labels in {{}}, or a table's column.

    `unit` is for a column of a table that has not the panel's.
    """

    expr: str
    legend: str
    unit: str | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """From this value on (None: from below all) a figure has this colour."""

    value: float | None
    color: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One panel: width in 24ths of the page, height in Grafana's rows."""

    kind: Kind
    title: str
    description: str
    unit: str
    queries: tuple[Query, ...]
    width: int = 12
    height: int = 8
    style: Style = Style.LINES
    steps: tuple[Step, ...] = ()
    texts: tuple[tuple[float, str], ...] = ()

    @property
    def instant(self) -> bool:
        """Whether it shows one moment: the end of the chosen time."""
        return self.kind in {Kind.STAT, Kind.BAR_GAUGE, Kind.TABLE}


@dataclass(frozen=True, slots=True)
class Row:
    """Panels under one heading, from left to right and down."""

    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """A row's heading or a panel, and where it is on the page: in COLUMNS across, in Grafana's rows down."""

    what: Row | Panel
    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Dashboard:
    """A page; its uid is its address in every Grafana, and its file's name in the chart."""

    uid: str
    title: str
    description: str
    variables: tuple[Variable, ...]
    rows: tuple[Row, ...]

    def placed(self) -> Iterator[Placed]:
        """Rows and panels in the order of the page: left to right, and down where a line is full."""
        y = 0
        for row in self.rows:
            yield Placed(what=row, x=0, y=y, width=COLUMNS, height=1)
            x, y, tallest = 0, y + 1, 0
            for panel in row.panels:
                if x + panel.width > COLUMNS:
                    x, y, tallest = 0, y + tallest, 0
                yield Placed(what=panel, x=x, y=y, width=panel.width, height=panel.height)
                x, tallest = x + panel.width, max(tallest, panel.height)
            y += tallest

    def panels(self) -> Iterator[Panel]:
        """Every panel, in the order of the page."""
        for row in self.rows:
            yield from row.panels
