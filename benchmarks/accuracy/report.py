"""Figures as text."""

from collections.abc import Sequence

from benchmarks.accuracy.scoring import Score
from llmjob.quantity import GiB

_HEAD = ("group", "rows", "no config", "unknown", "inside", "median width", "median err", "p95", "worst", "")


def render_table(scores: Sequence[Score]) -> str:
    """One line a group; errors and widths in percent."""
    lines: list[tuple[str, ...]] = [_HEAD]
    for item in scores:
        record = item.record()
        lines.append(
            (
                item.group.name,
                str(record["rows"]),
                str(record["noConfig"]),
                str(record["unknown"]),
                _percent(item.inside),
                _percent(item.width),
                *(_percent(record[key]) for key in ("medianError", "p95Error", "worstError")),
                "" if item.group.inside is None else ("met" if item.met else "MISSED"),
            )
        )
    widths = [max(len(line[column]) for line in lines) for column in range(len(_HEAD))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if not column else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def render_rows(item: Score) -> str:
    """Every row of a group: GiB predicted and measured, or why there is no figure."""
    lines = [item.group.name]
    for scored in item.scored:
        row = scored.row
        name = f"{row.get('id') or row.get('parallel', '')} {row.get('model_hf_id') or row.get('model', '')}"[:62]
        if scored.comparison is None:
            lines.append(f"  {name:62} {'no config' if scored.no_config else scored.unknown}")
            continue
        found = scored.comparison
        mark = " " if found.inside else "!"
        lines.append(
            f"{mark} {name:62} {found.predicted.lower / GiB:8.3f} {found.predicted.expected / GiB:8.3f}"
            f" {found.predicted.upper / GiB:8.3f}   measured {(found.low + found.high) / 2 / GiB:8.3f}"
            f"  {100 * found.error:+.2f} %"
        )
    return "\n".join(lines)


def _percent(value: object) -> str:
    return f"{100 * value:.2f} %" if isinstance(value, float) else "-"
