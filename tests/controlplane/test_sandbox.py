from pathlib import Path

import pytest

from controlplane.sandbox import Mount, Sandbox, Way


def test_what_lies_below_another_mount_is_mounted_after_it() -> None:
    """A checkout below /tmp is bound into it, not hidden by the container's own /tmp."""
    sandbox = Sandbox(bwrap=Path("/usr/bin/bwrap"), way=Way.NAMESPACE)
    mounts = (Mount(target="/tmp/clone/.venv", source=Path("/tmp/clone/.venv")), Mount(target="/tmp"))
    flags = sandbox.command(["true"], user=1, group=1, hostname="here", mounts=mounts)
    assert flags.index("--tmpfs") < flags.index("/tmp/clone/.venv")


@pytest.mark.parametrize(("groups", "flags"), [((), ["--clear-groups"]), ((7, 8), ["--groups", "7,8"])])
def test_another_user_has_the_groups_that_it_is_given_and_no_others(groups: tuple[int, ...], flags: list[str]) -> None:
    sandbox = Sandbox(bwrap=Path("/usr/bin/bwrap"), way=Way.USER)
    command = sandbox.command(["true"], user=1, group=1, groups=groups, hostname="here", mounts=())
    after = command.index("--regid") + 2
    assert command[after : after + len(flags)] == flags
    assert command[after + len(flags)] == "--bounding-set=-all"
