"""What can be said of the dashboards without a Prometheus."""

import itertools
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from grafana_foundation_sdk.models import units

from observability.dashboards import DASHBOARDS
from observability.grafana import dashboard_json
from observability.panels import Dashboard, Kind
from observability.rules import rules

PAGES = pytest.mark.parametrize("page", DASHBOARDS, ids=lambda page: page.uid)
TYPES = {"row", "stat", "timeseries", "bargauge", "state-timeline", "table"}
UNITS = {value for name, value in vars(units).items() if name[0].isupper() and isinstance(value, str)}
WORDS = {
    "by", "on", "without", "ignoring", "group_left", "group_right", "bool", "and", "or", "unless", "offset",
}  # fmt: skip

# The contract's, then those of Kubernetes; exporters' names are joined by the recording rules alone.
METRICS = {
    "llmjob_info",
    "llmjob_estimated_gpu_memory_bytes",
    "llmjob_estimated_gpu_memory_component_bytes",
    "llmjob_fits",
    "llmjob_verdict_info",
    "llmjob_gpu_class_nodes",
    "llmjob_gpu_class_gpus",
    "llmjob_gpu_class_memory_bytes",
    "llmjob_admission_requests_total",
    "llmjob_admission_duration_seconds_bucket",
    "llmjob_view_age_seconds",
    "llmjob_certificate_expiry_timestamp_seconds",
    "llmjob_settings_last_reload_successful",
    "llmjob_gpu_out_of_memory_total",
    "apiserver_admission_webhook_fail_open_count",
}
RECORDED = set(re.findall(r"record: (\S+)", rules()))


def loaded(page: Dashboard) -> dict[str, Any]:
    found = json.loads(dashboard_json(page))
    assert isinstance(found, dict)
    return found


def drawn(page: Dashboard) -> list[dict[str, Any]]:
    """The panels that draw something: all but the rows' headings."""
    return [panel for panel in loaded(page)["panels"] if panel["type"] != "row"]


def names(expr: str) -> Iterator[str]:
    """The metrics that an expression reads."""
    bare = re.sub(r'"[^"]*"', "", expr)
    bare = re.sub(r"\b(by|on|without|ignoring|group_left|group_right) \([^)]*\)", " ", bare)
    bare = re.sub(r"\{[^}]*\}|\[[^\]]*\]", " ", bare)
    for found in re.finditer(r"[a-zA-Z_:][a-zA-Z0-9_:]*", bare):
        called = bare[found.end() :].lstrip().startswith("(")
        if found[0] not in WORDS and not called:
            yield found[0]


def test_the_four_pages_of_the_issue_are_there() -> None:
    assert [page.uid for page in DASHBOARDS] == ["llmjob-fleet", "llmjob-job", "llmjob-accuracy", "llmjob-admission"]


@PAGES
def test_the_same_bytes_every_time(page: Dashboard) -> None:
    assert dashboard_json(page) == dashboard_json(page)


@PAGES
def test_panels_have_known_types_and_ids_of_their_own(page: Dashboard) -> None:
    panels = loaded(page)["panels"]
    assert {panel["type"] for panel in panels} <= TYPES
    assert len({panel["id"] for panel in panels}) == len(panels)


@PAGES
def test_no_panel_overlaps_another_or_leaves_the_page(page: Dashboard) -> None:
    taken: set[tuple[int, int]] = set()
    for panel in loaded(page)["panels"]:
        place = panel["gridPos"]
        assert 0 <= place["x"] < place["x"] + place["w"] <= 24
        cells = set(
            itertools.product(range(place["x"], place["x"] + place["w"]), range(place["y"], place["y"] + place["h"]))
        )
        assert not cells & taken, panel["title"]
        taken |= cells


@PAGES
def test_every_line_of_panels_is_full(page: Dashboard) -> None:
    lines: dict[int, int] = {}
    for panel in loaded(page)["panels"]:
        lines[panel["gridPos"]["y"]] = lines.get(panel["gridPos"]["y"], 0) + panel["gridPos"]["w"]
    assert set(lines.values()) == {24}


@PAGES
def test_panels_have_a_unit_a_title_of_their_own_and_a_description_that_says_what_to_do(page: Dashboard) -> None:
    panels = drawn(page)
    assert len({panel["title"] for panel in panels}) == len(panels)
    for panel in panels:
        assert panel["fieldConfig"]["defaults"]["unit"] in UNITS
        assert len(panel["description"]) > 60
        assert panel["description"].endswith(".")


@PAGES
def test_units_of_columns_are_of_the_list_too(page: Dashboard) -> None:
    for panel in page.panels():
        assert {query.unit for query in panel.queries} <= UNITS | {None}


@PAGES
def test_panels_and_queries_ask_the_chosen_data_source(page: Dashboard) -> None:
    chosen = {"type": "prometheus", "uid": "${datasource}"}
    for panel in drawn(page):
        assert panel["datasource"] == chosen
        assert [target["datasource"] for target in panel["targets"]] == [chosen] * len(panel["targets"])
        refs = [target["refId"] for target in panel["targets"]]
        assert refs == sorted(set(refs))


@PAGES
def test_every_variable_is_used_and_every_used_one_is_defined(page: Dashboard) -> None:
    found = loaded(page)
    variables = found["templating"]["list"]
    defined = {variable["name"] for variable in variables}
    text = json.dumps([found["panels"], [variable["query"] for variable in variables]])
    used = set(re.findall(r"\$\{?([a-z]+)\}?", text)) | ({"datasource"} if "${datasource}" in text else set())
    assert used == defined


@pytest.mark.parametrize(
    ("uid", "variables"),
    [
        ("llmjob-fleet", ["datasource", "namespace"]),
        ("llmjob-job", ["datasource", "namespace", "llmjob", "role"]),
        ("llmjob-accuracy", ["datasource", "namespace"]),
        ("llmjob-admission", ["datasource"]),
    ],
)
def test_a_reader_chooses(uid: str, variables: list[str]) -> None:
    [page] = [page for page in DASHBOARDS if page.uid == uid]
    assert [variable["name"] for variable in loaded(page)["templating"]["list"]] == variables


@PAGES
def test_queries_read_only_metrics_that_exist(page: Dashboard) -> None:
    for panel in page.panels():
        for query in panel.queries:
            found = set(names(query.expr))
            assert found
            assert found <= METRICS | RECORDED, panel.title


def test_the_names_of_an_expression_are_found() -> None:
    expr = 'sum by (a, b) (rate(x_total{c="d"}[$__rate_interval])) / on (a) group_left () y:z or vector(0) unless up'
    assert list(names(expr)) == ["x_total", "y:z", "up"]


@PAGES
def test_a_moment_is_asked_for_an_instant_and_a_course_for_a_range(page: Dashboard) -> None:
    for panel, found in zip(page.panels(), drawn(page), strict=True):
        moment = panel.kind in {Kind.STAT, Kind.BAR_GAUGE, Kind.TABLE}
        for target in found["targets"]:
            assert target["instant"] is moment
            assert target["range"] is not moment
            assert target["format"] == ("table" if panel.kind is Kind.TABLE else "time_series")


def test_a_band_is_filled_from_its_upper_edge_to_its_lower() -> None:
    [page] = [page for page in DASHBOARDS if page.uid == "llmjob-job"]
    [panel] = [panel for panel in drawn(page) if panel["title"] == "Predicted and actual memory per GPU"]
    filled = {
        override["matcher"]["options"]: value["value"]
        for override in panel["fieldConfig"]["overrides"]
        for value in override["properties"]
        if value["id"] == "custom.fillBelowTo"
    }
    lower, upper = (target["legendFormat"] for target in panel["targets"][:2])
    assert filled == {upper: lower}
    assert 'bound=\\"lower\\"' in json.dumps(panel["targets"][0]["expr"])
    assert 'bound=\\"upper\\"' in json.dumps(panel["targets"][1]["expr"])


def test_the_components_are_stacked() -> None:
    [page] = [page for page in DASHBOARDS if page.uid == "llmjob-job"]
    [panel] = [panel for panel in drawn(page) if panel["title"] == "What the prediction is made of"]
    assert panel["fieldConfig"]["defaults"]["custom"]["stacking"]["mode"] == "normal"


def test_events_are_bars() -> None:
    [page] = [page for page in DASHBOARDS if page.uid == "llmjob-job"]
    [panel] = [panel for panel in drawn(page) if panel["title"] == "Out of GPU memory"]
    assert panel["fieldConfig"]["defaults"]["custom"]["drawStyle"] == "bars"


@PAGES
def test_colours_and_words_of_figures_are_drawn(page: Dashboard) -> None:
    for panel, found in zip(page.panels(), drawn(page), strict=True):
        defaults = found["fieldConfig"]["defaults"]
        steps = [(step["value"], step["color"]) for step in defaults.get("thresholds", {}).get("steps", [])]
        assert steps == [(step.value, step.color) for step in panel.steps]
        words = {
            value: text["text"]
            for mapping in defaults.get("mappings", [])
            for value, text in mapping["options"].items()
        }
        assert words == {f"{value:g}": text for value, text in panel.texts}


def test_first_steps_begin_below_everything() -> None:
    for page in DASHBOARDS:
        for panel in page.panels():
            values = [step.value for step in panel.steps]
            assert values[:1] in ([], [None])
            assert None not in values[1:]


@pytest.mark.parametrize("uid", ["llmjob-fleet", "llmjob-accuracy"])
def test_several_namespaces_or_all_can_be_chosen(uid: str) -> None:
    [page] = [page for page in DASHBOARDS if page.uid == uid]
    [variable] = [found for found in loaded(page)["templating"]["list"] if found["name"] == "namespace"]
    assert (variable["multi"], variable["includeAll"], variable["allValue"]) == (True, True, ".*")
    assert variable["current"]["value"] == "$__all"
    for panel in page.panels():
        for query in panel.queries:
            assert 'namespace="' not in query.expr


@PAGES
def test_every_page_leads_to_the_others(page: Dashboard) -> None:
    found = loaded(page)
    [link] = found["links"]
    assert link["type"] == "dashboards"
    assert link["tags"] == found["tags"] == ["llmjob"]


@PAGES
def test_columns_of_a_table_have_names_and_units(page: Dashboard) -> None:
    for panel, found in zip(page.panels(), drawn(page), strict=True):
        if panel.kind is Kind.TABLE:
            [merge, organize] = found["transformations"]
            assert merge["id"] == "merge"
            renamed = [f"Value #{target['refId']}" for target in found["targets"]]
            assert organize["options"]["renameByName"] == dict(
                zip(renamed, [query.legend for query in panel.queries], strict=True)
            )
            units_of = {
                override["matcher"]["options"]: override["properties"][0]["value"]
                for override in found["fieldConfig"]["overrides"]
            }
            assert units_of == {query.legend: query.unit for query in panel.queries if query.unit}
