"""What the chart renders for the value sets of tests/chart/values: writes the golden files and prints what changed.

python -m tools.renders            # needs helm, which is built into the cache where it is missing
"""

import difflib
import os
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Final

from controlplane.binaries import ensure
from controlplane.tools import HELM

ROOT: Final = Path(__file__).parents[1]
CHART: Final = ROOT / "charts" / "llmjob"
TESTS: Final = ROOT / "tests" / "chart"
NAMESPACE: Final = "llmjob-system"


@cache
def helm_binary() -> Path:
    """The helm of the control plane's cache."""
    return ensure((HELM,), quiet=True)["helm"]


def helm(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run helm without a cluster and without its user's settings; what it answers is the caller's to judge."""
    environment = {
        key: value for key, value in os.environ.items() if key != "KUBECONFIG" and not key.startswith("HELM_")
    }
    return subprocess.run(  # noqa: S603, our own binary and arguments
        [str(helm_binary()), *arguments], capture_output=True, text=True, check=False, env=environment
    )


def template(*arguments: str, release: str = "llmjob") -> subprocess.CompletedProcess[str]:
    """`helm template` of the chart."""
    return helm("template", release, str(CHART), "--namespace", NAMESPACE, *arguments)


def value_sets() -> Sequence[Path]:
    """The value files; each has a golden file of its name."""
    return sorted((TESTS / "values").glob("*.yaml"))


def golden(values: Path) -> Path:
    """The golden file of a value set."""
    return TESTS / "golden" / values.name


def main() -> int:
    """Write what differs; 1 where helm fails."""
    for values in value_sets():
        answer = template("--values", str(values))
        if answer.returncode:
            print(f"{values.name}: {answer.stderr}", file=sys.stderr)
            return 1
        path = golden(values)
        current = path.read_text(encoding="utf-8") if path.exists() else ""
        lines = difflib.unified_diff(current.splitlines(), answer.stdout.splitlines(), path.name, "now", lineterm="")
        for line in lines:
            print(line)
        path.parent.mkdir(exist_ok=True)
        path.write_text(answer.stdout, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
