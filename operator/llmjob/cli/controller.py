"""`llmjob controller`: the process that writes status, events and metrics."""

from typing import Any

import click

from llmjob.cli.processes import process_options


@click.command()
@process_options
@click.option("--resync", type=click.FloatRange(min=1), default=300.0, show_default=True,
              help="Seconds between full recomputations, besides changes of jobs and GPU classes.")  # fmt: skip
def command(**options: Any) -> None:  # noqa: ANN401
    """Run the controller: status, conditions, events and metrics of LLMJobs.

    One replica; level-triggered, so it may be stopped and started at any time.
    """
    from llmjob.runtime.processes import run_controller  # noqa: PLC0415, kopf is slow to import

    run_controller(**options)
