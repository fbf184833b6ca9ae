"""Where settings stand: a file, or a ConfigMap's key."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from llmjob.runtime.paths import LONGEST_SUBDOMAIN, is_name
from llmjob.runtime.settings.document import Settings, SettingsError

CONFIG_MAP_PREFIX: Final = "configmap:"
_KEY: Final = "settings.yaml"


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
