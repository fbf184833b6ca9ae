"""Published-like configs for measured rows.

Most config files beside the rows are hand-entered: text towers with private keys that start with an underscore. Here,
and only here, they are turned into what the model's publisher ships: private keys go (the model type implies them), and
a multimodal model gets its encoder back and left-out lengths (published.toml, each with its source).
"""

import json
import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from llmjob.estimator.architecture import Architecture, ConfigError, read_architecture

DATA = Path(__file__).parent / "data"


@cache
def architecture_of(model_id: str) -> Architecture | str | None:
    """The architecture of a model by id; None without a config file, a sentence where it cannot be read."""
    config = config_of(model_id)
    if config is None:
        return None
    try:
        return read_architecture(config)
    except ConfigError as error:
        return str(error)


def config_of(model_id: str) -> dict[str, Any] | None:
    """The config as its publisher has it; None where no file is there."""
    path = DATA / "configs" / (model_id.replace("/", "__") + ".json")
    if not path.exists():
        return None
    config = {key: value for key, value in json.loads(path.read_text()).items() if not key.startswith("_")}
    config |= _published("fact").get(model_id, {})
    tower = _published("tower").get(model_id)
    return _with_tower(config, tower) if tower and "vision_config" not in config else config


def _with_tower(config: dict[str, Any], tower: Mapping[str, Any]) -> dict[str, Any]:
    text = config.get("text_config") or {key: value for key, value in config.items() if key not in _OUTER}
    outer = {key: value for key, value in config.items() if key in _OUTER and key != "model_type"}
    return {**outer, **tower, "text_config": text}


_OUTER = frozenset({"architectures", "quantization_config", "torch_dtype", "tie_word_embeddings"})


@cache
def _published(kind: str) -> dict[str, dict[str, Any]]:
    """By model id, what published.toml lays over or around a config."""
    raw = tomllib.loads((DATA / "published.toml").read_text())
    return {model: entry["config"] for entry in raw[kind] for model in entry["models"]}
