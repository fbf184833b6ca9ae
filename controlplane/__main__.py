"""`python -m controlplane build|up|demo`."""

import argparse
import sys

from controlplane.cache import NotEnoughDisk


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m controlplane", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    build = commands.add_parser("build", help="build the binaries into the cache")
    build.add_argument("--quiet", action="store_true", help="no progress lines")
    options = parser.parse_args(arguments)
    from controlplane import binaries
    binaries.ensure(quiet=options.quiet)
    return 0


if __name__ == "__main__":
    sys.exit(main())
