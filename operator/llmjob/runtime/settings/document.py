"""The operator's settings: one YAML document, from a file or a ConfigMap, checked as a whole."""

from collections.abc import Mapping
from dataclasses import replace
from difflib import get_close_matches
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from llmjob.api.reader import BadInput, read_yaml
from llmjob.decision.policy import Policy
from llmjob.fleet.declared import read_pools
from llmjob.fleet.fleet import Fleet, Pool
from llmjob.names import Level
from llmjob.runtime.settings.fields import Duration, Interval, a_header, a_word, an_address, often


class SettingsError(ValueError):
    """Settings that cannot be read; the message names the key and the fix.

    `disabled`: whatever else is wrong, they say `enabled: false`.
    """

    def __init__(self, message: str, *, disabled: bool = False) -> None:
        super().__init__(message)
        self.disabled = disabled


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

    url: Annotated[str, AfterValidator(an_address)] = ""
    ca_file: str = ""
    bearer_token_file: str = ""
    tenant_header: Annotated[str, AfterValidator(a_header)] = ""
    interval: Annotated[Interval, AfterValidator(often)] = 60.0
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
    default_enforcement: Annotated[Literal["audit", "warn", "enforce", "strict", "off"], BeforeValidator(a_word)] = (
        "warn"
    )
    steering: Annotated[Literal["exclude", "off"], BeforeValidator(a_word)] = "exclude"
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
        disabled = content.get("enabled") is False
        try:
            settings = cls.model_validate(_tuples(content))
            _ = settings.inventory.declared
        except ValidationError as error:
            said = "; ".join(_said(found) for found in error.errors(include_url=False))
            raise SettingsError(said, disabled=disabled) from error
        except ValueError as error:
            raise SettingsError(str(error), disabled=disabled) from error
        return settings


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
