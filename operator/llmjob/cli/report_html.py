"""The report as one page of HTML that needs nothing else: no script, no font, no picture from elsewhere."""

import re
from collections.abc import Sequence
from typing import Final
from xml.etree.ElementTree import Element, SubElement, tostring

from llmjob.cli import report_words as words
from llmjob.cli.report_chart import chart
from llmjob.cli.tables import title
from llmjob.data import read_text
from llmjob.observation.report import EDGE, ClassTotal, Report, Role
from llmjob.quantity import gib

# Nothing may be loaded or run, whatever a name holds.
_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'"
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff\u202a-\u202e\u2066-\u2069]")
_TITLE: Final = "GPU memory, predicted against actual"


def page(report: Report) -> str:
    """The whole page; every text is escaped as it is written."""
    html = Element("html", lang="en")
    head = SubElement(html, "head")
    SubElement(head, "meta", charset="utf-8")
    SubElement(head, "meta", {"http-equiv": "Content-Security-Policy", "content": _POLICY})
    SubElement(head, "meta", name="viewport", content="width=device-width, initial-scale=1")
    SubElement(head, "meta", name="color-scheme", content="light dark")
    SubElement(head, "title").text = f"{_TITLE} · {words.scope(report)}"
    SubElement(head, "style").text = read_text("llmjob.cli", "report.css")
    main = SubElement(SubElement(html, "body"), "main")
    _add(main, "h1", _TITLE)
    _add(main, "p", words.heading(report), "lead")
    for note in report.notes:
        _add(main, "p", note, "note")
    if report.roles:
        _figures(main, report)
        _legend(main)
    else:
        _add(main, "p", "No LLMJob here.", "lead")
    for heading, roles in _sections(report):
        if roles:
            _add(main, "h2", heading)
            for role in roles:
                _card(main, role, report)
    if report.classes:
        _add(main, "h2", "GPU classes")
        _classes(main, report.classes)
    # Characters that no HTML may hold, and marks that turn the direction of text.
    return "<!DOCTYPE html>\n" + _CONTROL.sub("�", tostring(html, encoding="unicode", method="html"))


def _sections(report: Report) -> Sequence[tuple[str, Sequence[Role]]]:
    edge = report.near_the_edge()
    waste = [role for role in report.wasting() if role not in edge]
    rest = [role for role in report.roles if not role.findings]
    seen = [role for role in rest if role.actual is not None]
    unseen = [role for role in rest if role.actual is None]
    return (("Near the edge", edge), ("Wasting", waste), ("As predicted", seen), ("No figure of use", unseen))


def _figures(main: Element, report: Report) -> None:
    figures = SubElement(main, "dl", {"class": "figures"})
    idle = sum(role.idle or 0 for role in report.roles)
    for name, value in (
        ("near the edge", str(len(report.near_the_edge()))),
        ("wasting", str(len(report.wasting()))),
        ("without a figure", str(sum(role.actual is None for role in report.roles))),
        ("GiB idle", gib(idle)),
    ):
        item = SubElement(figures, "div")
        _add(item, "dt", name)
        _add(item, "dd", value)


def _legend(main: Element) -> None:
    legend = SubElement(main, "p", {"class": "legend"})
    for kind, name in (("band", "predicted, lower to upper"), ("expected", "expected"), ("actual", "actual"),
                       ("limit", "usable memory of the card")):  # fmt: skip
        item = SubElement(legend, "span")
        SubElement(item, "i", {"class": f"key {kind}"})
        item[-1].tail = name


def _card(main: Element, role: Role, report: Report) -> None:
    edge = bool(EDGE.intersection(role.findings))
    tone = "edge" if edge else "waste" if role.findings else "calm" if role.actual else "unseen"
    card = SubElement(main, "section", {"class": f"card {tone}"})
    about = SubElement(card, "div")
    _add(about, "h3", title(role.namespace, role.name, role.role))
    where = f"{role.gpu_class or 'no GPU class'}{f' × {role.gpus}' if role.gpus else ''}"
    _add(about, "p", " · ".join(part for part in (role.model, role.task, where) if part), "what")
    facts = SubElement(about, "dl", {"class": "facts"})
    for name, value in (
        ("predicted, GiB", words.predicted(role)),
        ("actual, GiB", words.actual(role, report) if role.actual or role.used else "not observed"),
        ("error", words.error(role)),
        ("of the card", words.share(role)),
        ("idle, GiB", words.idle(role)),
        ("would do", words.smaller(role)),
    ):
        if value:
            item = SubElement(facts, "div")
            _add(item, "dt", name)
            _add(item, "dd", value)
    if role.findings:
        told = SubElement(about, "ul")
        for finding in role.findings:
            item = SubElement(told, "li")
            _add(item, "b", str(finding))
            item[-1].tail = f" {words.sentence(role, finding)}"
    drawn = chart(role, report)
    if drawn is not None:
        card.append(drawn)


def _classes(main: Element, totals: Sequence[ClassTotal]) -> None:
    table = SubElement(SubElement(main, "div", {"class": "wide"}), "table")
    row = SubElement(SubElement(table, "thead"), "tr")
    for heading in ("class", "usable GiB", "GPUs", "held by jobs", "jobs", "predicted GiB", "actual GiB", "idle GiB"):
        _add(row, "th", heading).set("scope", "col")
    body = SubElement(table, "tbody")
    for total in totals:
        row = SubElement(body, "tr")
        _add(row, "th", total.name).set("scope", "row")
        for value in (
            "?" if total.usable is None else gib(total.usable),
            str(total.gpus),
            str(total.held_gpus),
            str(total.roles),
            gib(total.predicted),
            gib(total.actual),
            "?" if total.idle is None else gib(total.idle),
        ):
            _add(row, "td", value)


def _add(parent: Element, tag: str, text: str, style: str | None = None) -> Element:
    found = SubElement(parent, tag, {"class": style} if style else {})
    found.text = text
    return found
