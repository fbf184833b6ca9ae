"""A URL, a release's name or a namespace under which the release could not work is refused, and said why."""

from typing import Any

import click
import pytest

from llmjob.cli.controller import command as controller
from tools import renders

pytestmark = pytest.mark.cluster

HOSTS = ("h", "h.example", "H.Example", "xn--bcher-kva.example", "10.0.0.7", "[::1]", "[fd00::7]", "0x.example")
WRONG_HOSTS = ("Bücher.example", "a_b", "h.", "-a", "a-", "a..b", ".a", "[:::]", "[1:2]", "a." * 126 + "ab")


def taken_by_the_controller(host: str) -> bool:
    arguments = ["--certificate-secret", "a/b", "--webhook-name", host]
    try:
        controller.make_context("controller", arguments)
    except click.UsageError:
        return False
    return True


@pytest.mark.parametrize("host", HOSTS)
def test_a_host_that_the_controller_takes_is_taken(host: str) -> None:
    assert taken_by_the_controller(host)
    answer = renders.template("--set", f"webhook.url=https://{host}:8443")
    assert answer.returncode == 0, answer.stderr


@pytest.mark.parametrize("host", WRONG_HOSTS)
def test_a_host_that_the_controller_refuses_at_its_start_is_refused_before(refusal: Any, host: str) -> None:
    assert not taken_by_the_controller(host)
    said = refusal("--set", f"webhook.url=https://{host}")
    assert "webhook.url" in said or "'/webhook/url'" in said


@pytest.mark.parametrize("host", ["256.1.1.1", "1.2.3"])
def test_digits_that_are_no_address_are_no_host(refusal: Any, host: str) -> None:
    assert f'webhook.url: the host "{host}"' in refusal("--set", f"webhook.url=https://{host}")


@pytest.mark.parametrize(("port", "said"), [("0", "1 to 65535"), ("65536", "1 to 65535"), ("", "'/webhook/url'")])
def test_a_port_that_is_none_is_refused(refusal: Any, port: str, said: str) -> None:
    assert said in refusal("--set", f"webhook.url=https://h:{port}")


def test_the_last_port_is_taken(render: Any) -> None:
    assert render("webhook.url=https://h:65535")


@pytest.mark.parametrize("release", ["1st", "2024"])
def test_a_release_whose_services_could_have_no_name_is_refused(release: str) -> None:
    answer = renders.template(release=release)
    assert answer.returncode
    assert f'the release\'s name "{release}": begin it with a letter' in answer.stderr


def test_the_namespace_default_is_refused(refusal: Any) -> None:
    """It would be excluded from admission, as the release's own namespace is."""
    assert "give it a namespace of its own" in refusal("--namespace", "default")
