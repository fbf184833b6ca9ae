"""The chart as helm renders it, without a cluster."""

from collections.abc import Callable
from typing import Any

import pytest
import yaml

from tools import renders

Render = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def render() -> Render:
    """The objects for values given as for --set; release and namespace are not the chart's own names."""

    def rendered(*sets: str, release: str = "llmjob") -> list[dict[str, Any]]:
        answer = renders.template(*(part for item in sets for part in ("--set", item)), release=release)
        assert answer.returncode == 0, answer.stderr
        return [found for found in yaml.safe_load_all(answer.stdout) if found]

    return rendered


@pytest.fixture
def refusal() -> Callable[..., str]:
    """What helm says of values that it must not take."""

    def said(*arguments: str) -> str:
        answer = renders.template(*arguments)
        assert answer.returncode, f"helm took {arguments}"
        return answer.stderr

    return said
