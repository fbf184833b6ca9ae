"""What may stand in a field of the settings; each refuses by ValueError, which names the fix."""

import re
from typing import Annotated, Final
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator

from llmjob.durations import seconds

_LONGEST: Final = 24 * 3600.0
_LONGEST_QUERIED: Final = 10 * 60.0
_HEADER: Final = re.compile(r"[A-Za-z0-9-]{1,64}:[ \t]*[!-~](?:[ -~]{0,254}[!-~])?")


def _bounded(value: float) -> float:
    if not 0 < value <= _LONGEST:
        raise ValueError("must be longer than nothing and at most 24h")
    return value


def _an_interval(value: float) -> float:
    """A slip such as 5ms for 5m would keep the API server busy with nothing else."""
    if value < 1:
        raise ValueError("must be at least 1s")
    return value


def often(value: float) -> float:
    """A query reads all samples of two intervals."""
    if value > _LONGEST_QUERIED:
        raise ValueError("must be at most 10m")
    return value


def an_address(value: str) -> str:
    """An address without credentials; an empty one is none."""
    if not value:
        return value
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("is no address; write it like http://prometheus.monitoring:9090")
    if parts.username is not None or parts.query or parts.fragment:
        raise ValueError("must be scheme, host, port and path only; a token belongs into bearerTokenFile")
    return value


def a_header(value: str) -> str:
    """A header's name and value; an empty one is none."""
    if value and not _HEADER.fullmatch(value):
        raise ValueError("is no header; write it like X-Scope-OrgID: platform")
    return value


def a_word(value: object) -> object:
    """YAML reads a bare off as false."""
    if isinstance(value, bool):
        raise ValueError(f"is {str(value).lower()} to YAML; put the word in quotes")  # noqa: TRY004, pydantic reports ValueError
    return value


Duration = Annotated[float, BeforeValidator(seconds), AfterValidator(_bounded)]
Interval = Annotated[Duration, AfterValidator(_an_interval)]
