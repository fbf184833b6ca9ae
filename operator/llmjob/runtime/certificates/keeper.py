"""The controller's care for the webhook's certificate: one Secret, and the CAs in both webhook configurations.

Level-triggered: each look reads all three and writes only what differs, so any number of controllers, deletions and
helm upgrades between two looks end in the same state. No request is lost on the way, for an authority is trusted
everywhere before anything it signed is served, and until the last of that has expired.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from cryptography import x509

from llmjob.names import WEBHOOK_CONFIGURATION
from llmjob.runtime.certificates import configurations as webhook_configurations
from llmjob.runtime.certificates import secret as certificate_secret
from llmjob.runtime.certificates.authority import pem_of
from llmjob.runtime.certificates.configurations import COLLECTIONS, PATHS, Endpoint
from llmjob.runtime.certificates.plan import Plan, Trust, Word, due
from llmjob.runtime.certificates.secret import Held
from llmjob.runtime.cluster import Cluster, ClusterError, Object
from llmjob.runtime.events import Events, Subject
from llmjob.runtime.metrics import Rotations
from llmjob.runtime.paths import secret_path, secrets_path

_log: Final = logging.getLogger(__name__)
_PERIOD: Final = timedelta(minutes=1)
_RETRY: Final = 1.0
# Changes that come together are looked at together.
_SETTLE: Final = 0.1
# From the write of a caBundle until every API server trusts it: they learn of it by watches of their own.
_SPREADING: Final = timedelta(seconds=5)
# Somebody else wrote or deleted in between.
_CONFLICTS: Final = frozenset({404, 409})
_NEVER: Final = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """Which certificate is wanted: in which Secret (namespace, name), for whom, how long it is valid."""

    secret: tuple[str, str]
    endpoint: Endpoint
    validity: timedelta


class Certificates:
    """Keeps an order fulfilled; `expiry` is that of the Secret's pair, in seconds since the epoch."""

    def __init__(
        self, order: Order, cluster: Cluster, rotations: Rotations, now: Callable[[], datetime] | None = None
    ) -> None:
        self._order, self._cluster, self._rotations = order, cluster, rotations
        # A clock of ours that goes wrong must take no trust away.
        self._now = now or cluster.now
        self._events = Events(cluster)
        self._wake = asyncio.Event()
        # Which authority all entries are seen to trust, and since when.
        self._trusted: tuple[x509.Certificate, datetime] | None = None
        # The Secret as it was read last.
        self._was: Object | None = None
        self._others: list[str] = []
        self._failure = ""
        self.expiry: float | None = None

    async def run(self) -> None:
        """Work until cancelled."""
        namespace, name = self._order.secret
        async with asyncio.TaskGroup() as group:
            group.create_task(self._watch(secrets_path(namespace), name))
            for collection in COLLECTIONS:
                group.create_task(self._watch(collection, WEBHOOK_CONFIGURATION))
            group.create_task(self._keep_looking())

    async def _watch(self, collection: str, name: str) -> None:
        while True:
            # What is wrong is told by the looks, which ask the same API server.
            with suppress(ClusterError):
                async for _ in self._cluster.watch_one(collection, name):
                    self._wake.set()
            await asyncio.sleep(_RETRY)

    async def _keep_looking(self) -> None:
        while True:
            self._wake.clear()
            wait = await self.look_and_tell()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), wait)
            await asyncio.sleep(_SETTLE)

    async def look_and_tell(self) -> float:
        """Look once; a failure is logged, and told by an event where the API server refuses. Seconds until the next."""
        try:
            wait = await self.look()
        except ClusterError as error:
            if str(error) != self._failure:
                self._failure = str(error)
                _log.warning("certificate not seen to, will be repeated: %s", error)
                if error.status is not None and error.status not in _CONFLICTS:
                    await self._tell(Word("CertificateNotWritten", str(error), warning=True), None)
            return _RETRY
        self._failure = ""
        return wait.total_seconds()

    async def look(self) -> timedelta:
        """Read all, write what differs; how long until there is something to do again.

        Raises:
            ClusterError: where the API server gives no answer, refuses, or somebody else wrote in between.
        """
        order = self._order
        secret = await self._cluster.get(secret_path(*order.secret))
        self._was = secret or self._was
        configurations = [await self._cluster.get(path) for path in PATHS]
        await self._tell_of_others(configurations)
        now = self._now()  # the API server's, so after its answers
        bundles = [found for item in configurations for found in webhook_configurations.bundles(item, order.endpoint)]

        held = Held.read(secret, order.endpoint.names, now)
        self.expiry = held.pair.certificate.not_valid_after_utc.timestamp() if held.pair else None
        if secret is None and not bundles:
            # Nobody asks for us. While the release is uninstalled its configurations go first: what goes after them is
            # not made anew.
            return _PERIOD
        trust = Trust.of(held, bundles, order.validity, now)
        usable = self._usable(trust, now)
        plan = Plan.make(held, trust, order.endpoint.names, order.validity, usable=now >= usable, now=now)
        ours = (found for found in configurations if webhook_configurations.bundles(found, order.endpoint))
        if await self._write(secret, plan, next(ours, None)):
            return timedelta()
        if await self._write_bundles(configurations, pem_of(trust.certificates)):
            return timedelta()
        for path, configuration in zip(PATHS, configurations, strict=True):
            if disowned := webhook_configurations.disown(configuration):
                await self._cluster.patch(path, disowned)
        return max(timedelta(), min(_PERIOD, max(usable, due(held, trust, order.validity, now)) - now))

    def _usable(self, trust: Trust, now: datetime) -> datetime:
        """When its certificates may be served: after all had time to learn of it, where others are in use."""
        certificate = trust.authority.certificate
        if not trust.spread:
            self._trusted = None
        elif self._trusted is None or self._trusted[0] != certificate:
            self._trusted = (certificate, now)
        if trust.alone:
            return now
        return self._trusted[1] + _SPREADING if self._trusted else _NEVER

    async def _write(self, secret: Object | None, plan: Plan, beside: Object | None) -> bool:
        """Whether the Secret had to be written; entries that are not ours are left alone."""
        if secret is not None and plan.data.items() <= (secret.get("data") or {}).items():
            return False
        namespace, name = self._order.secret
        if secret is None:
            new = certificate_secret.made_anew(name, self._was, beside, plan.data)
            stored = await self._cluster.create(secrets_path(namespace), new)
        else:
            version = secret["metadata"]["resourceVersion"]
            patch = {"metadata": {"resourceVersion": version}, "data": plan.data}
            stored = await self._cluster.merge(secret_path(namespace, name), patch)
        if plan.pair:
            self._rotations.count()
        for word in plan.words():
            await self._tell(word, stored)
        return True

    async def _write_bundles(self, configurations: Sequence[Object | None], bundle: bytes) -> bool:
        """Whether a configuration had to be written."""
        written = False
        for path, configuration in zip(PATHS, configurations, strict=True):
            operations = webhook_configurations.patch(configuration, self._order.endpoint, bundle)
            if operations:
                await self._cluster.patch(path, operations)
                _log.info("%s: %d caBundles written", path, len(operations) - 1)
                written = True
        return written

    async def _tell_of_others(self, configurations: Sequence[Object | None]) -> None:
        """Once for each change: entries that lead elsewhere are another release's, and left alone."""
        endpoint = self._order.endpoint
        found = sorted({other for item in configurations for other in webhook_configurations.others(item, endpoint)})
        if found and found != self._others:
            message = (
                f"the webhook configurations {WEBHOOK_CONFIGURATION} lead to {', '.join(found)}, this release serves "
                f"{endpoint}: there can be one llmjob in a cluster; entries of the other are left alone"
            )
            await self._tell(Word("AnotherRelease", message, warning=True), None)
        self._others = found

    async def _tell(self, word: Word, secret: Object | None) -> None:
        """Logged, and an event about the Secret; one that cannot be posted is only logged."""
        namespace, name = self._order.secret
        _log.log(logging.WARNING if word.warning else logging.INFO, "%s: %s", word.reason, word.message)
        uid = ((secret or {}).get("metadata") or {}).get("uid")
        about = Subject(api_version="v1", kind="Secret", namespace=namespace, name=name, uid=uid)
        await self._events.post(about, word.reason, word.message, warning=word.warning)
