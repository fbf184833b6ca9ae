"""Free loopback ports and a Service network of one's own."""

import random
import socket


def free_ports(count: int) -> tuple[int, ...]:
    """Ports that nobody listens on now; another process may take one before it is used, so callers retry."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for item in sockets:
            item.bind(("127.0.0.1", 0))
        return tuple(int(item.getsockname()[1]) for item in sockets)
    finally:
        for item in sockets:
            item.close()


def service_network() -> str:
    """A loopback network for Services, seldom another control plane's: 127.x.y.0/24."""
    pick = random.SystemRandom()
    return f"127.{pick.randrange(16, 255)}.{pick.randrange(0, 256)}.0/24"
