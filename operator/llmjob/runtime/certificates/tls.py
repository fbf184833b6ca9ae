"""The webhook's certificate: each new connection has the newest, no connection is cut; a bad pair changes nothing."""

import asyncio
import logging
import ssl
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

_log: Final = logging.getLogger(__name__)
_POLL: Final = 1.0
_VERSIONS: Final = ("1", "2", "3")


class Certificate:
    """A certificate and key on disk, mounted and renewed by others.

    `expiry` is that of the pair in use, in seconds since the epoch; `reloaded` says whether what lies on disk now is
    in use.
    """

    def __init__(self, cert: str, key: str) -> None:
        self.path = cert
        self._key = key
        self._seen: tuple[float, ...] | None = None
        self.context = _server()
        # One context keeps a certificate for each kind of key, and would go on serving an old one of another kind.
        self.context.sni_callback = self._choose
        self._serving: ssl.SSLContext | None = None
        self.loaded = self.reloaded = False
        self.expiry: float | None = None
        self._said: str | None = None

    def refresh(self) -> bool:
        """Load the pair if its files changed; whether a new pair is in use.

        A pair that does not match, is expired or not valid yet is refused, and looked at again: it may become valid.
        """
        try:
            stamp = self._stamp()
        except OSError as error:
            self._refuse(f"no certificate at {self.path} and {self._key} ({error.strerror})")
            return False
        if stamp == self._seen:
            self.reloaded = True
            return False
        try:
            # A mount is replaced as a whole: where it points now, certificate and key belong together.
            cert, key = Path(self.path).resolve(), Path(self._key).resolve()
            self._serving, expiry = _proven(cert, key)
        except (ssl.SSLError, OSError) as error:
            reason = getattr(error, "verify_message", None) or error
            self._refuse(f"certificate {self.path} not loaded ({reason})")
            return False
        self._seen, self._said = stamp, None
        self.loaded = self.reloaded = True
        self.expiry = expiry
        _log.info("certificate %s loaded, valid until %s", self.path, datetime.fromtimestamp(expiry, UTC).isoformat())
        return True

    async def watch(self, interval: float = _POLL) -> None:
        """Look at the files again and again."""
        while True:
            self.refresh()
            await asyncio.sleep(interval)

    def _choose(self, connection: ssl.SSLObject, _host: str | None, _context: ssl.SSLContext) -> None:
        """Called for each handshake, one without a host name too; without a pair it fails."""
        if self._serving is not None:
            connection.context = self._serving

    def _refuse(self, why: str) -> None:
        """Said once for each reason, not each second."""
        self.reloaded = False
        if why != self._said:
            _log.warning("%s: %s", why, "the old pair stays" if self.loaded else "not ready without one")
        self._said = why

    def _stamp(self) -> tuple[float, ...]:
        """Times, sizes and inodes of both files; mounts are replaced by switching a link, so the target counts."""
        found = [Path(path).stat() for path in (self.path, self._key)]
        return tuple(part for stat in found for part in (stat.st_mtime_ns, stat.st_size, stat.st_ino))


def _server() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _proven(cert: Path, key: Path) -> tuple[ssl.SSLContext, float]:
    """A context that serves the pair, and when it expires in seconds since the epoch, after a handshake in memory with
    a client that trusts just this certificate: the standard library's public way to have key, dates and use checked.

    Raises:
        ssl.SSLError: where a client would refuse it whatever CA it trusts.
    """
    serving = _server()
    serving.load_cert_chain(cert, key)
    trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trusting.check_hostname = False
    trusting.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    trusting.load_verify_locations(cert)
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = trusting.wrap_bio(to_client, to_server)
    server = serving.wrap_bio(to_server, to_client, server_side=True)
    for side in (client, server, client):
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue
    found = client.getpeercert() or {}
    # OpenSSL takes any version and a common name for a host's; the API server, in Go, neither.
    if str(found.get("version")) not in _VERSIONS:
        raise ssl.SSLError(f"X.509 version {found.get('version')}; there are 1 to 3")
    if not found.get("subjectAltName"):
        raise ssl.SSLError("no subjectAltName, by which the API server knows a host")
    return serving, float(ssl.cert_time_to_seconds(str(found["notAfter"])))
