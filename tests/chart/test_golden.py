"""Six ways to install, rendered: a change of a template shows as a change of these files."""

from pathlib import Path

import pytest

from tools import renders

pytestmark = pytest.mark.cluster

SETS = pytest.mark.parametrize("values", renders.value_sets(), ids=lambda path: path.stem)


def test_there_are_six_value_sets() -> None:
    assert [path.stem for path in renders.value_sets()] == [
        "cert-manager", "default", "existing-secret", "high-availability", "minimal", "url",
    ]  # fmt: skip


@SETS
def test_renders_as_its_golden_file_and_the_same_bytes_twice(values: Path) -> None:
    first, second = (renders.template("--values", str(values)) for _ in range(2))
    assert first.returncode == 0, first.stderr
    assert first.stdout == second.stdout
    assert first.stdout == renders.golden(values).read_text(encoding="utf-8"), (
        "run python -m tools.renders, see its diff"
    )


@SETS
def test_helm_lint_has_nothing_to_say_but_that_there_is_no_icon(values: Path) -> None:
    answer = renders.helm("lint", str(renders.CHART), "--strict", "--values", str(values))
    assert answer.returncode == 0, answer.stderr
    said = [line for line in answer.stdout.splitlines() if line.startswith("[")]
    assert said == ["[INFO] Chart.yaml: icon is recommended"]
