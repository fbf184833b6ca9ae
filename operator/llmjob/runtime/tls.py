"""The webhook's certificate: reloaded on the live TLS context, no connection is cut; a bad pair changes nothing."""

import asyncio
import logging
import ssl
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

_log: Final = logging.getLogger(__name__)
_POLL: Final = 1.0


class Certificate:
    """A certificate and key on disk, mounted and renewed by others."""

    def __init__(self, cert: str, key: str) -> None:
        self.path = cert
        self._key = key
        self._seen: tuple[float, ...] | None = None
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        self.loaded = False
        self._missed = False
        self.expiry: float | None = None

    def refresh(self) -> bool:
        """Load the pair if its files changed; whether a new pair is in use. A pair that does not match is refused."""
        stamp = self._stamp()
        if stamp is None and not self._missed:
            _log.warning("no certificate at %s and %s, %s", self.path, self._key, self._kept())
        self._missed = stamp is None
        if stamp is None or stamp == self._seen:
            return False
        self._seen = stamp
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(self.path, self._key)
            self.context.load_cert_chain(self.path, self._key)
        except (ssl.SSLError, OSError) as error:
            _log.warning("certificate %s not loaded, %s: %s", self.path, self._kept(), error)
            return False
        self.loaded = True
        self.expiry = _expiry(self.path)
        _log.info("certificate %s loaded", self.path)
        return True

    async def watch(self, interval: float = _POLL) -> None:
        """Look at the files again and again."""
        while True:
            self.refresh()
            await asyncio.sleep(interval)

    def _kept(self) -> str:
        return "the old pair stays" if self.loaded else "not ready without one"

    def _stamp(self) -> tuple[float, ...] | None:
        """Times, sizes and inodes of both files; mounts are replaced by switching a link, so the target counts."""
        try:
            found = [Path(path).stat() for path in (self.path, self._key)]
        except OSError:
            return None
        return tuple(part for stat in found for part in (stat.st_mtime_ns, stat.st_size, stat.st_ino))


def _expiry(cert: str) -> float | None:
    """When the first certificate of a PEM file expires, in seconds since the epoch; None where that cannot be read.

    The standard library has no public reader of a certificate that was not a peer's, and a dependency for one date of
    one metric is not worth it. Should this reader vanish, so does the metric.
    """
    try:
        decoded = ssl._ssl._test_decode_cert(cert)  # type: ignore[attr-defined] # noqa: SLF001
        moment = datetime.strptime(decoded["notAfter"], "%b %d %H:%M:%S %Y %Z").replace(tzinfo=UTC)
    except (AttributeError, KeyError, ValueError, OSError):
        return None
    return moment.timestamp()
