"""What the cluster tests share: waiting, an LLMJob and its path, requests without a pause while something happens."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from controlplane.client import Client, RequestFailed
from llmjob import names
from llmjob.runtime.certificates.configurations import COLLECTIONS

CONFIGURATION_KINDS = tuple(path.rpartition("/")[2] for path in COLLECTIONS)
"""The mutating kind, then the validating one, as kubectl calls them."""


@dataclass
class Clock:
    """The time of exporters' courses, told by a test."""

    seconds: float = 0.0

    def __call__(self) -> float:
        return self.seconds


def eventually(condition: Callable[[], Any], timeout: float = 30.0, what: str = "") -> Any:
    """What the condition returns once it is true."""
    deadline = time.monotonic() + timeout
    while not (found := condition()):
        assert time.monotonic() < deadline, f"not so within {timeout:.0f} s: {what or 'see the test'}"
        time.sleep(0.05)
    return found


def jobs(namespace: str, name: str = "") -> str:
    """The path of a namespace's LLMJobs, or of one."""
    return f"/apis/{names.API_VERSION}/namespaces/{namespace}/{names.PLURAL}{'/' if name else ''}{name}"


def job(name: str, parameters: str) -> dict[str, Any]:
    """An inference job by its number of parameters."""
    spec = {"model": {"parameters": parameters}, "inference": {}}
    return {"apiVersion": names.API_VERSION, "kind": names.KIND, "metadata": {"name": name}, "spec": spec}


def answer(client: Client, namespace: str) -> str:
    """What comes of a job that fits on no card: `refused` by the webhook, `allowed`, or what went wrong."""
    try:
        client.request("POST", f"{jobs(namespace)}?dryRun=All", job("large", "405B"))
    except RequestFailed as error:
        return "refused" if error.status == 403 and "denied the request" in str(error) else str(error)
    except OSError as error:
        return str(error)
    return "allowed"


@contextmanager
def in_flight(*askers: Callable[[], str]) -> Iterator[Counter[str]]:
    """Meanwhile each is called without a pause by a thread of its own; counts what they return."""
    stop, answers = threading.Event(), Counter[str]()

    def ask(asker: Callable[[], str]) -> None:
        while not stop.is_set():
            answers[asker()] += 1

    threads = [threading.Thread(target=ask, args=(asker,)) for asker in askers]
    for thread in threads:
        thread.start()
    try:
        yield answers
    finally:
        stop.set()
        for thread in threads:
            thread.join()
