"""Startup, readiness and liveness probes over HTTP, with the kubelet's thresholds."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import aiohttp

from controlplane.kubelet.api import Object
from controlplane.kubelet.downward import Unsupported

_FIRST_FAILURE: Final = 400
_IMPATIENCE_SECONDS: Final = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """One probe; times in seconds."""

    url: str
    initial_delay: float
    period: float
    timeout: float
    successes: int
    failures: int

    @classmethod
    def of(cls, container: Object, kind: str, address: str) -> "Probe | None":
        """A container's probe of that kind, over HTTP, at its pod's address; None where it has none."""
        found = container.get(kind)
        if found is None:
            return None
        get = found["httpGet"]
        scheme = str(get.get("scheme", "HTTP")).lower()
        return cls(
            url=f"{scheme}://{get.get('host', address)}:{port_number(container, get['port'])}{get.get('path', '/')}",
            initial_delay=float(found.get("initialDelaySeconds", 0)),
            period=float(found.get("periodSeconds", 10)),
            timeout=float(found.get("timeoutSeconds", 1)),
            successes=int(found.get("successThreshold", 1)),
            failures=int(found.get("failureThreshold", 3)),
        )

    async def ask(self, session: aiohttp.ClientSession) -> bool:
        """Whether it succeeds once."""
        try:
            timeout = aiohttp.ClientTimeout(total=self.timeout)
            async with session.get(self.url, timeout=timeout, ssl=False, allow_redirects=False) as answer:
                return answer.status < _FIRST_FAILURE
        except (aiohttp.ClientError, TimeoutError, OSError):
            return False

    async def follow(self, session: aiohttp.ClientSession, changed: Callable[[bool], None]) -> None:
        """Tell each change of its result, for ever: True after `successes` in a row, False after `failures` periods.

        Until it succeeds it asks more often than the kubelet, so that a start need not wait for a period's end.
        """
        await asyncio.sleep(self.initial_delay)
        result, last, row, since = None, None, 0, 0.0
        while True:
            answer = await self.ask(session)
            if answer is not last:
                last, row, since = answer, 0, time.monotonic()
            row += 1
            # The first failure is a period's, too.
            long_enough = time.monotonic() - since >= (self.failures - 1) * self.period
            if answer is not result and (row >= self.successes if answer else long_enough):
                result = answer
                changed(answer)
            await asyncio.sleep(self.period if result else min(self.period, _IMPATIENCE_SECONDS))


def port_number(container: Object, port: int | str) -> int:
    """A port by number or by its name in the container."""
    if isinstance(port, int):
        return port
    for item in container.get("ports", []):
        if item.get("name") == port:
            return int(item["containerPort"])
    raise Unsupported(f"port {port!r}: the container {container['name']} names no such port")
