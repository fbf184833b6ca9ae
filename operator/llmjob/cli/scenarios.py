"""`llmjob estimate --scenarios`: the simple method's own two tables, for any parameter count."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

import click

from llmjob.cli.exit_codes import ExitCode
from llmjob.estimator.result import ComponentName, Estimate
from llmjob.estimator.simple import optimizer_states, scenarios
from llmjob.quantity import GB
from llmjob.workloads.request import Request

_LABELS: Final = {
    "inference-16bit": "Inference, 16 bit",
    "inference-8bit": "Inference, 8 bit",
    "inference-4bit": "Inference, 4 bit",
    "full": "Full fine-tuning, Adam",
    "lora": "LoRA, Adam",
    "qlora-8bit": "QLoRA, 8 bit, Adam",
    "qlora-4bit": "QLoRA, 4 bit, Adam",
}
_PARTS: Final = (
    ComponentName.WEIGHTS,
    ComponentName.GRADIENTS,
    ComponentName.OPTIMIZER_STATES,
    ComponentName.ACTIVATIONS,
    ComponentName.KV_CACHE,
    ComponentName.RUNTIME,
)


def show_scenarios(flags: Mapping[str, Any], output: str) -> int:
    """Print seven scenarios and the optimizer states of the model that the flags name.

    Raises:
        click.UsageError: when no parameter count is known.
    """
    request, parameters, active = _counts(flags)
    found = scenarios(parameters, active)
    states = optimizer_states(parameters)
    if output == "table":
        _print(request.name, found, states)
        return ExitCode.FITS
    from llmjob.cli.records import estimate_record, render  # noqa: PLC0415

    records = [estimate_record(replace(request, name=name), estimate) for name, estimate in found.items()]
    click.echo(render(records, output))
    return ExitCode.FITS


def _counts(flags: Mapping[str, Any]) -> tuple[Request, int, int | None]:
    from llmjob.cli.bad import Bad  # noqa: PLC0415
    from llmjob.cli.flags import request_from_flags  # noqa: PLC0415

    request = request_from_flags({**flags, "method": None, "optimizer": None})
    if isinstance(request, Bad):
        raise click.UsageError(request.unknown.message)
    if not isinstance(request, Request):
        raise click.UsageError(f"--scenarios: {request.unknown.message}")
    model = request.model
    if model.architecture is not None:
        return request, model.architecture.parameters, model.architecture.active_parameters
    if model.parameters is None:
        raise click.UsageError("--scenarios needs --parameters or a known --model")
    return request, model.parameters, model.active_parameters


def _print(name: str, found: Mapping[str, Estimate], states: Mapping[str, tuple[int, int]]) -> None:
    from rich.table import Table  # noqa: PLC0415

    from llmjob.cli.tables import console  # noqa: PLC0415

    out = console()
    out.print(f"{name} by the simple method, GB (10^9 bytes); batch 1, 2,048 tokens", style="bold")
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column("Scenario", no_wrap=True, header_style="dim")
    for part in (*_PARTS, "Total"):
        table.add_column(str(part), justify="right", header_style="dim")
    for scenario, estimate in found.items():
        cells = [_gb(estimate.component(part).expected) for part in _PARTS]
        table.add_row(_LABELS[scenario], *cells, _gb(estimate.per_gpu.expected))
    out.print(table)
    out.print()
    out.print("Optimizer states, 4-byte values", style="bold")
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    for heading in ("Optimizer", "full (100 %)", "LoRA, QLoRA (1 %)"):
        table.add_column(heading, justify="left" if heading == "Optimizer" else "right", header_style="dim")
    for optimizer, (full, adapters) in states.items():
        table.add_row(optimizer, _gb(full), _gb(adapters))
    out.print(table)


def _gb(value: int) -> str:
    """GB with as many decimals as the figure needs, at most two: 87.4, 0.28, 14."""
    return f"{value / GB:.2f}".rstrip("0").rstrip(".")
