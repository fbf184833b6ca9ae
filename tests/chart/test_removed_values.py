"""`--set x=null` takes a default away: either nothing changes for the worse, or helm refuses it by the value's name."""

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tools import renders

pytestmark = pytest.mark.cluster

# With everything that can be rendered, so that every value is read by some template.
EVERYTHING = (
    "--set", "serviceMonitor.enabled=true", "--set", "prometheusRule.enabled=true", "--set", "dashboards.enabled=true",
    "--set", "networkPolicy.enabled=true",
)  # fmt: skip
MODES = {"controller": EVERYTHING, "cert-manager": (*EVERYTHING, "--set", "certificates.mode=certManager")}


def paths(values: dict[str, Any], above: str = "") -> Iterator[tuple[str, object]]:
    for name, inner in values.items():
        yield f"{above}{name}", inner
        if isinstance(inner, dict):
            yield from paths(inner, f"{above}{name}.")


DEFAULTS = dict(paths(yaml.safe_load((renders.CHART / "values.yaml").read_text(encoding="utf-8"))))
# None of it is a meaning of its own: no requests, no limits.
CAN_BE_NONE = re.compile(r"\.resources\.(requests|limits)(\.|$)")


def kinds(text: str) -> Counter[tuple[str, str]]:
    return Counter((item["kind"], item["metadata"]["name"]) for item in yaml.safe_load_all(text) if item)


@pytest.fixture(scope="module")
def whole() -> dict[str, Counter[tuple[str, str]]]:
    return {mode: kinds(renders.template(*flags).stdout) for mode, flags in MODES.items()}


CASES = [
    (path, mode) for path in DEFAULTS for mode in MODES if mode == "controller" or path.startswith("certificates.")
]


@pytest.mark.parametrize(("path", "mode"), CASES)
def test_a_default_taken_away_is_refused_by_name_or_harmless(whole: Any, path: str, mode: str) -> None:
    answer = renders.template(*MODES[mode], "--set", f"{path}=null")
    if answer.returncode:
        above, _, name = path.rpartition(".")
        at = f"at '/{above.replace('.', '/')}'" if above else "at ''"
        assert f"{at}: missing property '{name}'" in answer.stderr
        return
    assert DEFAULTS[path] in ("", [], {}) or CAN_BE_NONE.search(path), f"{path} says something by default"
    assert kinds(answer.stdout) == whole[mode]
    assert "<nil>" not in answer.stdout
    assert "<no value>" not in answer.stdout


@pytest.mark.parametrize("path", ["webhook.resources.limits", "controller.resources.requests", "image.tag"])
def test_what_means_none_when_away_can_be_taken_away(render: Any, path: str) -> None:
    assert render(f"{path}=null")
