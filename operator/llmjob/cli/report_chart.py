"""A role's chart as inline SVG: the predicted interval as a band, actual use over it, and the card's end."""

from collections.abc import Iterable, Iterator
from typing import Final
from xml.etree.ElementTree import Element, SubElement

from llmjob.cli import report_words as words
from llmjob.cli.tables import title
from llmjob.observation.report import Point, Report, Role
from llmjob.quantity import gib

_WIDTH: Final = 360
_HEIGHT: Final = 110
# Room for the scale at the left, for the time below, and for half a letter above.
_LEFT: Final = 34
_BOTTOM: Final = 16
_TOP: Final = 8
# What is highest stays below the frame.
_AIR: Final = 1.08


def chart(role: Role, report: Report) -> Element | None:
    """The chart; None where neither prediction nor use is known."""
    bounds = [role.predicted.upper] if role.predicted else []
    top = max([*bounds, role.usable or 0, role.actual.peak if role.actual else 0, role.used or 0])
    if top == 0 or not (role.predicted or role.actual):
        return None
    frame = _Frame(top * _AIR, report.at, report.window)
    svg = Element(
        "svg",
        {"class": "chart", "viewBox": f"0 0 {_WIDTH} {_HEIGHT}", "role": "img", "aria-label": _said(role, report)},
    )
    frame.scale(svg, top)
    if role.predicted is not None:
        upper, lower = frame.y(role.predicted.upper), frame.y(role.predicted.lower)
        _rectangle(svg, "band", _LEFT, upper, frame.width, max(1.0, lower - upper))
        frame.line(svg, "expected", role.predicted.expected)
    if role.usable:
        frame.line(svg, "limit", role.usable)
    if role.actual is not None:
        if role.actual.course:
            frame.time(svg)
            frame.course(svg, role.actual.course)
        else:
            frame.line(svg, "actual", role.actual.peak)
    return svg


def _said(role: Role, report: Report) -> str:
    """The chart for who cannot see it."""
    parts = [title(role.namespace, role.name, role.role), f"predicted {words.predicted(role)} GiB"]
    if role.actual is not None:
        parts.append(f"actual {words.actual(role, report)} GiB")
    if role.usable:
        parts.append(f"card {gib(role.usable)} GiB")
    return ", ".join(parts)


class _Frame:
    """Bytes and seconds as coordinates."""

    def __init__(self, top: float, now: float, window: float) -> None:
        self._top, self._start, self._window = top, now - window, window
        self.width = _WIDTH - _LEFT - 2

    def y(self, value: float) -> float:
        return _TOP + (_HEIGHT - _TOP - _BOTTOM) * (1 - value / self._top)

    def x(self, at: float) -> float:
        return _LEFT + self.width * (at - self._start) / self._window

    def scale(self, svg: Element, top: int) -> None:
        """0 and the highest figure at the left."""
        for value in (0, top):
            _label(svg, "end", _LEFT - 4, self.y(value) + 3, gib(value) if value else "0")
        self.line(svg, "axis", 0)

    def time(self, svg: Element) -> None:
        """From when to when, below."""
        for anchor, x, text in (("start", _LEFT, f"−{words.span(self._window)}"), ("end", _WIDTH - 2, "now")):
            _label(svg, anchor, x, _HEIGHT - 4, text)

    def line(self, svg: Element, kind: str, value: float) -> None:
        """A level across the frame."""
        y = f"{self.y(value):.1f}"
        SubElement(svg, "line", {"class": kind, "x1": f"{_LEFT}", "x2": f"{_WIDTH - 2}", "y1": y, "y2": y})

    def course(self, svg: Element, points: Iterable[Point]) -> None:
        """Use over time, broken where nothing was sampled."""
        for run in _runs(points):
            places = [(self.x(at), self.y(value)) for at, value in run]
            if len(places) == 1:
                SubElement(svg, "circle", {"class": "dot", "cx": f"{places[0][0]:.1f}", "cy": f"{places[0][1]:.1f}",
                                           "r": "1.6"})  # fmt: skip
            else:
                drawn = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
                SubElement(svg, "polyline", {"class": "actual", "points": drawn})


def _runs(points: Iterable[Point]) -> Iterator[list[tuple[float, int]]]:
    run: list[tuple[float, int]] = []
    for point in points:
        if point.value is not None:
            run.append((point.at, point.value))
        elif run:
            yield run
            run = []
    if run:
        yield run


def _label(svg: Element, anchor: str, x: float, y: float, text: str) -> None:
    SubElement(svg, "text", {"text-anchor": anchor, "x": f"{x}", "y": f"{y:.1f}"}).text = text


def _rectangle(svg: Element, kind: str, x: float, y: float, width: float, height: float) -> None:
    SubElement(svg, "rect", {"class": kind, "x": f"{x}", "y": f"{y:.1f}", "width": f"{width}",
                             "height": f"{height:.1f}"})  # fmt: skip
