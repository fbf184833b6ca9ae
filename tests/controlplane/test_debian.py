"""Packages are fetched by apt into the cache, without rights and without installing."""

from pathlib import Path

import pytest

from controlplane import bubblewrap, debian
from controlplane.binaries import MissingBinaries

BINARY = Path("usr/bin/prog")


@pytest.fixture
def apt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An apt-get that knows the package once its lists were updated, a dpkg that unpacks; a cache of its own."""
    directory = tmp_path / "path"
    directory.mkdir()
    (directory / "apt-get").write_text(
        "#!/bin/sh\n"
        'here=$(dirname "$0"); echo "$@" >> "$here/calls"\n'
        'case "$*" in\n'
        '*update*) [ -e "$here/offline" ] && { echo "could not resolve" >&2; exit 100; }; touch "$here/lists";;\n'
        '*) [ -e "$here/lists" ] || { echo "no package" >&2; exit 100; }; touch pack_1.2-3_amd64.deb;;\n'
        "esac\n"
    )
    (directory / "dpkg").write_text(
        '#!/bin/sh\nmkdir -p "$3/usr/bin"; echo x > "$3/usr/bin/prog"; chmod +x "$3/usr/bin/prog"\n'
    )
    for name in ("apt-get", "dpkg"):
        (directory / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{directory}:/usr/bin:/bin")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return directory


def calls(apt: Path) -> list[str]:
    return (apt / "calls").read_text().splitlines()


def test_the_program_is_unpacked_into_the_cache_under_its_version(apt: Path, tmp_path: Path) -> None:
    (apt / "lists").touch()
    found = debian.program("pack", BINARY)
    assert found == tmp_path / "cache" / "llmjob" / "controlplane" / "pack" / "1.2-3" / BINARY
    assert found.read_text() == "x\n"
    assert [path.name for path in found.parents[3].iterdir() if path.is_dir()] == ["1.2-3"]


def test_a_machine_without_package_lists_gets_private_ones(apt: Path) -> None:
    debian.program("pack", BINARY)
    update = next(call for call in calls(apt) if "update" in call)
    assert "Dir::State::Lists=" in update


def test_what_the_cache_has_is_not_fetched_again(apt: Path) -> None:
    assert debian.cached("pack", BINARY) is None
    found = debian.program("pack", BINARY)
    (apt / "calls").unlink()
    assert debian.program("pack", BINARY) == debian.cached("pack", BINARY) == found
    assert not (apt / "calls").exists()


def test_a_package_that_apt_cannot_fetch_is_said_with_its_words(apt: Path) -> None:
    (apt / "offline").touch()
    with pytest.raises(debian.Unavailable, match="apt-get cannot fetch pack:\ncould not resolve"):
        debian.program("pack", BINARY)
    assert debian.cached("pack", BINARY) is None


def test_without_apt_there_is_no_package(apt: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(apt.parent))
    with pytest.raises(debian.Unavailable, match="no apt-get and no dpkg to fetch pack"):
        debian.program("pack", BINARY)
    with pytest.raises(MissingBinaries, match="there is no bwrap: install bubblewrap"):
        bubblewrap.ensure()
