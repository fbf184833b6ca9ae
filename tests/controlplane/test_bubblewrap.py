"""Where bubblewrap comes from: PATH, the cache, apt with the machine's package lists, apt with private ones."""

from pathlib import Path

import pytest

from controlplane import bubblewrap
from controlplane.binaries import MissingBinaries

# `download` succeeds where lists are given that an `update` filled, or where the machine has some.
APT = """#!/bin/sh
echo "$@" >> {log}
for word in "$@"; do case $word in Dir::State::Lists=*) lists=${{word#*=}} ;; esac; done
case "$*" in
*update*) {update}; touch $lists/filled ;;
*download*) [ -n "{lists}" ] || [ -e "$lists/filled" ] || {{ echo "E: Unable to locate package" >&2; exit 100; }}
  touch bubblewrap_1.2-3_amd64.deb ;;
esac
"""
DPKG = """#!/bin/sh
mkdir -p "$3/usr/bin"; printf '#!/bin/sh\\n' > "$3/usr/bin/bwrap"; chmod +x "$3/usr/bin/bwrap"
"""


class Machine:
    def __init__(self, directory: Path, patch: pytest.MonkeyPatch) -> None:
        self.bin, self.log = directory / "bin", directory / "log"
        self.bin.mkdir()
        for tool in ("sh", "touch", "mkdir", "chmod"):
            (self.bin / tool).symlink_to(f"/bin/{tool}")
        patch.setenv("PATH", str(self.bin))
        patch.setenv("XDG_CACHE_HOME", str(directory / "cache"))

    def program(self, name: str, text: str) -> Path:
        path = self.bin / name
        path.write_text(text)
        path.chmod(0o755)
        return path

    def apt(self, *, lists: bool, update: str = ":") -> None:
        self.program("apt-get", APT.format(log=self.log, lists="y" if lists else "", update=update))
        self.program("dpkg", DPKG)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(tmp_path, monkeypatch)


def test_an_installed_one_is_used(machine: Machine) -> None:
    installed = machine.program("bwrap", "#!/bin/sh\n")
    assert bubblewrap.ensure() == installed


def test_it_is_unpacked_into_the_cache_by_its_version_and_fetched_once(machine: Machine, tmp_path: Path) -> None:
    machine.apt(lists=True)
    first = bubblewrap.ensure()
    assert first == tmp_path / "cache" / "llmjob" / "controlplane" / "bubblewrap" / "1.2-3" / "usr" / "bin" / "bwrap"
    assert bubblewrap.ensure() == first
    assert len(machine.log.read_text().splitlines()) == 1


def test_without_package_lists_private_ones_are_made(machine: Machine) -> None:
    machine.apt(lists=False)
    assert bubblewrap.ensure().exists()
    told = [line.split()[-2:] for line in machine.log.read_text().splitlines()]
    assert [words[-1] for words in told] == ["bubblewrap", "update", "bubblewrap"]


def test_where_apt_cannot_fetch_it_its_words_and_the_way_out_are_said(machine: Machine) -> None:
    machine.apt(lists=False, update="echo 'E: no network' >&2; exit 100")
    with pytest.raises(MissingBinaries, match=r"(?s)apt-get install bubblewrap.*no network"):
        bubblewrap.ensure()


def test_where_there_is_no_apt_the_way_out_is_said(machine: Machine) -> None:
    assert machine.bin.exists()
    with pytest.raises(MissingBinaries, match="dnf install bubblewrap"):
        bubblewrap.ensure()
