from pathlib import Path

from controlplane.sandbox import Mount, Sandbox, Way


def test_what_lies_below_another_mount_is_mounted_after_it() -> None:
    """A checkout below /tmp is bound into it, not hidden by the container's own /tmp."""
    sandbox = Sandbox(bwrap=Path("/usr/bin/bwrap"), way=Way.NAMESPACE)
    mounts = (Mount(target="/tmp/clone/.venv", source=Path("/tmp/clone/.venv")), Mount(target="/tmp"))
    flags = sandbox.command(["true"], user=1, group=1, hostname="here", mounts=mounts)
    assert flags.index("--tmpfs") < flags.index("/tmp/clone/.venv")
