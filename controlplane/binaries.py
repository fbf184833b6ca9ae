"""Where each binary is: KUBEBUILDER_ASSETS where it has it, else the cache."""

import os
from collections.abc import Mapping
from pathlib import Path

from controlplane import cache
from controlplane.build import build, built
from controlplane.tools import Tool, chosen


class MissingBinaries(Exception):
    """A binary is neither in KUBEBUILDER_ASSETS nor built."""


def from_assets(names: frozenset[str], environment: Mapping[str, str] = os.environ) -> dict[str, Path]:
    """Those of `names` that the directory in KUBEBUILDER_ASSETS holds; empty where the variable is unset."""
    assets = environment.get("KUBEBUILDER_ASSETS", "")
    if not assets:
        return {}
    directory = Path(assets)
    if not directory.is_dir():
        raise MissingBinaries(f"KUBEBUILDER_ASSETS is {assets!r}, which is no directory: unset it or correct it")
    return {name: directory / name for name in names if os.access(directory / name, os.X_OK)}


def ensure(tools: tuple[Tool, ...] | None = None, *, quiet: bool = False) -> dict[str, Path]:
    """Every binary's path, built first where missing; of the `chosen` tools where none are given."""
    tools = chosen() if tools is None else tools
    provided = from_assets(frozenset(name for tool in tools for name in tool.packages))
    build(tools, provided=frozenset(provided), quiet=quiet)
    found = {name: path for tool in tools for name, path in built(tool, cache.root()).items()}
    return {**found, **provided}
