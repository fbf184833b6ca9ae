"""`python -m controlplane build|up|demo`: the real control plane's binaries, one to play with, the demonstration."""

import argparse
import importlib
import sys
from pathlib import Path

from controlplane import binaries, debian, monitoring, up
from controlplane.binaries import MissingBinaries
from controlplane.build import BuildFailed
from controlplane.cache import NotEnoughDisk
from controlplane.guest import NotWelcome
from controlplane.process import ProcessFailed
from controlplane.sandbox import CannotSandbox
from controlplane.start import CommandFailed
from controlplane.toolchain import NoToolchain
from controlplane.tools import PROMETHEUS, UnknownKubernetes, chosen


def parser() -> argparse.ArgumentParser:
    result = argparse.ArgumentParser(prog="python -m controlplane", description=__doc__)
    commands = result.add_subparsers(dest="command", required=True)
    build = commands.add_parser("build", help="build the binaries that the user's cache lacks")
    build.add_argument("--quiet", action="store_true", help="no progress lines")
    start = commands.add_parser("up", help="start a control plane and keep it until Ctrl-C")
    start.add_argument("--quiet", action="store_true", help="no progress lines")
    start.add_argument("--fleet", action="store_true", help="add simulated T4, L4, A100 and H100 nodes")
    demo = commands.add_parser("demo", help="the whole way of a job on a simulated cluster")
    demo.add_argument("--kubeconfig", type=Path, help="run on the cluster that is there; its API server must reach us")
    demo.add_argument("--yes", action="store_true", help="also where that cluster has real nodes")
    demo.add_argument("--once", action="store_true", help="exit when all was shown, 0 where all was so")
    return result


def fetch_older_prometheus(*, quiet: bool) -> None:
    """Fetch Debian's Prometheus for a second run of what needs one; without it there is none, and that is said."""
    try:
        monitoring.fetch_older()
    except debian.Unavailable as error:
        if not quiet:
            print(f"monitoring is tested with Prometheus 3 only: {error}", file=sys.stderr)


def main(arguments: list[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    try:
        if options.command == "build":
            # Prometheus last: nothing else needs it, and an interrupted build leaves a control plane that starts.
            binaries.ensure((*chosen(), PROMETHEUS), quiet=options.quiet)
            fetch_older_prometheus(quiet=options.quiet)
            return 0
        if options.command == "up":
            return up.main(fleet=options.fleet, quiet=options.quiet)
        # Only here: the other commands must work whatever the demonstration needs.
        demo = importlib.import_module("controlplane.demo")
        return int(demo.main(once=options.once, kubeconfig=options.kubeconfig, real_nodes=options.yes))
    except (
        CommandFailed,
        NotWelcome,
        BuildFailed,
        CannotSandbox,
        MissingBinaries,
        NoToolchain,
        NotEnoughDisk,
        ProcessFailed,
        UnknownKubernetes,
    ) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
