"""The chart as it is published: whole, with the CRD that its link leads to."""

import tarfile
from pathlib import Path

import pytest

from tools import renders

pytestmark = pytest.mark.cluster


def test_a_package_holds_all_and_the_crd_itself(tmp_path: Path) -> None:
    answer = renders.helm("package", str(renders.CHART), "--destination", str(tmp_path))
    assert answer.returncode == 0, answer.stderr
    (package,) = tmp_path.glob("*.tgz")
    with tarfile.open(package) as archive:
        names = archive.getnames()
        crd = archive.extractfile("llmjob/crds/llmjobs.llmjob.dev.yaml")
        assert crd is not None
        assert crd.read() == (renders.ROOT / "crds" / "llmjobs.llmjob.dev.yaml").read_bytes()
    files = {f"llmjob/{path.relative_to(renders.CHART)}" for path in renders.CHART.rglob("*") if path.is_file()}
    assert {*names} == files | {"llmjob/crds/llmjobs.llmjob.dev.yaml"}
    rendered = renders.helm("template", "llmjob", str(package), "--namespace", renders.NAMESPACE)
    assert rendered.stdout == renders.template().stdout
