"""The operator's settings: the document, what may stand in it, where it stands, and following it."""

from llmjob.runtime.settings.document import PrometheusSettings, Settings, SettingsError, Views
from llmjob.runtime.settings.place import config_map_of, read_settings, text_of

__all__ = ["PrometheusSettings", "Settings", "SettingsError", "Views", "config_map_of", "read_settings", "text_of"]
