"""A process's life: until a signal or a failed loop, and how it ends. Exit codes: 0 after a stop, 64 usage, 69 no
cluster or no socket; whatever else ends it is a bug of ours, and 70.
"""

import asyncio
import logging
import signal
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

import aiohttp

from llmjob.runtime.access import Access, NoCluster, find_access
from llmjob.runtime.cluster import ClusterError
from llmjob.runtime.feed import NotInstalled
from llmjob.runtime.log_lines import set_log_lines
from llmjob.runtime.server import CannotListen
from llmjob.runtime.settings import SettingsError

_EX_USAGE: Final = 64
_EX_UNAVAILABLE: Final = 69
_log: Final = logging.getLogger("llmjob")


class Stop(asyncio.Event):
    """Set when the process shall end; `failed` when that is because a loop of it did."""

    failed = False


class LoopFailed(Exception):
    """A loop of the process failed: our bug."""


def run_until_stopped(
    process: Callable[[Access, Stop], Awaitable[None]], kubeconfig: str | None, log_format: str
) -> None:
    """Run a process on the cluster that is found until it ends or is stopped.

    Raises:
        SystemExit: 64 or 69, the reason logged, where the administrator must act.
        LoopFailed: when a loop of it failed.
    """
    set_log_lines(log_format)
    try:
        access = find_access(kubeconfig)
    except NoCluster as error:
        _stop(str(error), _EX_UNAVAILABLE)

    async def main() -> None:
        stop = Stop()
        working = asyncio.ensure_future(process(access, stop))
        stop_on_signals(stop)
        stopping = asyncio.ensure_future(stop.wait())
        await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not working.done():
            working.cancel()
        with suppress(asyncio.CancelledError):
            await working
        if stop.failed:
            raise LoopFailed

    try:
        asyncio.run(main())
    except SettingsError as error:
        _stop(f"settings: {error}", _EX_USAGE)
    except (ClusterError, NotInstalled, CannotListen) as error:
        _stop(str(error), _EX_UNAVAILABLE)
    except aiohttp.ClientError as error:
        _stop(f"the API server is lost: {error}", _EX_UNAVAILABLE)


def stop_on_signals(stop: Stop) -> None:
    """Let SIGTERM and SIGINT set it, in place of whatever handles them now."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)


def _stop(message: str, code: int) -> None:
    _log.critical("%s", message)
    sys.exit(code)
