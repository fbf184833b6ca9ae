"""Counting the parameters of vision towers and their projectors from vision_config.

Sources, one function each: modeling_siglip.py with modeling_gemma3.py, modeling_pixtral.py with modeling_mistral3.py,
modeling_qwen2_vl.py, modeling_qwen2_5_vl.py, modeling_qwen3_vl.py, modeling_gemma4.py and modeling_llama4.py of
huggingface/transformers 5.24.0; class defaults from the configuration_*.py beside them.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from llmjob.estimator.block import Encoder
from llmjob.estimator.config import Config, UnsupportedError, shown

_PATH: Final = "vision_config."


def encoders(config: Config, hidden: int) -> tuple[Encoder, ...]:
    """The multimodal parts of a config; `hidden` is the language model's width.

    Raises:
        UnsupportedError: when it has a tower that no function here can count.
    """
    if config.mapping("audio_config") is not None:
        raise UnsupportedError(
            config.field("audio_config"), "audio towers are not supported; set it to null to leave it out"
        )
    stated = config.mapping("vision_config")
    if stated is None:
        return ()
    family = config.text("model_type") or ""
    kind = stated.get("model_type")
    tower = _TOWERS.get(kind) if isinstance(kind, str) else None
    tower = tower or _TOWERS.get(family)
    if tower is None:
        raise UnsupportedError(
            f"{_PATH}model_type", f"{shown(kind or family)} is not known; known are {', '.join(sorted(_TOWERS))}"
        )
    count, defaults = tower
    return (count(Config(stated, defaults=defaults, names=_NAMES, path=_PATH), config, hidden),)


def _linear(inputs: int, outputs: int, *, bias: bool = True) -> int:
    return inputs * outputs + (outputs if bias else 0)


def _siglip(vision: Config, outer: Config, hidden: int) -> Encoder:
    width, inner, layers = vision.count("hidden_size"), vision.count("intermediate_size"), _layers(vision)
    patch = vision.count("patch_size")
    patches = (vision.count("image_size") // patch) ** 2
    layer = 4 * _linear(width, width) + _linear(width, inner) + _linear(inner, width) + 4 * width
    tower = _linear(3 * patch**2, width) + patches * width + layers * layer + 2 * width
    projector = width * hidden + width
    tokens = outer.count("mm_tokens_per_image", 256)
    return Encoder(kind="siglip", hidden_size=width, layers=layers, parameters=tower + projector, tokens=tokens)


def _pixtral(vision: Config, outer: Config, hidden: int) -> Encoder:
    width, inner, layers = vision.count("hidden_size"), vision.count("intermediate_size"), _layers(vision)
    patch, merge = vision.count("patch_size"), outer.count("spatial_merge_size", 2)
    layer = 4 * width**2 + 3 * width * inner + 2 * width
    tower = 3 * patch**2 * width + width + layers * layer
    bias = outer.flag("multimodal_projector_bias")
    projector = width + merge**2 * width**2 + _linear(width, hidden, bias=bias) + _linear(hidden, hidden, bias=bias)
    tokens = (vision.count("image_size") // (patch * merge)) ** 2
    return Encoder(kind="pixtral", hidden_size=width, layers=layers, parameters=tower + projector, tokens=tokens)


def _qwen2(vision: Config, _outer: Config, _hidden: int) -> Encoder:
    width, layers = vision.count("embed_dim"), vision.count("depth")
    inner = width * vision.count("mlp_ratio")
    layer = _qwen_attention(width) + _linear(width, inner) + _linear(inner, width) + 4 * width
    merged = width * vision.count("spatial_merge_size") ** 2
    merger = 2 * width + _linear(merged, merged) + _linear(merged, vision.count("hidden_size"))
    parameters = _qwen_patches(vision, width) + layers * layer + merger
    return Encoder(kind="qwen2_vl", hidden_size=width, layers=layers, parameters=parameters)


def _qwen2_5(vision: Config, _outer: Config, _hidden: int) -> Encoder:
    width, inner, layers = vision.count("hidden_size"), vision.count("intermediate_size"), vision.count("depth")
    layer = _qwen_attention(width) + 2 * _linear(width, inner) + _linear(inner, width) + 2 * width
    merged = width * vision.count("spatial_merge_size") ** 2
    merger = width + _linear(merged, merged) + _linear(merged, vision.count("out_hidden_size"))
    parameters = _qwen_patches(vision, width) + layers * layer + merger
    return Encoder(kind="qwen2_5_vl", hidden_size=width, layers=layers, parameters=parameters)


def _qwen3(vision: Config, _outer: Config, _hidden: int) -> Encoder:
    width, inner, layers = vision.count("hidden_size"), vision.count("intermediate_size"), vision.count("depth")
    layer = _qwen_attention(width) + _linear(width, inner) + _linear(inner, width) + 4 * width
    merged = width * vision.count("spatial_merge_size") ** 2
    projection = _linear(merged, merged) + _linear(merged, vision.count("out_hidden_size"))
    deep = len(vision.sequence("deepstack_visual_indexes") or ())
    mergers = 2 * width + projection + deep * (2 * merged + projection)
    patches = _qwen_patches(vision, width) + width + vision.count("num_position_embeddings") * width
    parameters = patches + layers * layer + mergers
    return Encoder(kind="qwen3_vl", hidden_size=width, layers=layers, parameters=parameters, levels=deep)


def _qwen_attention(width: int) -> int:
    return _linear(width, 3 * width) + _linear(width, width)


def _qwen_patches(vision: Config, width: int) -> int:
    volume = vision.count("temporal_patch_size") * vision.count("patch_size") ** 2
    return vision.count("in_channels") * volume * width


def _gemma4(vision: Config, outer: Config, hidden: int) -> Encoder:
    width, inner, layers = vision.count("hidden_size"), vision.count("intermediate_size"), _layers(vision)
    head_dim = vision.count("head_dim")
    query, key = head_dim * vision.count("num_attention_heads"), head_dim * vision.count("num_key_value_heads")
    layer = 2 * width * (query + key) + 2 * head_dim + 3 * width * inner + 4 * width
    patches = 3 * vision.count("patch_size") ** 2 * width + 2 * vision.count("position_embedding_size") * width
    tokens = outer.optional_count("vision_soft_tokens_per_image")
    parameters = patches + layers * layer + width * hidden
    return Encoder(kind="gemma4", hidden_size=width, layers=layers, parameters=parameters, tokens=tokens)


def _llama4(vision: Config, _outer: Config, hidden: int) -> Encoder:
    width, inner, layers = vision.count("hidden_size"), vision.count("intermediate_size"), _layers(vision)
    patch = vision.count("patch_size")
    patches = (vision.count("image_size") // patch) ** 2
    layer = 4 * _linear(width, width) + _linear(width, inner) + _linear(inner, width) + 4 * width
    tower = 3 * patch**2 * width + width + (patches + 1) * width + 4 * width + layers * layer
    output = vision.count("projector_output_dim")
    adapter = inner * vision.count("projector_input_dim") + output**2
    projector = vision.count("vision_output_dim") * hidden
    ratio = vision.ratio("pixel_shuffle_ratio") or 1
    return Encoder(
        kind="llama4",
        hidden_size=width,
        layers=layers,
        parameters=tower + adapter + projector,
        tokens=int(patches * ratio * ratio),
    )


def _layers(vision: Config) -> int:
    return vision.count("num_hidden_layers")


_NAMES: Final[Mapping[str, tuple[str, ...]]] = {"in_channels": ("in_channels", "in_chans")}
_QWEN: Final[Mapping[str, Any]] = {
    "depth": 32,
    "in_channels": 3,
    "spatial_merge_size": 2,
    "temporal_patch_size": 2,
    "patch_size": 14,
}
_Tower = tuple[Callable[[Config, Config, int], Encoder], Mapping[str, Any]]
_SIGLIP_TOWER: Final[_Tower] = (
    _siglip,
    {"hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12, "image_size": 224, "patch_size": 16},
)
_PIXTRAL_TOWER: Final[_Tower] = (
    _pixtral,
    {"hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24, "image_size": 1024, "patch_size": 16},
)
_QWEN2_TOWER: Final[_Tower] = (_qwen2, {**_QWEN, "embed_dim": 1280, "hidden_size": 3584, "mlp_ratio": 4})
_QWEN2_5_TOWER: Final[_Tower] = (
    _qwen2_5,
    {**_QWEN, "hidden_size": 3584, "intermediate_size": 3420, "out_hidden_size": 3584},
)
_QWEN3_TOWER: Final[_Tower] = (
    _qwen3,
    {
        **_QWEN,
        "depth": 27,
        "patch_size": 16,
        "hidden_size": 1152,
        "intermediate_size": 4304,
        "out_hidden_size": 3584,
        "num_position_embeddings": 2304,
        "deepstack_visual_indexes": [8, 16, 24],
    },
)
_GEMMA4_TOWER: Final[_Tower] = (
    _gemma4,
    {
        "hidden_size": 768,
        "intermediate_size": 3072,
        "num_hidden_layers": 16,
        "num_attention_heads": 12,
        "num_key_value_heads": 12,
        "head_dim": 64,
        "patch_size": 16,
        "position_embedding_size": 10240,
    },
)
_LLAMA4_TOWER: Final[_Tower] = (
    _llama4,
    {
        "hidden_size": 768,
        "intermediate_size": 5632,
        "num_hidden_layers": 34,
        "image_size": 448,
        "patch_size": 14,
        "pixel_shuffle_ratio": 0.5,
        "projector_input_dim": 4096,
        "projector_output_dim": 4096,
        "vision_output_dim": 7680,
    },
)
_TOWERS: Final[Mapping[str, _Tower]] = {
    "siglip_vision_model": _SIGLIP_TOWER,
    "gemma3": _SIGLIP_TOWER,
    "pixtral": _PIXTRAL_TOWER,
    "mistral3": _PIXTRAL_TOWER,
    "qwen2_vl": _QWEN2_TOWER,
    "qwen2_5_vl": _QWEN2_5_TOWER,
    "qwen3_vl": _QWEN3_TOWER,
    "qwen3_vl_vision": _QWEN3_TOWER,
    "gemma4_vision": _GEMMA4_TOWER,
    "gemma4": _GEMMA4_TOWER,
    "llama4_vision_model": _LLAMA4_TOWER,
    "llama4": _LLAMA4_TOWER,
}
