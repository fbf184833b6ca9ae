"""Writes the generated files, or with --check fails where one differs from what would be written."""

import difflib
import sys
from pathlib import Path
from typing import Final

from llmjob.api.crd import crd_yaml
from observability.dashboards import DASHBOARDS
from observability.grafana import dashboard_json
from observability.rules import rules
from tools.accuracy import accuracy
from tools.chart_values import chart_values
from tools.reference import reference

ROOT: Final = Path(__file__).parents[1]


def generated() -> dict[Path, str]:
    """Every generated file with its content."""
    chart = ROOT / "charts" / "llmjob"
    return {
        ROOT / "crds" / "llmjobs.llmjob.dev.yaml": crd_yaml(),
        ROOT / "docs" / "reference.md": reference(),
        ROOT / "docs" / "accuracy.md": accuracy(),
        chart / "rules" / "llmjob.yaml": rules(),
        **{chart / "dashboards" / f"{page.uid}.json": dashboard_json(page) for page in DASHBOARDS},
        ROOT / "docs" / "values.md": chart_values(),
    }


def main(arguments: list[str]) -> int:
    """Write, or compare; 1 where a file differs."""
    differs = False
    for path, content in generated().items():
        name = str(path.relative_to(ROOT))
        current = path.read_text() if path.exists() else ""
        if current == content:
            continue
        if "--check" in arguments:
            differs = True
            lines = difflib.unified_diff(current.splitlines(), content.splitlines(), name, "generated", lineterm="")
            print("\n".join(lines))
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
            print(f"{name}: {len(current.encode())} -> {len(content.encode())} bytes")
    if differs:
        print("Generated files differ: run `make generate`.", file=sys.stderr)
    return int(differs)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
