"""The page: what is in it, that it needs nothing else, and the chart of each role."""

import re
from xml.etree import ElementTree as ET

import pytest

from llmjob.cli.report_chart import chart
from llmjob.cli.report_html import page
from llmjob.observation.observed import Kind
from llmjob.observation.report import Smaller
from llmjob.quantity import GiB
from tests.cli.reports import actual, report, role

SCALE = 86 / (20 * 1.08)
BOTTOM = 94.0


def body(*roles, **more):
    """The page's body as a tree."""
    html = page(report(*roles, **more))
    return ET.fromstring(html[html.index("<body>") : html.index("</html>")])


def texts(tree, tag):
    return ["".join(item.itertext()) for item in tree.iter(tag)]


def sections(tree):
    """Headings, each with the jobs under it."""
    found, here = {}, []
    for item in tree.find("main"):
        if item.tag == "h2":
            here = found[item.text] = []
        elif item.tag == "section":
            here.append((item.find(".//h3").text, item.get("class")))
    return found


def test_the_page_loads_and_runs_nothing():
    html = page(report(role(9)))
    assert "default-src 'none'" in html
    assert not re.search(r"<script|<link|<img|<iframe|url\(|@import|https?:|\son\w+=", html)


def test_it_follows_the_readers_colours_and_width():
    html = page(report(role(9)))
    assert '<meta name="viewport" content="width=device-width, initial-scale=1">' in html
    assert "@media (prefers-color-scheme: dark)" in html
    assert "@media (max-width:" in html


def test_every_role_stands_in_the_section_of_its_worst_finding():
    tree = body(role(13, name="edge"), role(4, name="waste"), role(11, name="calm"), role(name="unseen"))
    assert sections(tree) == {
        "Near the edge": [("team/edge", "card edge")],
        "Wasting": [("team/waste", "card waste")],
        "As predicted": [("team/calm", "card calm")],
        "No figure of use": [("team/unseen", "card unseen")],
        "GPU classes": [],
    }


def test_a_role_that_is_both_near_the_edge_and_wasting_is_there_once():
    tree = body(role(13, name="both", usable=80))
    assert [name for names in sections(tree).values() for name, _ in names] == ["team/both"]


def test_memory_that_ran_out_before_a_sample_is_near_the_edge():
    assert sections(body(role(exhausted=True)))["Near the edge"] == [("team/job", "card edge")]


def test_a_card_tells_prediction_use_and_what_would_do():
    little = Smaller(gpu_class="nvidia-little", need=5 * GiB, usable=6 * GiB)
    tree = body(role(actual(4, kind=Kind.NEED), gpus=2, model="m", task="t", smaller=little))
    facts = dict(zip(texts(tree.find(".//section"), "dt"), texts(tree.find(".//section"), "dd"), strict=True))
    assert facts == {
        "predicted, GiB": "10.0 (8.0–12.0)",
        "actual, GiB": "4.0 needed",
        "error": "-60%",
        "of the card": "20%",
        "idle, GiB": "32.0",
        "would do": "nvidia-little (6.0 GiB)",
    }
    assert "m · t · nvidia-x × 2" in texts(tree, "p")


def test_findings_are_told_in_words():
    (told,) = texts(body(role(13)), "li")
    assert told.startswith("AbovePrediction uses 13.0 GiB, above")


def test_names_are_text_and_never_markup_nor_control_characters():
    html = page(report(role(9, name="</section><b>\x00\x1b\u202e", model="&amp;"), notes=["<i>"]))
    assert "team/&lt;/section&gt;&lt;b&gt;���" in html
    assert "&amp;amp;" in html
    assert "<i>" not in html
    assert not re.search("[\x00\x1b\u202e]", html)


def test_classes_are_a_table():
    tree = body(role(9, gpus=2))
    assert texts(tree.find(".//tbody"), "td") == ["20.0", "8", "2", "1", "20.0", "18.0", "22.0"]


def drawn(*args, **more):
    return chart(role(*args, **more), report())


def level(svg, kind):
    """The height of a line above 0, in GiB."""
    (line,) = (item for item in svg.iter("line") if item.get("class") == kind)
    return (BOTTOM - float(line.get("y1"))) / SCALE


def test_the_chart_has_the_prediction_as_a_band_and_the_card_as_a_line():
    svg = drawn(9)
    (band,) = svg.iter("rect")
    assert float(band.get("y")) == pytest.approx(BOTTOM - 12 * SCALE, abs=0.06)
    assert float(band.get("height")) == pytest.approx(4 * SCALE, abs=0.06)
    assert level(svg, "expected") == pytest.approx(10, abs=0.05)
    assert level(svg, "limit") == pytest.approx(20, abs=0.05)


def test_without_a_course_the_actual_is_a_line_and_there_is_no_time():
    svg = drawn(9)
    assert level(svg, "actual") == pytest.approx(9, abs=0.05)
    assert texts(svg, "text") == ["0", "20.0"]


def test_a_course_is_broken_where_nothing_was_sampled_and_a_single_sample_is_a_dot():
    svg = drawn(actual(9, course=(1, 9, None, 5, None, 3, 4)))
    assert len(list(svg.iter("polyline"))) == 2
    (dot,) = svg.iter("circle")
    assert float(dot.get("cy")) == pytest.approx(BOTTOM - 5 * SCALE, abs=0.06)
    assert texts(svg, "text")[2:] == ["−24h", "now"]


def test_time_goes_from_left_to_right_and_ends_now():
    svg = drawn(actual(9, course=(*[9] * 25,)))
    (line,) = svg.iter("polyline")
    places = [tuple(map(float, place.split(","))) for place in line.get("points").split()]
    assert places[0][0] == 34
    assert places[12][0] == pytest.approx((34 + 358) / 2, abs=0.06)
    assert places[-1][0] == 358


def test_use_above_the_card_stays_within_the_frame():
    svg = drawn(50)
    assert texts(svg, "text") == ["0", "50.0"]
    assert all(0 <= float(item.get("y1")) <= BOTTOM for item in svg.iter("line"))


def test_the_chart_is_told_to_those_who_cannot_see_it():
    assert drawn(9).get("aria-label") == ("team/job, predicted 10.0 (8.0–12.0) GiB, actual 9.0 GiB, card 20.0 GiB")


def test_where_neither_prediction_nor_use_is_known_there_is_no_chart():
    assert drawn(predicted=None) is None
    assert "<svg" not in page(report(role(predicted=None)))
    assert drawn(predicted=(0, 0, 0), usable=None) is None
