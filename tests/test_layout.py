"""The layout that everything rests on."""

import operator
import subprocess
import sys
import sysconfig
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_import_operator_is_still_the_standard_library():
    assert Path(operator.__file__).parent == Path(sysconfig.get_path("stdlib"))
    assert operator.add(1, 2) == 3


def test_import_operator_from_the_root_of_the_checkout_is_the_standard_library():
    code = "import importlib.machinery as m; print(m.PathFinder.find_spec('operator').origin)"
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert Path(found.stdout.strip()).parent == Path(sysconfig.get_path("stdlib"))


def test_locks_name_hashes_and_no_index():
    for lock in (ROOT / "requirements").glob("*.txt"):
        lines = lock.read_text().splitlines()
        assert not [
            line for line in lines if "://" in line or line.strip().startswith(("-i", "--index", "--extra-index"))
        ]
        pins = [line for line in lines if "==" in line and not line.strip().startswith("#")]
        assert pins
        assert all(line.rstrip().endswith("\\") for line in pins), f"a pin without a hash in {lock.name}"
