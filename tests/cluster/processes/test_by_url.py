"""Webhooks by URL instead of by Service: the controller's certificate is for the URL's host then."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from llmjob.runtime.certificates.configurations import PATHS

Space = Callable[..., str]


@pytest.fixture
def by_url(running: Any) -> Any:
    """The release with the address of its Service as URL, until the test ends."""
    release = running.release
    url = f"https://{release.address('webhook')}:{release.service_port}"
    release.upgrade({"webhook": {**release.values["webhook"], "url": url}})
    yield url
    release.upgrade({"webhook": {**release.values["webhook"], "url": ""}})
    running.wait_for_denial()


def test_a_release_by_url_admits_and_refuses(running: Any, space: Space, by_url: str) -> None:
    entries = running.cluster.client.request("GET", PATHS[1])["webhooks"]
    assert all(entry["clientConfig"]["url"].startswith(by_url) for entry in entries)
    assert not any("service" in entry["clientConfig"] for entry in entries)
    place = space("enforce")
    large = json.dumps(running.llmjob("large", pool="small", parameters="405B"))

    def refused() -> bool:
        answer = running.cluster.kubectl("create", "-n", place, "-f", "-", stdin=large, check=False)
        return "denied the request: InsufficientGPUMemory" in answer.stderr

    running.eventually(refused, 60)
    assert running.apply(running.llmjob("job", pool="big"), namespace=place).returncode == 0
    assert running.judged(place, "job")["status"]["summary"]["reason"] == "Fits"
