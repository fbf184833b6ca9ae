import subprocess
from pathlib import Path

import pytest

from controlplane import build as building
from controlplane import cache, toolchain
from controlplane.binaries import MissingBinaries, from_assets
from controlplane.tools import ETCD, KUBERNETES, PROMETHEUS, Tool, chosen

TOOLS = chosen({})


@pytest.fixture
def go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A `go` that notes its arguments and writes what -o asks for; fails while the file `broken` lies beside it."""
    directory = tmp_path / "path"
    directory.mkdir()
    script = directory / "go"
    script.write_text(
        "#!/bin/sh\n"
        'here=$(dirname "$0")\n'
        'if [ "$1" = env ]; then echo go1.99.0; exit 0; fi\n'
        'echo "$@" >> "$here/calls"\n'
        'echo "$GOCACHE" > "$here/gocache"; mkdir -p "$GOCACHE"; touch "$GOCACHE/entry"\n'
        '[ -e "$here/broken" ] && { echo "undefined: x" >&2; exit 2; }\n'
        'shift 3; [ "$1" = -o ] && out=$2; shift 2\n'
        'for package in "$@"; do touch "$out$(basename "$package")"; done\n'
    )
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{directory}:/usr/bin:/bin")
    return directory


def build(directory: Path, tools: tuple[Tool, ...] = TOOLS, provided: frozenset[str] = frozenset()) -> None:
    building.build(tools, directory=directory, provided=provided, quiet=True, free=lambda _: 10**12)


def test_every_binary_is_built_and_found(go: Path, tmp_path: Path) -> None:
    build(tmp_path / "cache")
    assert not building.missing(TOOLS, tmp_path / "cache", frozenset())
    assert len((go / "calls").read_text().splitlines()) == len(TOOLS)


@pytest.mark.usefixtures("go")
def test_what_is_built_and_how_long_that_takes_is_said_first(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    directory = tmp_path / "cache"
    building.build((ETCD, PROMETHEUS), directory=directory, free=lambda _: 10**12)
    said = capsys.readouterr()
    first = f"building etcd, prometheus into {directory}, once; about 5 minutes on two cores"
    assert (said.out + said.err).splitlines()[0] == first


def test_a_second_build_runs_no_go(go: Path, tmp_path: Path) -> None:
    build(tmp_path / "cache")
    (go / "calls").unlink()
    build(tmp_path / "cache")
    assert not (go / "calls").exists()


def test_only_the_missing_binary_is_built_again(go: Path, tmp_path: Path) -> None:
    directory = tmp_path / "cache"
    build(directory)
    (go / "calls").unlink()
    (directory / KUBERNETES.key / "kubectl").unlink()
    build(directory)
    calls = (go / "calls").read_text().splitlines()
    assert len(calls) == 1
    assert calls[0].endswith("/ k8s.io/kubernetes/cmd/kubectl")


def test_what_the_user_provides_is_not_built(go: Path, tmp_path: Path) -> None:
    build(tmp_path / "cache", tools=(ETCD, KUBERNETES), provided=frozenset(KUBERNETES.packages))
    assert [call.rsplit(" ", 1)[1] for call in (go / "calls").read_text().splitlines()] == [ETCD.packages["etcd"]]


def test_a_tool_s_build_tags_reach_go(go: Path, tmp_path: Path) -> None:
    build(tmp_path / "cache", tools=(PROMETHEUS,))
    [call] = (go / "calls").read_text().splitlines()
    assert " -tags remove_all_sd " in call
    assert call.endswith("/cmd/prometheus github.com/prometheus/prometheus/cmd/promtool")


def test_go_s_build_cache_is_private_and_removed(go: Path, tmp_path: Path) -> None:
    build(tmp_path / "cache")
    used = Path((go / "gocache").read_text().strip())
    assert used.parent == tmp_path / "cache"
    assert not used.exists()


def test_a_failed_build_says_what_go_said_and_leaves_no_binary(go: Path, tmp_path: Path) -> None:
    (go / "broken").touch()
    with pytest.raises(building.BuildFailed, match=r"etcd v.* did not build:\nundefined: x"):
        build(tmp_path / "cache")
    assert not building.built(ETCD, tmp_path / "cache")


def test_too_little_disk_is_said_before_anything_is_built(go: Path, tmp_path: Path) -> None:
    with pytest.raises(cache.NotEnoughDisk, match=r"needs 15 GB free at .*, there are 14\.9"):
        building.build(TOOLS, directory=tmp_path / "cache", quiet=True, free=lambda _: 14_900_000_000)
    assert not (go / "calls").exists()


@pytest.mark.usefixtures("go")
def test_disk_is_not_asked_for_when_nothing_is_missing(tmp_path: Path) -> None:
    build(tmp_path / "cache")
    building.build(TOOLS, directory=tmp_path / "cache", quiet=True, free=lambda _: 0)


def test_the_module_cache_is_the_user_s_where_there_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOMODCACHE", str(tmp_path))
    assert building.go_environment(tmp_path / "c", tmp_path / "s")["GOMODCACHE"] == str(tmp_path)
    monkeypatch.setenv("GOMODCACHE", str(tmp_path / "absent"))
    assert building.go_environment(tmp_path / "c", tmp_path / "s")["GOMODCACHE"] == str(tmp_path / "c" / "go-mod")


def test_go_never_fetches_another_toolchain(tmp_path: Path) -> None:
    assert building.go_environment(tmp_path, tmp_path)["GOTOOLCHAIN"] == "local"


@pytest.mark.usefixtures("go")
def test_a_go_on_the_path_is_taken_where_new_enough() -> None:
    assert toolchain.installed((1, 99)) is not None
    assert toolchain.installed((1, 99, 1)) is None


def test_without_go_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert toolchain.installed((1, 0)) is None


@pytest.mark.parametrize(
    ("text", "version"),
    [("go1.26.8\n", (1, 26, 8)), ("go version go1.27 linux/amd64", (1, 27)), ("devel +abc", None)],
)
def test_go_s_version_is_read(text: str, version: tuple[int, ...] | None) -> None:
    assert toolchain.parse_version(text) == version


def test_kubebuilder_assets_are_honoured_for_those_binaries_that_are_there(tmp_path: Path) -> None:
    (tmp_path / "etcd").touch(mode=0o755)
    found = from_assets(frozenset({"etcd", "kubectl"}), {"KUBEBUILDER_ASSETS": str(tmp_path)})
    assert found == {"etcd": tmp_path / "etcd"}
    assert from_assets(frozenset({"etcd"}), {}) == {}


def test_kubebuilder_assets_that_name_no_directory_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(MissingBinaries, match="which is no directory"):
        from_assets(frozenset({"etcd"}), {"KUBEBUILDER_ASSETS": str(tmp_path / "absent")})


def test_a_second_builder_waits_for_the_first(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from controlplane.cache import builder_lock\n"
        "with builder_lock(Path(sys.argv[1]), waiting=lambda: print('waiting', flush=True)): print('mine', flush=True)"
    )
    with cache.builder_lock(tmp_path):
        root = Path(building.__file__).resolve().parents[1]
        import sys

        other = subprocess.Popen(
            [sys.executable, "-c", program, str(tmp_path)], cwd=root, stdout=subprocess.PIPE, text=True
        )
        assert other.stdout is not None
        assert other.stdout.readline() == "waiting\n"
    assert other.stdout.readline() == "mine\n"
    other.wait(10)
    other.stdout.close()


def test_a_read_only_tree_is_removed(tmp_path: Path) -> None:
    inner = tmp_path / "mod" / "pkg"
    inner.mkdir(parents=True)
    (inner / "file").touch(mode=0o444)
    inner.chmod(0o555)
    cache.remove_tree(tmp_path / "mod")
    assert not (tmp_path / "mod").exists()


def test_a_relative_cache_home_is_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert cache.root() == Path.home() / ".cache" / "llmjob" / "controlplane"
    monkeypatch.setenv("XDG_CACHE_HOME", "/absolute")
    assert cache.root() == Path("/absolute/llmjob/controlplane")
