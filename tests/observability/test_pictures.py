"""The pictures of the dashboards: drawn the same each time, and of the panels that there are."""

import re
from pathlib import Path

import pytest

from controlplane.promql import Sample
from observability.dashboards import DASHBOARDS
from observability.drawing import Line, svg
from observability.figures import rounded, tick, written
from observability.panels import BYTES, COUNT, RATE, SECONDS, SHARE, Dashboard, Kind, Panel, Query, Row, Style
from observability.pictures import CHOSEN, PICTURES, chosen, legend

GIB = 2**30
PAGES = pytest.mark.parametrize("page", DASHBOARDS, ids=lambda page: page.uid)


def texts(picture: str) -> list[str]:
    """What is written in it, in the order of drawing."""
    return [text.replace("&gt;", ">") for text in re.findall(r"<text[^>]*>([^<]*)</text>", picture)]


def page(kind: Kind, *queries: str, **more: object) -> Dashboard:
    asked = tuple(Query("x", name) for name in queries)
    panel = Panel(kind=kind, title="P", description="", unit=BYTES, queries=asked, **more)  # type: ignore[arg-type]
    return Dashboard(uid="u", title="T", description="", variables=(), rows=(Row("R", (panel,)),))


def line(query: int, name: str, *values: float, **labels: str) -> Line:
    return Line(query, name, labels, tuple((10.0 * minute, value) for minute, value in enumerate(values)))


@PAGES
def test_the_picture_of_a_page_is_committed_and_shows_every_panel_that_it_has(page: Dashboard) -> None:
    found = texts((PICTURES / f"{page.uid.removeprefix('llmjob-')}.svg").read_text(encoding="utf-8"))
    assert page.title in found
    for row in page.rows:
        assert row.title in found
    for panel in page.panels():
        assert panel.title in found
        if panel.kind is Kind.TIME_SERIES and panel.style is not Style.BAND:
            # A legend of labels is as many texts as there are series; one of words is itself.
            assert {query.legend for query in panel.queries if "{{" not in query.legend} <= set(found), panel.title
    assert "none" not in found


@PAGES
def test_the_documentation_shows_the_picture(page: Dashboard) -> None:
    text = (Path(__file__).parents[2] / "docs" / "dashboards.md").read_text(encoding="utf-8")
    assert f"](pictures/{page.uid.removeprefix('llmjob-')}.svg)" in text


def test_pictures_are_small_and_have_no_date() -> None:
    for path in PICTURES.glob("*.svg"):
        assert path.stat().st_size < 100_000
        assert "<dc:date>" not in path.read_text(encoding="utf-8")


def test_the_same_series_are_the_same_bytes() -> None:
    series = {"P": [line(0, "a", 1 * GIB, 2 * GIB), line(1, "b", 3 * GIB, 1 * GIB)]}
    drawn = page(Kind.TIME_SERIES, "a", "b")
    assert svg(drawn, series) == svg(drawn, series)


def test_a_band_is_named_once_and_the_other_queries_are_lines_over_it() -> None:
    series = {"P": [line(index, name, GIB, GIB) for index, name in enumerate(("low", "high", "mean", "used"))]}
    found = texts(svg(page(Kind.TIME_SERIES, "low", "high", "mean", "used", style=Style.BAND), series))
    assert [text for text in found if text in {"predicted", "low", "high", "mean", "used"}] == [
        "predicted", "mean", "used",
    ]  # fmt: skip


def test_single_figures_are_those_of_the_end_and_nothing_is_said_to_be_none() -> None:
    assert "2.0 GiB" in texts(svg(page(Kind.STAT, "a"), {"P": [line(0, "a", 1 * GIB, 2 * GIB)]}))
    assert "none" in texts(svg(page(Kind.STAT, "a"), {"P": []}))


def test_a_table_has_a_line_for_each_set_of_labels_and_a_column_for_each_query() -> None:
    lines = [line(0, "Used", GIB, job="b"), line(0, "Used", 2 * GIB, job="a"), line(1, "Free", 3 * GIB, job="a")]
    found = texts(svg(page(Kind.TABLE, "Used", "Free"), {"P": lines}))
    assert found == ["job", "Used", "Free", "a", "2.0 GiB", "3.0 GiB", "b", "1.0 GiB", "T", "R", "P"]


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (1.5 * GIB, BYTES, "1.5 GiB"), (0.256, SHARE, "26 %"), (2.02, COUNT, "2"), (0.0035, SECONDS, "3.5 ms"),
        (3, SECONDS, "3 s"), (30 * 86400 - 40, SECONDS, "30 d"), (8.86, RATE, "8.9 req/s"),
    ],
)  # fmt: skip
def test_figures_have_their_unit(value: float, unit: str, text: str) -> None:
    assert written(value, unit) == text


def test_an_axis_below_a_second_is_in_milliseconds() -> None:
    assert (tick(0.003, SECONDS, 0.005), tick(3, SECONDS, 5), tick(20, BYTES, 60)) == ("3 ms", "3 s", "20 GiB")


def test_what_uneven_scrapes_change_is_rounded_away() -> None:
    assert rounded(12.98, RATE, 13.01) == rounded(13.03, RATE, 13.01)
    assert rounded(1.14, COUNT, 1.2) == 1
    assert rounded(0, BYTES, 0) == 0


def test_queries_are_asked_and_named_as_grafana_does() -> None:
    assert (
        chosen('x{namespace=~"$namespace", role="$role"}[$__rate_interval]', "4s")
        == 'x{namespace=~"ml", role="main"}[4s]'
    )
    assert legend("{{pod}} {{gpu}}", Sample({"pod": "a", "gpu": "b"}, 1, 0)) == "a b"
    assert legend("{{reason}}", Sample({"reason": ""}, 1, 0)) == "(none)"
    asked = "".join(query.expr for page in DASHBOARDS for panel in page.panels() for query in panel.queries)
    assert {*re.findall(r"\$\w+", asked)} == CHOSEN.keys() | {"$__rate_interval"}
