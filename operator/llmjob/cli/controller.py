"""`llmjob controller`: the process that writes status, events and metrics, and makes the webhook's certificate."""

from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

import click

from llmjob.cli.processes import process_options
from llmjob.cli.values import Duration

if TYPE_CHECKING:
    from llmjob.runtime.certificates.keeper import Order


class _Place(click.ParamType[tuple[str, str]]):
    """NAMESPACE/NAME of an object."""

    name = "namespace/name"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        from llmjob.runtime.paths import LONGEST_SUBDOMAIN, is_name  # noqa: PLC0415, slow to import

        namespace, _, name = value.partition("/")
        if not (is_name(namespace) and is_name(name, LONGEST_SUBDOMAIN)):
            self.fail(f"{value!r}: write it as NAMESPACE/NAME", param, ctx)
        return namespace, name


class _Host(click.ParamType[str]):
    """A host name or an address, as it stands in a URL."""

    name = "host"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        from llmjob.runtime.certificates.configurations import canonical  # noqa: PLC0415
        from llmjob.runtime.paths import LONGEST_SUBDOMAIN, is_name  # noqa: PLC0415, slow to import

        host = canonical(value.strip("[]"))
        if not (is_name(host, LONGEST_SUBDOMAIN) or _is_address(host)):
            self.fail(f"{value!r} is no host name or address", param, ctx)
        return host


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


@click.command()
@process_options
@click.option(
    "--resync",
    type=click.FloatRange(min=1),
    default=300.0,
    show_default=True,
    help="Seconds between full recomputations, besides changes of jobs and GPU classes.",
)
@click.option(
    "--certificate-secret",
    type=_Place(),
    metavar="NAMESPACE/NAME",
    help="Make the webhook's certificate, keep it in this Secret, renew it, and write its CA into the webhook "
    "configurations. Without it, certificates are somebody else's (cert-manager's, say).",
)
@click.option(
    "--webhook-service",
    type=_Place(),
    metavar="NAMESPACE/NAME",
    help="The certificate is for this Service, by which the API server reaches the webhook.",
)
@click.option(
    "--webhook-name",
    type=_Host(),
    metavar="HOST",
    help="The certificate is for this host name or address, where the API server reaches the webhook by URL.",
)
@click.option(
    "--certificate-validity",
    # A mounted Secret takes a minute or two to reach the webhook: below an hour is for trying it out.
    type=Duration("30s", "87600h"),
    default="2160h",
    show_default=True,
    help="How long a certificate is valid; it is renewed after two thirds of that.",
)
def command(
    *,
    certificate_secret: tuple[str, str] | None,
    webhook_service: tuple[str, str] | None,
    webhook_name: str | None,
    certificate_validity: float,
    **options: Any,  # noqa: ANN401
) -> None:  # fmt: skip
    """Run the controller: status, conditions, events and metrics of LLMJobs, and the webhook's certificate.

    One replica; level-triggered, so it may be stopped and started at any time.
    """
    if certificate_secret is None and (webhook_service or webhook_name):
        raise click.UsageError("--webhook-service and --webhook-name need --certificate-secret")
    if certificate_secret is not None and (webhook_service is None) == (webhook_name is None):
        raise click.UsageError("--certificate-secret needs one of --webhook-service and --webhook-name")
    from llmjob.runtime.processes import run_controller  # noqa: PLC0415, kopf is slow to import

    order = None
    if certificate_secret is not None:
        order = _order(certificate_secret, webhook_service, webhook_name, certificate_validity)
    run_controller(**options, order=order)


def _order(secret: tuple[str, str], service: tuple[str, str] | None, host: str | None, validity: float) -> "Order":
    from datetime import timedelta  # noqa: PLC0415

    from llmjob.runtime.certificates.configurations import Endpoint  # noqa: PLC0415
    from llmjob.runtime.certificates.keeper import Order  # noqa: PLC0415

    endpoint = Endpoint(service=service, host=host)
    return Order(secret=secret, endpoint=endpoint, validity=timedelta(seconds=validity))
