"""A real Prometheus: written configuration, rule files, reloads, and queries for tests and the demonstration."""

import itertools
import json
import os
import sys
import time
import urllib.error
import urllib.parse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Protocol, Self

from controlplane import binaries, cache, debian
from controlplane.build import missing
from controlplane.ports import free_ports
from controlplane.process import Process, ProcessFailed, wait_until
from controlplane.promql import Prometheus, Sample, Series
from controlplane.scratch import Scratch
from controlplane.tools import PROMETHEUS, ROOT

SCRAPE_SECONDS: Final = 1
START_SECONDS: Final = 60.0
ATTEMPTS: Final = 5
_DEBIAN: Final = ("prometheus", Path("usr/bin/prometheus"))
_PORT_TAKEN: Final = "address already in use"
_COUNTER: Final = itertools.count(1)


class ConfigurationRefused(Exception):
    """Prometheus refused its targets or a rule file; the message is its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """An address to scrape, as a ServiceMonitor would make it.

    `labels` are the target's own (pod, namespace, ...). With `honor_labels` false, Prometheus' default, a scraped
    label of the same name arrives as `exported_<name>`; with it true the scraped one wins.
    """

    job: str
    url: str
    labels: Mapping[str, str] = field(default_factory=dict)
    honor_labels: bool = False


def build_ahead(log: Path) -> Process | None:
    """Build Prometheus beside what goes on, giving way to it; None where nothing is to build.

    `Monitoring.start` waits for it. Stopped, it goes on another time where it was.
    """
    provided = frozenset(binaries.from_assets(frozenset(PROMETHEUS.packages)))
    if not missing((PROMETHEUS,), cache.root(), provided):
        return None
    program = "from controlplane import binaries, tools; binaries.ensure((tools.PROMETHEUS,))"
    environment = {**os.environ, "PYTHONPATH": str(ROOT.parent)}
    return Process("the build of Prometheus", ["nice", "-n", "10", sys.executable, "-c", program], log, environment)


def fetch_older() -> Path:
    """Debian's Prometheus (2.42 in Debian 12), fetched where the cache has none. Raises debian.Unavailable."""
    return debian.program(*_DEBIAN)


def older() -> Path | None:
    """Debian's Prometheus where it was fetched."""
    return debian.cached(*_DEBIAN)


class Place(Protocol):
    """What has a directory for its time: a control plane."""

    @property
    def directory(self) -> Path: ...


class Monitoring:
    """A running Prometheus; a context manager that stops it. Make one with `start`."""

    def __init__(self, binary: Path, parent: Path, targets: Sequence[Target], rules: Sequence[Path]) -> None:
        self.directory = parent / f"prometheus-{next(_COUNTER)}"
        self.directory.mkdir()
        self._configuration = self.directory / "prometheus.yml"
        self._targets, self._rules = tuple(targets), tuple(rules)
        self._write()
        [port] = free_ports(1)
        self._prometheus = Prometheus(f"http://127.0.0.1:{port}")
        command = [
            str(binary),
            f"--config.file={self._configuration}",
            f"--storage.tsdb.path={self.directory / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
            "--web.enable-lifecycle",  # a reload over HTTP answers with what is wrong; one by SIGHUP only logs it
            "--scrape.discovery-reload-interval=100ms",  # 5 s until new targets are scraped
            "--log.level=warn",
        ]
        self.process = Process("prometheus", command, self.directory / "prometheus.log")
        try:
            wait_until(self._prometheus.ready, "a ready Prometheus", (self.process,), START_SECONDS)
        except BaseException:
            self.process.kill()
            raise

    @classmethod
    def start(
        cls,
        control_plane: Place | Scratch,
        targets: Sequence[Target] = (),
        rules: Sequence[Path] = (),
        *,
        binary: Path | None = None,
        quiet: bool = False,
    ) -> Self:
        """Build Prometheus where it is missing (or take `binary`) and start it; its data goes with `control_plane`.

        `rules` are rule files. Raises what binaries.ensure raises, and ProcessFailed, also where it refuses a rule.
        """
        found = binaries.ensure((PROMETHEUS,), quiet=quiet)["prometheus"] if binary is None else binary
        parent = control_plane.path if isinstance(control_plane, Scratch) else control_plane.directory
        for _attempt in range(ATTEMPTS - 1):
            try:
                return cls(found, parent, targets, rules)
            except ProcessFailed as error:  # somebody took the port between the choice and its use
                if _PORT_TAKEN not in str(error):
                    raise
        return cls(found, parent, targets, rules)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """Where it answers: the settings' `prometheus.url`."""
        return self._prometheus.url

    def query(self, promql: str, at: float | None = None) -> list[Sample]:
        """An instant query, at a Unix time or now. Raises QueryFailed."""
        return self._prometheus.query(promql, at)

    def query_range(self, promql: str, start: float, end: float, step: float = 1.0) -> list[Series]:
        """A range query (Unix seconds). Raises QueryFailed."""
        return self._prometheus.query_range(promql, start, end, step)

    def wait_for(self, promql: str, timeout: float = 30.0) -> list[Sample]:
        """The first answer that is not empty; raises ProcessFailed where there is none in `timeout` seconds."""
        deadline = time.monotonic() + timeout
        while not (found := self.query(promql)):
            self.process.check()
            if time.monotonic() > deadline:
                up = {sample.labels["instance"]: sample.value for sample in self.query("up")}
                raise ProcessFailed(f"no answer to {promql} within {timeout:.0f} s; up: {up}")
            time.sleep(0.1)
        return found

    def reload(self, *, targets: Sequence[Target] | None = None, rules: Sequence[Path] | None = None) -> None:
        """Replace the targets, the rule files, or read the same files anew.

        Raises:
            ConfigurationRefused: and what held before goes on.
        """
        before = self._targets, self._rules
        self._targets = self._targets if targets is None else tuple(targets)
        self._rules = self._rules if rules is None else tuple(rules)
        self._write()
        try:
            self._prometheus.request("/-/reload", b"")
        except urllib.error.HTTPError as error:
            with error:
                said = error.read().decode(errors="replace").strip()
            self._targets, self._rules = before
            raise ConfigurationRefused(f"{said}\n{self.process.tail(5)}") from None

    def stop(self) -> None:
        """End it at once; nobody reads its data after."""
        self.process.kill()

    def _write(self) -> None:
        configuration = configure(self._targets, self._rules)
        self._configuration.write_text(json.dumps(configuration, indent=1), encoding="utf-8")  # JSON is YAML


def configure(targets: Sequence[Target], rules: Sequence[Path]) -> dict[str, Any]:
    """Prometheus' configuration: one scrape configuration for each job and treatment of labels."""
    jobs: dict[tuple[str, bool], list[dict[str, Any]]] = {}
    for target in targets:
        parts = urllib.parse.urlsplit(target.url)
        path = parts.path or "/metrics"
        own = {"job": target.job, "instance": parts.netloc if path == "/metrics" else parts.netloc + path}
        place = {"__scheme__": parts.scheme, "__metrics_path__": path}
        static = {"targets": [parts.netloc], "labels": {**own, **target.labels, **place}}
        jobs.setdefault((target.job, target.honor_labels), []).append(static)
    interval = f"{SCRAPE_SECONDS}s"
    return {
        "global": {"scrape_interval": interval, "scrape_timeout": interval, "evaluation_interval": interval},
        "rule_files": [str(rule.resolve()) for rule in rules],
        "scrape_configs": [
            {"job_name": f"{job}{' (its labels win)' if honor else ''}", "honor_labels": honor, "static_configs": found}
            for (job, honor), found in jobs.items()
        ],
    }
