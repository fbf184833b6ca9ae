"""How weights are quantised: quantization_config read from a config.json, and the bytes of an element."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Final

from llmjob.estimator.config import Config, ConfigError, shown
from llmjob.estimator.kept_modules import KeptModules, kept_modules

DTYPE_BYTES: Final = {"FP32": 4, "FP16": 2, "BF16": 2, "FP8": 2}
"""Bytes of an unquantised element by dtype; a model in FP8 keeps in 16 bit what is not quantised."""
_PATH: Final = "quantization_config."


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantizationConfig:
    """`method` is canonical (FP8, INT8, INT4, NF4, AWQ, GPTQ, MXFP4, NVFP4); `bits` of an element.

    `group` elements of a row share one scale (None: a scale per output channel), `block` the rows and columns that do
    (FP8). `kept` are the modules left at the model's dtype. `head`: the output matrix is quantised too. `cache`: the
    scheme that the checkpoint has for K and V, FP8 or another one as it is published (None: none).
    """

    method: str
    bits: int
    group: int | None = None
    block: tuple[int, int] | None = None
    double: bool = False
    kept: KeptModules = field(default_factory=KeptModules)
    head: bool = False
    cache: str | None = None


_TYPICAL: Final[Mapping[str, QuantizationConfig]] = {
    # What a checkpoint of each method has where nothing else is stated; sources in bytes_per_element.
    config.method: config
    for config in (
        QuantizationConfig(method="FP8", bits=8),
        QuantizationConfig(method="INT8", bits=8),
        QuantizationConfig(method="INT4", bits=4, group=128),
        QuantizationConfig(method="AWQ", bits=4, group=128),
        QuantizationConfig(method="GPTQ", bits=4, group=128),
        QuantizationConfig(method="NF4", bits=4, group=64),
        QuantizationConfig(method="MXFP4", bits=4, group=32),
        QuantizationConfig(method="NVFP4", bits=4, group=16),
    )
}


def typical(method: str) -> QuantizationConfig | None:
    """What a canonical method means where only its name is stated; None where no such method is known here."""
    return _TYPICAL.get(method)


def kindest(config: QuantizationConfig) -> QuantizationConfig:
    """The same method with the fewest bytes of scales: doubly quantised NF4, else one scale per channel."""
    return replace(config, double=True) if config.method == "NF4" else replace(config, group=None)


def harshest(config: QuantizationConfig) -> QuantizationConfig:
    """The same method with the most bytes of scales that checkpoints use: groups of 32."""
    return replace(config, group=32) if config.method in {"AWQ", "GPTQ", "INT4"} else config


def bytes_per_element(config: QuantizationConfig) -> Fraction:
    """Stored bytes of one quantised element, its share of scales and zero points included.

    Sources: NF4 with an FP32 scale per block of 64, or 8-bit scales with an FP32 one per 256 of them (bitsandbytes);
    AWQ and GPTQ with a 16-bit scale and a packed zero point per group; MXFP4 with an 8-bit scale per 32 (OCP MX 1.0);
    NVFP4 with an FP8 scale per 16; FP8 blocks with an FP32 scale per block.
    """
    element = Fraction(config.bits, 8)
    if config.block is not None:
        return element + Fraction(4, config.block[0] * config.block[1])
    if config.group is None:
        return element
    if config.method == "NF4":
        scale = 1 + Fraction(4, 256) if config.double else Fraction(4)
    elif config.method in {"MXFP4", "NVFP4"}:
        scale = Fraction(1)
    elif config.method in {"AWQ", "GPTQ"}:
        scale = 2 + element
    else:
        scale = Fraction(2)
    return element + scale / config.group


def read_quantization(config: Config) -> QuantizationConfig | None:
    """A config.json's quantization_config (or compression_config), None where it has none.

    Raises:
        ConfigError: when its method is not known or a field is wrong.
    """
    stated = config.mapping("quantization_config") or config.mapping("compression_config")
    if stated is None:
        return None
    read = Config(stated, path=_PATH)
    method = (read.text("quant_method") or _guessed(read)).casefold().replace("_", "-")
    reader = _READERS.get(method)
    if reader is None:
        known = ", ".join(_READERS)
        raise ConfigError(
            f"{_PATH}quant_method", f"{shown(stated.get('quant_method'))} is not known; known are {known}"
        )
    return reader(read)


def _guessed(config: Config) -> str:
    if config.get("load_in_4bit") is not None or config.get("load_in_8bit") is not None:
        return "bitsandbytes"
    if config.get("quantization") is not None:
        return "modelopt"
    return "compressed-tensors" if config.get("config_groups") is not None else ""


def _gptq(config: Config) -> QuantizationConfig:
    return _packed(config, "GPTQ")


def _awq(config: Config) -> QuantizationConfig:
    return _packed(config, "AWQ")


def _packed(config: Config, method: str) -> QuantizationConfig:
    return QuantizationConfig(
        method=method,
        bits=config.count("bits", config.count("w_bit", 4)),
        group=_group(config),
        kept=_kept(config, "modules_to_not_convert"),
        head=config.flag("lm_head"),
    )


def _mxfp4(config: Config) -> QuantizationConfig:
    return QuantizationConfig(method="MXFP4", bits=4, group=32, kept=_kept(config, "modules_to_not_convert"))


def _fp8(config: Config) -> QuantizationConfig:
    block = config.sequence("weight_block_size")
    size = None
    if block is not None:
        rows, columns = [*block, None, None][:2]
        if not (isinstance(rows, int) and isinstance(columns, int) and rows > 0 and columns > 0):
            raise ConfigError(config.field("weight_block_size"), f"must be two whole numbers, not {shown(block)}")
        size = (rows, columns)
    kept = _kept(config, "modules_to_not_convert", "ignored_layers")
    return QuantizationConfig(method="FP8", bits=8, block=size, kept=kept)


def _bitsandbytes(config: Config) -> QuantizationConfig:
    kept = _kept(config, "llm_int8_skip_modules")
    if config.flag("load_in_4bit"):
        return QuantizationConfig(
            method="NF4", bits=4, group=64, double=config.flag("bnb_4bit_use_double_quant"), kept=kept
        )
    if config.flag("load_in_8bit"):
        return QuantizationConfig(method="INT8", bits=8, kept=kept)
    raise ConfigError(f"{_PATH}load_in_4bit", "one of load_in_4bit and load_in_8bit must be true")


def _compressed(config: Config) -> QuantizationConfig:
    bits, kind, group = _weights(config)
    kept, cache = _kept(config, "ignore"), _cache(config)
    if kind == "float" and bits == 8:  # noqa: PLR2004, an FP8 element
        return QuantizationConfig(method="FP8", bits=8, group=group, kept=kept, cache=cache)
    if kind == "float" and bits == 4:  # noqa: PLR2004, an FP4 element
        return QuantizationConfig(method="NVFP4", bits=4, group=group or 16, kept=kept, cache=cache)
    if kind == "int" and bits in {4, 8}:
        return QuantizationConfig(method=f"INT{bits}", bits=bits, group=group, kept=kept, cache=cache)
    raise ConfigError(f"{_PATH}config_groups", f"weights of {bits} bits of type {shown(kind)} are not supported")


def _modelopt(config: Config) -> QuantizationConfig:
    """ModelOpt's own file (hf_quant_config.json) has all but the method in an object of its own, config.json not."""
    nested = config.mapping("quantization")
    read = config if nested is None else Config(nested, path=f"{_PATH}quantization.")
    algorithm = (read.text("quant_algo") or "").upper()
    kept, cache = _kept(read, "ignore", "exclude_modules"), _cache(read)
    if algorithm.startswith("FP8"):
        return QuantizationConfig(method="FP8", bits=8, kept=kept, cache=cache)
    if algorithm.startswith("NVFP4"):
        return QuantizationConfig(method="NVFP4", bits=4, group=16, kept=kept, cache=cache)
    raise ConfigError(read.field("quant_algo"), f"{shown(read.get('quant_algo'))} is not known; known are FP8, NVFP4")


def _cache(config: Config) -> str | None:
    """The scheme of K and V: an object as of a weight, or the name of an algorithm."""
    stated = next(filter(None, map(config.get, ("kv_cache_scheme", "kv_cache_quant_algo"))), None)
    if isinstance(stated, Mapping):
        eight = (stated.get("num_bits"), stated.get("type"), stated.get("dynamic") or False) == (8, "float", False)
        return "FP8" if eight else shown(stated)
    if stated is None or str(stated).casefold() in {"none", "auto"}:
        return None
    return "FP8" if str(stated).casefold() == "fp8" else shown(stated)


def _weights(config: Config) -> tuple[int, str | None, int | None]:
    groups = config.mapping("config_groups") or {}
    found = set()
    for name, group in groups.items():
        path = f"{_PATH}config_groups.{name}."
        if not isinstance(group, Mapping):
            raise ConfigError(path[:-1], f"must be an object, not {shown(group)}")
        stated = Config(group, path=path).mapping("weights")
        if stated is not None:
            weights = Config(stated, path=f"{path}weights.")
            found.add((weights.count("num_bits"), weights.text("type", "int"), _grouped(weights, "group_size")))
    if len(found) != 1:
        raise ConfigError(
            f"{_PATH}config_groups", "must quantise the weights in one way; other forms are not supported"
        )
    return found.pop()


def _group(config: Config) -> int | None:
    return _grouped(config, "group_size" if config.states("group_size") else "q_group_size", 128)


def _grouped(config: Config, name: str, default: int | None = None) -> int | None:
    """Elements that share a scale: as stated, -1 for a whole row (None); where nothing is stated the default."""
    if not config.states(name):
        return default
    size = config.count(name, least=-1)
    if size == 0:
        raise ConfigError(config.field(name), "must be above 0, or -1 for one group a row")
    return size if size > 0 else None


def _kept(config: Config, *names: str) -> KeptModules:
    listed = (entry for name in names for entry in config.sequence(name) or ())
    return kept_modules(entry for entry in listed if isinstance(entry, str))


_READERS: Final[Mapping[str, Callable[[Config], QuantizationConfig]]] = {
    "fp8": _fp8,
    "fbgemm-fp8": _fp8,
    "gptq": _gptq,
    "awq": _awq,
    "bitsandbytes": _bitsandbytes,
    "mxfp4": _mxfp4,
    "compressed-tensors": _compressed,
    "modelopt": _modelopt,
}
