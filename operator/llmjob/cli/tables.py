"""Estimates, verdicts and fleets as tables for people; GiB with one decimal."""

from typing import TYPE_CHECKING, Final

from llmjob.cli.bad import Bad
from llmjob.estimator.interval import Interval, Range
from llmjob.estimator.result import Basis, Component, Estimate, Unknown
from llmjob.estimator.task import Inference
from llmjob.fleet.gpu_class import GPUClass
from llmjob.names import Reason
from llmjob.quantity import gib
from llmjob.workloads.request import AnyRequest, Request

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from llmjob.decision.verdict import Outcome, Verdict

_BAR: Final = 28
# The column of figures, set right.
_NUMBER: Final = 1
_BASIS: Final = {
    Basis.EXACT: "exact",
    Basis.MEASURED: "measured",
    Basis.MODELLED: "modelled",
    Basis.RULE_OF_THUMB: "rule of thumb",
}
_STYLE: Final = {
    Reason.FITS: "green",
    Reason.TIGHT: "yellow",
    Reason.INSUFFICIENT_GPU_MEMORY: "red",
    Reason.NOT_ENOUGH_GPUS_PER_NODE: "red",
    Reason.BAD_INPUT: "red",
}


def console() -> "Console":
    """Where tables go: colours only on a terminal, lines as wide as it is, else 120 columns."""
    from rich.console import Console  # noqa: PLC0415, only where a table is printed

    # What is printed holds users' names: "[red]" or ":smile:" in them is text.
    wide = Console(highlight=False, markup=False, emoji=False)
    return (
        wide if wide.is_terminal else Console(highlight=False, markup=False, emoji=False, width=120, color_system=None)
    )


def bar(part: Interval, whole: int, width: int = _BAR) -> str:
    """A bar on the scale `whole`: full up to the lower bound, half tone up to expected, light up to the upper."""
    if whole <= 0:
        return ""
    ends = [min(width, -(-value * width // whole)) for value in (part.lower, part.expected, part.upper)]
    return "█" * ends[0] + "▓" * (ends[1] - ends[0]) + "░" * (ends[2] - ends[1])


def span(value: Interval) -> str:
    """An interval for people: "19.4 GiB (18.6–20.9)"."""
    return f"{gib(value.expected)} GiB ({gib(value.lower)}–{gib(value.upper)})"


def title(namespace: str | None, name: str, role: str | None) -> str:
    """A job as `kubectl` users name it: namespace/name, and its role where it is not the only one."""
    full = f"{namespace}/{name}" if namespace else name
    return full if role in (None, "main") else f"{full} role {role}"


def print_estimate(out: "Console", request: AnyRequest, answer: Estimate | Unknown, gpu_class: str | None) -> None:
    """One role's estimate: the need, its parts with bars, what a server would offer, warnings."""
    out.print(title(request.namespace, request.name, request.role), style="bold")
    if isinstance(answer, Unknown):
        out.print(f"  unknown: {answer.reason}: {answer.field}: {answer.message}", style="yellow")
        return
    on = f" on {gpu_class}" if gpu_class else ""
    gpus = request.pods_per_instance * (request.gpus_per_pod or 1)
    out.print(f"  needs {span(answer.per_gpu)} per GPU{on} · {gpus} GPU{'s' if gpus > 1 else ''}")
    active = f", {answer.active_parameters:,} active" if answer.active_parameters != answer.parameters else ""
    instant = f" · peak at {answer.instant}" if answer.instant else ""
    out.print(f"  {answer.parameters:,} parameters{active} · profile {answer.profile}{instant}")
    out.print(_parts(answer))
    _print_serving(out, request, answer)
    for warning in answer.warnings:
        out.print(f"  warning: {warning}", style="yellow")


def _parts(answer: Estimate) -> "Text":
    """The parts in columns; rich's own Table takes ten times as long, and a start has a budget."""
    from rich.text import Text  # noqa: PLC0415

    whole = max(answer.per_gpu.upper, 1)
    total = ("  Total", gib(answer.per_gpu.expected), _bounds(answer.per_gpu), bar(answer.per_gpu, whole), "")
    rows = [("  Part", "GiB", "lower–upper", "", "basis"), *(_row(part, whole) for part in answer.components), total]
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(cell.rjust(width) if at == _NUMBER else cell.ljust(width) for at, (cell, width) in enumerate(padded))
        for padded in (zip(row, widths, strict=True) for row in rows)
    ]
    text = Text("\n".join(line.rstrip() for line in lines), no_wrap=True, overflow="ellipsis")
    text.stylize("dim", 0, len(lines[0]))
    return text


def _row(part: Component, whole: int) -> tuple[str, str, str, str, str]:
    exact = part.memory.lower == part.memory.upper
    bounds = "" if exact else _bounds(part.memory)
    return f"  {part.name}", gib(part.memory.expected), bounds, bar(part.memory, whole), _BASIS[part.basis]


def _bounds(value: Interval) -> str:
    return f"{gib(value.lower)}–{gib(value.upper)}"


def _print_serving(out: "Console", request: AnyRequest, answer: Estimate) -> None:
    serving = answer.serving
    if serving is None or not isinstance(request, Request) or not isinstance(request.task, Inference):
        return
    asked = request.task.concurrency or 1
    length = _asked_length(request)
    longest = (
        f"; the longest sequence that starts is {serving.longest_length:,} tokens" if serving.longest_length else ""
    )
    if not serving.starts:
        out.print(f"  would not start: one sequence of {length} does not fit{longest}", style="red")
        return
    short = serving.concurrency < asked
    tokens = f" ({serving.kv_tokens:,} tokens)" if serving.kv_tokens is not None else ""
    pool = f"{gib(serving.kv_pool.expected)} GiB{tokens}"
    offered = f"{serving.concurrency:.1f} sequences of {length}, asked for {asked}"
    out.print(
        f"  starts with a KV pool of {pool}: {offered}{longest}",
        style="red" if short else None,
    )


def _asked_length(request: Request) -> str:
    if isinstance(request.task, Inference) and request.task.max_model_len:
        return f"{request.task.max_model_len:,} tokens"
    known = request.model.architecture.max_model_len if request.model.architecture else None
    return f"{known:,} tokens (the model's maximum)" if known else "the asked length"


def print_verdict(out: "Console", verdict: "Verdict") -> None:
    """One role's verdict: reason, message, each class, what would fit."""
    from rich.table import Table  # noqa: PLC0415

    out.print(title(verdict.namespace, verdict.name, verdict.role), style="bold", end=" ")
    out.print(str(verdict.reason), style=_STYLE.get(verdict.reason, "yellow"))
    out.print(f"  {verdict.message}")
    if verdict.classes:
        table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
        for heading in ("  GPU class", "outcome", "need (GiB)", "usable", "headroom"):
            right = heading in {"usable", "headroom"}
            table.add_column(heading, justify="right" if right else "left", no_wrap=True, header_style="dim")
        for outcome in verdict.classes:
            need = f"{gib(outcome.need.expected)} ({_bounds(outcome.need)})" if outcome.need else "?"
            label = "too few GPUs" if outcome.too_few_gpus else _outcome_words(outcome.outcome)
            usable = "?" if outcome.usable is None else gib(outcome.usable)
            headroom = "" if outcome.headroom is None else f"{gib(outcome.headroom)}"
            table.add_row(f"  {outcome.name}", label, need, usable, headroom)
        out.print(table)
    for warning in verdict.warnings:
        out.print(f"  warning: {warning}", style="yellow")


def _outcome_words(outcome: "Outcome") -> str:
    return {"TooLarge": "too large", "Fits": "fits", "Tight": "tight"}.get(outcome, "unknown")


def print_bad(out: "Console", bad: Bad) -> None:
    """A document that could not be read, each error on its line."""
    out.print(title(bad.namespace, bad.name or "(no name)", None), style="bold", end=" ")
    out.print(str(Reason.BAD_INPUT), style="red")
    for error in bad.errors:
        where = f"{error.field}: " if error.field else ""
        out.print(f"  {where}{error.message}")


def print_fleet(out: "Console", classes: tuple[GPUClass, ...]) -> None:
    """The classes of a fleet with nodes, GPUs and memory."""
    from rich.table import Table  # noqa: PLC0415

    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    for heading in ("GPU class", "product", "nodes", "GPUs/node", "reported", "usable", "memory from"):
        right = heading in {"nodes", "GPUs/node", "reported", "usable"}
        table.add_column(heading, justify="right" if right else "left", header_style="dim")
    for gpu_class in classes:
        source = str(gpu_class.memory_from) if gpu_class.memory_from else f"unknown: {gpu_class.unknown_because}"
        table.add_row(
            gpu_class.name,
            gpu_class.product,
            str(gpu_class.nodes),
            "?" if gpu_class.gpus_per_node is None else str(gpu_class.gpus_per_node),
            _ends(gpu_class.reported),
            _ends(gpu_class.usable),
            source,
        )
    out.print(table)


def _ends(value: Range | None) -> str:
    if value is None:
        return "?"
    lower, upper = gib(value.lower), gib(value.upper)
    return lower if lower == upper else f"{lower}–{upper}"
