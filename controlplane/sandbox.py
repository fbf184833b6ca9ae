"""The command line that runs a program as a container runtime would: another root, another user, no rights.

Two ways. As root, bubblewrap builds the root file system with root's eyes and setpriv then becomes the container's user
without capabilities: the user is a real one, so file modes count. As anybody else bubblewrap makes a user namespace in
which the caller has the container's uid.
"""

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Final

_SETPRIV: Final = "/usr/bin/setpriv"
_LINKS: Final = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")


class CannotSandbox(Exception):
    """bubblewrap does not work here; the message has what it said and what to change."""


class Way(Enum):
    """How a process becomes the container's user."""

    USER = "another user"
    NAMESPACE = "a user namespace"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    """What is seen at `target`: a file or directory of the machine, or, without a source, an empty tmpfs.

    `size` bounds a tmpfs, in bytes.
    """

    target: str
    source: Path | None = None
    writable: bool = False
    size: int | None = None

    def flags(self) -> list[str]:
        """Bubblewrap's flags; it makes missing parents for its own user only, so they are made here, for all."""
        parents = [parent for parent in reversed(Path(self.target).parents) if str(parent) != "/"]
        made = [flag for parent in parents for flag in ("--perms", "0755", "--dir", str(parent))]
        if self.source is None:
            size = ["--size", str(self.size)] if self.size else []
            return [*made, "--perms", "0777", *size, "--tmpfs", self.target]
        return [*made, "--bind" if self.writable else "--ro-bind", str(self.source), self.target]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sandbox:
    """Runs commands by bubblewrap with /usr and more of the machine read-only; everything else is absent."""

    bwrap: Path
    way: Way

    @classmethod
    def find(cls, bwrap: Path) -> "Sandbox":
        """The first way that works here.

        Raises:
            CannotSandbox: where none does.
        """
        said = []
        for way in (Way.USER, Way.NAMESPACE) if os.geteuid() == 0 else (Way.NAMESPACE,):
            sandbox = cls(bwrap=bwrap, way=way)
            command = sandbox.command(["/usr/bin/true"], user=65532, group=65532, hostname="trial", mounts=())
            done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
            if done.returncode == 0:
                return sandbox
            said.append(f"by {way.value}: {done.stderr.strip()}")
        raise CannotSandbox(
            f"bubblewrap ({bwrap}) cannot run a process without rights on a read-only root here; {'; '.join(said)}. "
            "Let users make namespaces (sysctl user.max_user_namespaces, kernel.unprivileged_userns_clone=1, "
            "kernel.apparmor_restrict_unprivileged_userns=0), or run as root with CAP_SYS_ADMIN"
        )

    def command(
        self,
        command: list[str],
        *,
        user: int,
        group: int,
        hostname: str,
        mounts: tuple[Mount, ...],
        groups: tuple[int, ...] = (),
        info: int | None = None,
    ) -> list[str]:
        """The command line; the environment is the caller's. In a user namespace there are no more `groups`.

        Bubblewrap's own process 1 stands above the command in its namespace of processes: the kernel kills that one
        with us, and with it all of the namespace. The command as process 1 would live on, for it belongs to another
        user, whom bubblewrap may not signal. Process 1's id outside is told, as JSON, on the descriptor `info`.
        """
        flags = [
            "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try",
            "--die-with-parent", "--hostname", hostname, "--ro-bind", "/usr", "/usr",
        ]  # fmt: skip
        for name in _LINKS:
            if Path("/", name).is_symlink():
                flags += ["--symlink", str(Path("/", name).readlink()), f"/{name}"]
            elif Path("/", name).is_dir():  # a distribution that has not merged /usr
                flags += ["--ro-bind", f"/{name}", f"/{name}"]
        flags += ["--proc", "/proc", "--dev", "/dev"]
        # The outer ones first: an environment may lie below /tmp, which a container has to itself.
        for mount in sorted(mounts, key=lambda mount: mount.target.count("/")):
            flags += mount.flags()
        flags += ["--remount-ro", "/dev", "--remount-ro", "/", "--chdir", "/"]
        if info is not None:
            flags += ["--info-fd", str(info)]
        if self.way is Way.NAMESPACE:
            flags += ["--unshare-user", "--uid", str(user), "--gid", str(group)]
            return [str(self.bwrap), *flags, "--", *command]
        for capability in ("CAP_SETUID", "CAP_SETGID", "CAP_SETPCAP"):
            flags += ["--cap-add", capability]
        more = ["--groups", ",".join(map(str, groups))] if groups else ["--clear-groups"]
        become = [
            _SETPRIV, "--reuid", str(user), "--regid", str(group), *more, "--bounding-set=-all", "--inh-caps=-all",
            "--no-new-privs",
        ]  # fmt: skip
        return [str(self.bwrap), *flags, "--", *become, *command]


def write_etc(directory: Path, *, hostname: str, address: str, users: Mapping[int, str]) -> tuple[Mount, ...]:
    """Write the few files of /etc that a runtime gives every container; their mounts."""
    directory.mkdir(exist_ok=True)
    files = {
        "hosts": f"127.0.0.1\tlocalhost\n{address}\t{hostname}\n",
        "hostname": f"{hostname}\n",
        "resolv.conf": "",
        "passwd": "".join(f"{name}:x:{number}:{number}::/:/usr/sbin/nologin\n" for number, name in users.items()),
        "group": "".join(f"{name}:x:{number}:\n" for number, name in users.items()),
    }
    sources = [directory / name for name in files]
    for source in sources:
        source.write_text(files[source.name], encoding="utf-8")
        source.chmod(0o644)
    libraries = Path("/etc/ld.so.cache")  # where those of /usr/local are
    if libraries.exists():
        sources.append(libraries)
    return tuple(Mount(target=f"/etc/{source.name}", source=source) for source in sources)
