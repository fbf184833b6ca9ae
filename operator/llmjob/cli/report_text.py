"""The report as plain columns for a terminal, and as Markdown for an issue or a wiki."""

import re
from collections.abc import Sequence
from typing import Final

from llmjob.cli import report_words as words
from llmjob.cli.tables import title
from llmjob.observation.report import ClassTotal, Report, Role
from llmjob.quantity import gib

_COURSE: Final = 16
_GAUGE: Final = 24
# Columns of figures are set right.
_ROLE_HEADINGS: Final = (
    *("JOB", "GPU CLASS", "GPUS", "PREDICTED GiB", "ACTUAL GiB", "ERROR", "OF CARD", "IDLE GiB"),
    *("SMALLER GPU", "ON THE CARD"),
)
_ROLE_NUMBERS: Final = frozenset({2, 4, 5, 6, 7})
_KEY: Final = "On the card: █ actual, ▓ actual within the prediction, ░ predicted, · free."
_CLASS_HEADINGS: Final = ("GPU CLASS", "USABLE GiB", "GPUS", "HELD", "JOBS", "PREDICTED GiB", "ACTUAL GiB", "IDLE GiB")
_CLASS_NUMBERS: Final = frozenset(range(1, 8))
_NOTHING: Final = "no LLMJob here"
# What Markdown or the HTML in it would read as markup, or a terminal as a command.
_MARKUP: Final = re.compile(r"([\\`*_\[\]|<>~&#])")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def text(report: Report) -> str:
    """Plain columns; lines are as long as they must be, as kubectl's are."""
    lines = [words.heading(report), *(f"note: {note}" for note in report.notes)]
    if not report.roles:
        lines += ["", _NOTHING]
    else:
        lines += [words.verdicts(report), ""]
        headings = (*_ROLE_HEADINGS, "COURSE") if _has_course(report) else _ROLE_HEADINGS
        lines += _columns(headings, [_role(role, report)[: len(headings)] for role in report.roles], _ROLE_NUMBERS)
        lines.append(_KEY)
        for heading, roles in (("Near the edge", report.near_the_edge()), ("Wasting", report.wasting())):
            if roles:
                lines += ["", heading, *_sentences(roles)]
    if report.classes:
        lines += ["", *_columns(_CLASS_HEADINGS, [_class(total) for total in report.classes], _CLASS_NUMBERS)]
    return "\n".join(_CONTROL.sub("�", line).rstrip() for line in lines)


def markdown(report: Report) -> str:
    """The same as Markdown tables."""
    lines = ["# GPU memory, predicted against actual", "", _plain(words.heading(report))]
    lines += [line for note in report.notes for line in ("", f"> {_plain(note)}")]
    if not report.roles:
        lines += ["", _NOTHING]
    else:
        lines += ["", f"**{words.verdicts(report)}**", ""]
        headings = (*_ROLE_HEADINGS, "COURSE") if _has_course(report) else _ROLE_HEADINGS
        lines += _table(headings, [_role(role, report)[: len(headings)] for role in report.roles], _ROLE_NUMBERS)
        lines += ["", _KEY]
        for heading, roles in (("Near the edge", report.near_the_edge()), ("Wasting", report.wasting())):
            if roles:
                lines += ["", f"## {heading}", ""]
                lines += [f"- {_plain(sentence.strip())}" for sentence in _sentences(roles)]
    if report.classes:
        lines += ["", "## GPU classes", ""]
        lines += _table(_CLASS_HEADINGS, [_class(total) for total in report.classes], _CLASS_NUMBERS)
    return "\n".join(lines)


def _has_course(report: Report) -> bool:
    return any(role.actual is not None and role.actual.course for role in report.roles)


def _role(role: Role, report: Report) -> tuple[str, ...]:
    return (
        title(role.namespace, role.name, role.role),
        role.gpu_class or "?",
        str(role.gpus or "–"),
        words.predicted(role),
        words.actual(role, report),
        words.error(role),
        words.share(role),
        words.idle(role),
        words.smaller(role),
        words.gauge(role, _GAUGE),
        words.sparkline(role, _COURSE),
    )


def _class(total: ClassTotal) -> tuple[str, ...]:
    return (
        total.name,
        "?" if total.usable is None else gib(total.usable),
        str(total.gpus),
        str(total.held_gpus),
        str(total.roles),
        gib(total.predicted),
        gib(total.actual),
        "?" if total.idle is None else gib(total.idle),
    )


def _sentences(roles: Sequence[Role]) -> list[str]:
    return [
        f"  {title(role.namespace, role.name, role.role)}: {words.sentence(role, finding)}"
        for role in roles
        for finding in role.findings
    ]


def _columns(headings: Sequence[str], rows: Sequence[Sequence[str]], numbers: frozenset[int]) -> list[str]:
    every = [tuple(headings), *rows]
    widths = [max(len(cell) for cell in column) for column in zip(*every, strict=True)]
    return [
        "  ".join(
            cell.rjust(width) if at in numbers else cell.ljust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in every
    ]


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]], numbers: frozenset[int]) -> list[str]:
    rule = ["---:" if at in numbers else "---" for at in range(len(headings))]
    lines = [tuple(headings), rule, *([_plain(cell) for cell in row] for row in rows)]
    return ["| " + " | ".join(line) + " |" for line in lines]


def _plain(value: str) -> str:
    """Text that no reader of Markdown takes for markup."""
    return _MARKUP.sub(r"\\\1", _CONTROL.sub("�", value))
