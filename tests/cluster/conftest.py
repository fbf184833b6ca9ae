"""One real control plane for the run, a namespace of its own for each test."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from controlplane.start import ControlPlane
from tests.cluster.support import eventually

HERE = Path(__file__).parent
_COUNTER = itertools.count(1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs the control plane; what runs webhook and controller on it comes last, for they see every job."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.cluster)
    items.sort(key=lambda item: HERE / "processes" in item.path.parents)


@pytest.fixture(scope="session")
def control_plane() -> Iterator[ControlPlane]:
    """Built where missing; where that or the start fails, so does every test that asks for it."""
    with ControlPlane.start(audit=True) as running:
        yield running


@pytest.fixture
def namespace(control_plane: ControlPlane) -> Iterator[str]:
    """A new namespace with its default ServiceAccount; deleted after the test, which does not wait for that."""
    name = f"test-{next(_COUNTER)}"
    control_plane.client.request("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
    account = f"/api/v1/namespaces/{name}/serviceaccounts/default"
    eventually(lambda: control_plane.client.exists(account), 60, f"a default ServiceAccount in {name}")
    yield name
    control_plane.client.request("DELETE", f"/api/v1/namespaces/{name}")
