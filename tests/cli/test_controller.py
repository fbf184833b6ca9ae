"""The controller's flags for the webhook's certificate."""

import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from llmjob.cli.controller import command
from llmjob.runtime import processes
from llmjob.runtime.certificates.configurations import Endpoint
from llmjob.runtime.certificates.keeper import Order

SECRET = ("--certificate-secret", "system/tls")
SERVICE = ("--webhook-service", "system/hook")


@pytest.fixture
def order(monkeypatch):
    """The order that some arguments make."""
    orders = []
    monkeypatch.setattr(processes, "run_controller", lambda **options: orders.append(options["order"]))

    def made(*arguments):
        shown = CliRunner().invoke(command, arguments)
        assert shown.exit_code == 0, shown.output
        return orders.pop()

    return made


def test_without_the_flag_no_certificate_is_made(order):
    assert order() is None


def test_by_a_service_for_ninety_days(order):
    assert order(*SECRET, *SERVICE) == Order(
        secret=("system", "tls"), endpoint=Endpoint(service=("system", "hook")), validity=timedelta(days=90)
    )


@pytest.mark.parametrize(
    ("given", "host"),
    [("Webhook.Example", "webhook.example"), ("10.0.0.1", "10.0.0.1"), ("::1", "::1"), ("[0:0::1]", "::1")],
)
def test_by_a_name_or_address(order, given, host):
    assert order(*SECRET, "--webhook-name", given).endpoint == Endpoint(host=host)


def test_validity_is_a_duration(order):
    assert order(*SECRET, *SERVICE, "--certificate-validity", "1h30m").validity == timedelta(minutes=90)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (SECRET, "needs one of --webhook-service and --webhook-name"),
        ((*SECRET, *SERVICE, "--webhook-name", "x"), "needs one of --webhook-service and --webhook-name"),
        (SERVICE, "need --certificate-secret"),
        (("--webhook-name", "x"), "need --certificate-secret"),
        (("--certificate-secret", "tls"), "'--certificate-secret': 'tls': write it as NAMESPACE/NAME"),
        (("--certificate-secret", "a/b/c"), "write it as NAMESPACE/NAME"),
        ((*SECRET, "--webhook-service", "a/../b"), "'--webhook-service'"),
        ((*SECRET, *SERVICE, "--certificate-validity", "90d"), "write it like 30s, 5m or 1h"),
        ((*SECRET, *SERVICE, "--certificate-validity", "29s"), "give 30s to 87600h"),
        ((*SECRET, "--webhook-name", "https://h"), "'--webhook-name': 'https://h' is no host name or address"),
        ((*SECRET, "--webhook-name", "h:8443"), "is no host name or address"),
        ((*SECRET, "--webhook-name", "h_x"), "is no host name or address"),
        ((*SECRET, *SERVICE, "--certificate-validity", "99999999h"), "give 30s to 87600h"),
    ],
)
def test_a_mistake_is_usage_and_names_the_flag(arguments, said):
    shown = CliRunner().invoke(command, arguments)
    assert shown.exit_code == 2  # main makes it 64
    assert said in " ".join(shown.output.split())


def test_cryptography_is_imported_by_nobody_who_makes_no_certificate():
    code = "import sys, llmjob.runtime.processes, llmjob.cli.controller; print('cryptography' in sys.modules)"
    sources = str(Path(__file__).parents[2] / "operator")
    shown = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PYTHONPATH": sources}
    )
    assert shown.stdout == "False\n"
