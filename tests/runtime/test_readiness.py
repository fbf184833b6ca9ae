"""When the webhook says that it is ready."""

from types import SimpleNamespace

import pytest

from llmjob.runtime.processes import not_ready


@pytest.mark.parametrize(
    ("loaded", "nodes", "jobs", "answering", "reason"),
    [
        (True, True, True, True, None),
        (False, True, True, True, "certificate"),
        (True, False, True, True, "views"),
        (True, True, False, True, "views"),
        (True, True, True, False, "port"),
    ],
)
def test_ready_needs_a_certificate_both_views_and_an_open_port(loaded, nodes, jobs, answering, reason):
    world = SimpleNamespace(nodes=SimpleNamespace(synced=nodes), jobs=SimpleNamespace(synced=jobs))
    certificate = SimpleNamespace(loaded=loaded, path="tls.crt")
    found = not_ready(world, certificate, answering=answering)
    assert (found is None) if reason is None else (reason in found)
