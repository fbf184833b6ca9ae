"""`python -m benchmarks.scale [--nodes N] [-o table|json]`: cold starts of a release, empty and large."""

import argparse
import json
import sys
from dataclasses import asdict

from benchmarks.scale import large_cluster
from benchmarks.scale.cold_start import ColdStart, measure
from benchmarks.scale.report import render
from controlplane.installation import Installation
from controlplane.process import ProcessFailed
from controlplane.sandbox import CannotSandbox
from controlplane.start import CommandFailed, ControlPlane

PROCESSES = ("webhook", "controller")


def main(arguments: list[str] | None = None) -> int:
    """Print the figures of one run; 1 where a process did not become ready."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__)
    parser.add_argument("--nodes", type=int, default=5000, help="how many nodes the large cluster has (5000)")
    parser.add_argument("-o", "--output", choices=["table", "json"], default="table")
    asked = parser.parse_args(arguments)
    if asked.nodes < 1:
        parser.error("--nodes must be at least 1")
    try:
        node_bytes, found = run(asked.nodes)
    except (CannotSandbox, CommandFailed, ProcessFailed) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    if asked.output == "json":
        records = {name: {"empty": asdict(empty), "large": asdict(large)} for name, (empty, large) in found.items()}
        print(json.dumps({"nodes": asked.nodes, "nodeBytes": node_bytes, "processes": records}, indent=2))
    else:
        print(render(asked.nodes, node_bytes, found))
    return 0


def run(nodes: int) -> tuple[int, dict[str, tuple[ColdStart, ColdStart]]]:
    """The bytes of a node; for each process its start in a pod of a release, without GPU nodes and with that many."""
    with ControlPlane.start() as control_plane:
        release = Installation(control_plane, {}, {"webhook": {"replicas": 1}})
        release.install()
        # Nobody sends these nodes' heartbeats, and nobody shall mark them for it while we measure.
        control_plane.controller_manager.stop()
        empty = {name: measure(release, name) for name in PROCESSES}
        node_bytes = large_cluster.add(control_plane.client, nodes)
        return node_bytes, {name: (empty[name], measure(release, name)) for name in PROCESSES}


if __name__ == "__main__":
    sys.exit(main())
