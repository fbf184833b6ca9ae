"""`llmjob report`: predicted against actual."""

import json
from typing import TYPE_CHECKING

import click

from llmjob.cli import options
from llmjob.cli.exit_codes import ExitCode
from llmjob.cli.inventory import BadContent, ClusterUnreachable
from llmjob.cli.values import Duration

if TYPE_CHECKING:
    from llmjob.observation.report import Report


@click.command()
@click.option("-n", "--namespace", help="Jobs of this namespace; by default the context's.")
@click.option("-A", "--all-namespaces", "everywhere", is_flag=True, help="Jobs of all namespaces.")
@click.option("--prometheus", metavar="URL", help="Read use from this Prometheus; else from the jobs' status.")
@click.option(
    "--prometheus-token-file", type=click.Path(exists=True, dir_okay=False), help="A bearer token for Prometheus."
)
@click.option(
    "--prometheus-ca-file",
    type=click.Path(exists=True, dir_okay=False),
    help="Certificates that Prometheus' is held to.",
)
@click.option("--since", type=Duration("1m", "720h"), default="24h", show_default=True, help="How far to look back.")
@click.option(
    "-o",
    "--output",
    type=click.Choice(["text", "html", "markdown", "json"]),
    default="text",
    show_default=True,
    help="Output format; html is one file that needs nothing else.",
)
@options.KUBECONFIG
@options.CONTEXT
@options.SETTINGS
def command(
    namespace: str | None,
    everywhere: bool,  # noqa: FBT001, click passes it by name
    prometheus: str | None,
    prometheus_token_file: str | None,
    prometheus_ca_file: str | None,
    since: float,
    output: str,
    kubeconfig: str | None,
    context: str | None,
    settings: str | None,
) -> int:
    """Compare predicted with actual GPU memory: who wastes, who is near the edge, which smaller GPU would do.

    \b
    llmjob report -n research
    llmjob report -A --prometheus http://localhost:9090 --since 7h -o html > report.html
    """
    from llmjob.runtime.paths import is_name  # noqa: PLC0415, the client is slow to import
    from llmjob.runtime.report_source import Scope, read_report  # noqa: PLC0415
    from llmjob.runtime.settings import SettingsError  # noqa: PLC0415
    from llmjob.runtime.snapshot import Unreachable  # noqa: PLC0415
    from llmjob.runtime.usage.prometheus import PrometheusAccess  # noqa: PLC0415

    if namespace is not None and everywhere:
        raise click.UsageError("give either --namespace or --all-namespaces, not both")
    if namespace is not None and not is_name(namespace):
        raise click.UsageError(f"--namespace: {namespace!r} can be no namespace's name")
    if prometheus is None and (prometheus_token_file or prometheus_ca_file):
        raise click.UsageError("--prometheus-token-file and --prometheus-ca-file need --prometheus")
    try:
        access = (
            PrometheusAccess(url=prometheus, ca_file=prometheus_ca_file, token_file=prometheus_token_file)
            if prometheus is not None
            else None
        )
    except ValueError as error:
        raise click.UsageError(f"--prometheus: {error}") from error
    scope = Scope(
        namespace=namespace,
        everywhere=everywhere,
        window=since,
        prometheus=access,
        kubeconfig=kubeconfig,
        context=context,
        settings=settings,
    )
    try:
        found = read_report(scope)
    except Unreachable as error:
        raise ClusterUnreachable(str(error)) from error
    except SettingsError as error:
        raise BadContent(f"--settings {settings}: {error}") from error
    for note in found.notes:
        click.echo(f"warning: {note}", err=True)
    click.echo(_rendered(found, output))
    return ExitCode.FITS


def _rendered(report: "Report", output: str) -> str:
    if output == "json":
        from llmjob.cli.report_record import report_record  # noqa: PLC0415, one format of four

        return json.dumps(report_record(report), indent=2, ensure_ascii=False, allow_nan=False)
    if output == "html":
        from llmjob.cli.report_html import page  # noqa: PLC0415

        return page(report)
    if output == "markdown":
        from llmjob.cli.report_text import markdown  # noqa: PLC0415

        return markdown(report)
    from llmjob.cli.report_text import text  # noqa: PLC0415

    return text(report)
