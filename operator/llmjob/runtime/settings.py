"""The operator's settings: one YAML document, from a file or a ConfigMap, checked as a whole."""

import re
from collections.abc import Mapping
from dataclasses import replace
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from llmjob.api.reader import BadInput, read_yaml
from llmjob.decision.policy import Policy
from llmjob.fleet.declared import read_pools
from llmjob.fleet.fleet import Fleet, Pool
from llmjob.names import Level
from llmjob.runtime.paths import LONGEST_SUBDOMAIN, is_name

CONFIG_MAP_PREFIX: Final = "configmap:"
_KEY: Final = "settings.yaml"
_DURATION: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h)")
_SECONDS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_LONGEST: Final = 24 * _SECONDS["h"]
_LONGEST_QUERIED: Final = 10 * _SECONDS["m"]
_HEADER: Final = re.compile(r"[A-Za-z0-9-]{1,64}:[ \t]*[!-~](?:[ -~]{0,254}[!-~])?")


class SettingsError(ValueError):
    """Settings that cannot be read; the message names the key and the fix."""


def seconds(value: object) -> float:
    """A duration as Go writes it ("5m", "1m30s", "500ms") in seconds; a bare number is refused as ambiguous."""
    if not isinstance(value, str):
        raise ValueError("is no duration; write it like 30s, 5m or 1h")  # noqa: TRY004, pydantic reports ValueError
    parts = _DURATION.findall(value)
    if not parts or "".join(number + unit for number, unit in parts) != value:
        raise ValueError(f"{value!r} is no duration; write it like 30s, 5m or 1h")
    return sum(float(number) * _SECONDS[unit] for number, unit in parts)


def _bounded(value: float) -> float:
    if not 0 < value <= _LONGEST:
        raise ValueError("must be longer than nothing and at most 24h")
    return value


def _an_interval(value: float) -> float:
    """A slip such as 5ms for 5m would keep the API server busy with nothing else."""
    if value < 1:
        raise ValueError("must be at least 1s")
    return value


def _often(value: float) -> float:
    """A query reads all samples of two intervals."""
    if value > _LONGEST_QUERIED:
        raise ValueError("must be at most 10m")
    return value


def _an_address(value: str) -> str:
    if not value:
        return value
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("is no address; write it like http://prometheus.monitoring:9090")
    if parts.username is not None or parts.query or parts.fragment:
        raise ValueError("must be scheme, host, port and path only; a token belongs into bearerTokenFile")
    return value


def _a_header(value: str) -> str:
    if value and not _HEADER.fullmatch(value):
        raise ValueError("is no header; write it like X-Scope-OrgID: platform")
    return value


def _a_word(value: object) -> object:
    """YAML reads a bare off as false."""
    if isinstance(value, bool):
        raise ValueError(f"is {str(value).lower()} to YAML; put the word in quotes")  # noqa: TRY004, as above
    return value


Duration = Annotated[float, BeforeValidator(seconds), AfterValidator(_bounded)]
Interval = Annotated[Duration, AfterValidator(_an_interval)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, alias_generator=to_camel, validate_by_name=True)


class Views(_Section):
    """How fresh the views are kept, in seconds: a LIST each `list_interval`, denials only up to `max_age`."""

    list_interval: Interval = 300.0
    max_age: Duration = 600.0


class PrometheusSettings(_Section):
    """Where actual use is asked for, and how often it is written (seconds); without a URL nobody is asked.

    `tenant_header` is "NAME: VALUE", as Mimir and Cortex want it.
    """

    url: Annotated[str, AfterValidator(_an_address)] = ""
    ca_file: str = ""
    bearer_token_file: str = ""
    tenant_header: Annotated[str, AfterValidator(_a_header)] = ""
    interval: Annotated[Interval, AfterValidator(_often)] = 60.0
    status_change_percent: Annotated[int, Field(ge=1, le=100)] = 2
    status_interval: Interval = 600.0

    @property
    def tenant(self) -> tuple[str, str] | None:
        """The header's name and value."""
        name, _, value = self.tenant_header.partition(":")
        return (name.strip(), value.strip()) if name else None


class Inventory(_Section):
    """The administrator's word on the fleet: whether the nodes are all there are, and pools not seen yet."""

    complete: bool = False
    pools: tuple[dict[str, Any], ...] = ()

    @cached_property
    def declared(self) -> tuple[Pool, ...]:
        """The declared pools as the fleet has them."""
        return read_pools(list(self.pools))


class Settings(_Section):
    """Everything an administrator may set; defaults are the contract's."""

    enabled: bool = True
    default_enforcement: Annotated[Literal["audit", "warn", "enforce", "strict", "off"], BeforeValidator(_a_word)] = (
        "warn"
    )
    steering: Annotated[Literal["exclude", "off"], BeforeValidator(_a_word)] = "exclude"
    inventory: Inventory = Inventory()
    views: Views = Views()
    prometheus: PrometheusSettings = PrometheusSettings()

    @property
    def default_level(self) -> Level:
        return Level(self.default_enforcement)

    def with_pools(self, fleet: Fleet) -> Fleet:
        """The fleet and the declared pools."""
        declared = self.inventory.declared
        return replace(fleet, pools=(*fleet.pools, *declared)) if declared else fleet

    def policy(
        self,
        level: Level | None = None,
        *,
        steering: str | None = None,
        deniable: bool = True,
        stale: bool = False,
        missing: bool = False,
    ) -> Policy:
        """The policy at a level and with a namespace's word on steering; None is what these settings say.

        The one place that makes a policy of settings: status and the command line must say what admission does.
        """
        return Policy(
            level=(level or self.default_level) if self.enabled else Level.OFF,
            inventory_complete=self.inventory.complete,
            deniable=deniable,
            stale=stale,
            missing=missing,
            steering=(steering or self.steering) == "exclude",
        )

    @classmethod
    def from_text(cls, text: str) -> "Settings":
        """Read settings from YAML; an empty text is the defaults.

        Raises:
            SettingsError: naming the key.
        """
        try:
            documents = read_yaml(text)
        except BadInput as error:
            raise SettingsError(str(error)) from error
        if len(documents) > 1:
            raise SettingsError("more than one YAML document")
        content = documents[0] if documents else {}
        if not isinstance(content, Mapping):
            raise SettingsError("no mapping of settings")
        try:
            settings = cls.model_validate(_tuples(content))
            _ = settings.inventory.declared
        except ValidationError as error:
            raise SettingsError("; ".join(_said(found) for found in error.errors(include_url=False))) from error
        except ValueError as error:
            raise SettingsError(str(error)) from error
        return settings


def read_settings(path: str) -> Settings:
    """Settings from a file.

    Raises:
        SettingsError: when it cannot be read.
    """
    try:
        return Settings.from_text(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: {getattr(error, 'strerror', None) or error}") from error


def config_map_of(place: str) -> tuple[str, str] | None:
    """Namespace and name of `configmap:NAMESPACE/NAME`; None where the place is a file.

    Raises:
        SettingsError: when either is missing.
    """
    if not place.startswith(CONFIG_MAP_PREFIX):
        return None
    namespace, _, name = place.removeprefix(CONFIG_MAP_PREFIX).partition("/")
    if not (is_name(namespace) and is_name(name, LONGEST_SUBDOMAIN)):
        raise SettingsError(f"{place!r}: write it as configmap:NAMESPACE/NAME")
    return namespace, name


def text_of(config_map: Mapping[str, Any]) -> str:
    """The settings in a ConfigMap, under its key settings.yaml.

    Raises:
        SettingsError: when it has no such key.
    """
    data = config_map.get("data") or {}
    if _KEY not in data:
        held = f"; it holds {', '.join(sorted(data))}" if data else ""
        raise SettingsError(f"the ConfigMap has no key {_KEY}{held}")
    return str(data[_KEY])


def _tuples(content: Mapping[str, Any]) -> dict[str, Any]:
    """Lists as the tuples of frozen models; null is absent."""
    kept: dict[str, Any] = {}
    for key, value in content.items():
        if isinstance(value, Mapping):
            kept[key] = _tuples(value)
        elif value is not None:
            kept[key] = tuple(value) if isinstance(value, list) else value
    return kept


def _said(error: Any) -> str:  # noqa: ANN401, pydantic's ErrorDetails
    parts = [str(part) for part in error["loc"]]
    path = ".".join(parts)
    if error["type"] == "extra_forbidden":
        return f"{path} is unknown{_meant(parts)}"
    return f"{path}: {error['msg'].removeprefix('Value error, ')}"


def _meant(parts: list[str]) -> str:
    """What an unknown key may have been meant as, else what there is at its place."""
    section: Any = Settings
    for part in parts[:-1]:
        section = next(field.annotation for field in section.model_fields.values() if field.alias == part)
    known = [str(field.alias) for field in section.model_fields.values()]
    near = get_close_matches(parts[-1][:64], known, n=1)
    return f"; did you mean {near[0]}?" if near else f"; known here: {', '.join(known)}"
