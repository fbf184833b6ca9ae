"""A config.json's quantization_config, in the forms in which checkpoints are published."""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

from llmjob.estimator.config import Config, ConfigError, UnsupportedError, shown
from llmjob.estimator.grouped_quantization import compressed_tensors, model_optimizer, scheme_of_cache
from llmjob.estimator.module_globs import EXPRESSION
from llmjob.estimator.module_rules import Size, module_rules
from llmjob.estimator.quantization import QuantizationConfig, bytes_per_element
from llmjob.estimator.quantization_fields import PATH, bits_of, grouped, listed

_PLAIN_BITS: Final = 16
_KEPT: Final = "modules_to_not_convert"
_MOST_CODES: Final = 1024
_TORCHAO_WEIGHT: Final = re.compile(r"(?:int|float)(1[0-6]|[1-9])_?weight")
_QUARK_TYPE: Final = re.compile(r"[bu]?(?:int|float|fp|mxfp)(1[0-6]|[1-9])(?!\d)")
_LOOKS_LIKE_EXPRESSION: Final = frozenset("*\\[(+^$|")


def read_quantization(config: Config) -> QuantizationConfig | None:
    """A config.json's quantization_config (or compression_config), None where it has none or leaves weights alone.

    Raises:
        ConfigError: when a field is wrong; UnsupportedError when its method is not known.
    """
    read = _stated(config)
    if read is None:
        return None
    method = _method(read)
    reader = _READERS.get(method)
    if reader is None:
        known = ", ".join(_READERS)
        raise UnsupportedError(
            f"{PATH}quant_method", f"{shown(read.get('quant_method'))} is not known; known are {known}"
        )
    return reader(read)


def read_cache_scheme(config: Config) -> str | None:
    """What the checkpoint has for K and V: FP8, or another scheme as published; None for none."""
    read = _stated(config)
    return scheme_of_cache(read) if read is not None and _method(read) in _WITH_CACHE else None


def _stated(config: Config) -> Config | None:
    stated = config.mapping("quantization_config") or config.mapping("compression_config")
    return None if stated is None else Config(stated, path=PATH)


def _method(config: Config) -> str:
    stated = (config.text("quant_method") or _guessed(config)).casefold().replace("_", "-")
    return stated.removeprefix("intel/").removesuffix("-marlin")


def _guessed(config: Config) -> str:
    if config.get("load_in_4bit") is not None or config.get("load_in_8bit") is not None:
        return "bitsandbytes"
    if config.get("quantization") is not None:
        return "modelopt"
    return "compressed-tensors" if config.get("config_groups") is not None else ""


def _gptq(config: Config) -> QuantizationConfig:
    """GPTQ; its `dynamic` rules are looked up in order, an expression at a time from the start of a module's path.

    `-:` leaves a module alone, `+:` (or nothing) gives it bits and groups of its own. Source: get_dynamic_override and
    override_config in vllm/model_executor/layers/quantization/utils/gptq_utils.py.
    """
    base = _packed(config, "GPTQ", least=2)
    own = _Override(base, "dynamic")
    rules = listed(config, _KEPT)
    for pattern, stated in (config.mapping("dynamic") or {}).items():
        expression = EXPRESSION + pattern.removeprefix("-:").removeprefix("+:")
        rules.append((expression, None if pattern.startswith("-:") else own.size(stated, pattern)))
    return replace(base, rules=module_rules(rules))


def _awq(config: Config) -> QuantizationConfig:
    return replace(_packed(config, "AWQ", least=1), rules=module_rules(listed(config, _KEPT)))


def _auto_round(config: Config) -> QuantizationConfig:
    """AutoRound packs as GPTQ or AWQ do; `extra_config` has layers with bits of their own, 16 for unquantised."""
    kind = config.text("data_type", "int")
    if kind != "int":
        raise UnsupportedError(config.field("data_type"), f"{shown(kind)} is not known; known is int")
    base = _packed(config, "GPTQ", least=1)
    own = _Override(base, "extra_config")
    rules = listed(config, _KEPT)
    for name, stated in (config.mapping("extra_config") or {}).items():
        entry = EXPRESSION + name if set(name) & _LOOKS_LIKE_EXPRESSION else name
        rules.append((entry, own.size(stated, name)))
    return replace(base, rules=module_rules(rules))


class _Override:
    """Bits and groups that a `field` of a base config gives to modules of their own."""

    def __init__(self, base: QuantizationConfig, field: str) -> None:
        self._base, self._field = base, field
        self._sizes: dict[str, Size] = {}

    def size(self, stated: object, name: str) -> Size:
        """Bytes of an element; None at 16 bits. Thousands of entries have a few sizes between them."""
        key = repr(stated)
        if key not in self._sizes:
            self._sizes[key] = self._size(stated, f"{PATH}{self._field}[{shown(name)}]")
        return self._sizes[key]

    def _size(self, stated: object, path: str) -> Size:
        if not isinstance(stated, Mapping):
            raise ConfigError(path, f"must be an object, not {shown(stated)}")
        own = Config(stated, path=f"{path}.")
        bits = bits_of(own, "bits", self._base.bits, most=32)
        if bits >= _PLAIN_BITS:
            return None
        return bytes_per_element(replace(self._base, bits=bits, group=grouped(own, "group_size", self._base.group)))


def _packed(config: Config, method: str, *, least: int) -> QuantizationConfig:
    name = "bits" if config.states("bits") or not config.states("w_bit") else "w_bit"
    return QuantizationConfig(
        method=method,
        bits=bits_of(config, name, 4, least=least),
        group=grouped(config, "group_size" if config.states("group_size") else "q_group_size", 128),
        head=config.flag("lm_head"),
    )


def _mxfp4(config: Config) -> QuantizationConfig:
    return QuantizationConfig(method="MXFP4", bits=4, group=32, rules=module_rules(listed(config, _KEPT)))


def _fp8(config: Config) -> QuantizationConfig:
    block = config.sequence("weight_block_size")
    size = None
    if block is not None:
        rows, columns = [*block, None, None][:2]
        if not (isinstance(rows, int) and isinstance(columns, int) and rows > 0 and columns > 0):
            raise ConfigError(config.field("weight_block_size"), f"must be two whole numbers, not {shown(block)}")
        size = (rows, columns)
    rules = module_rules(listed(config, _KEPT, "ignored_layers"))
    return QuantizationConfig(method="FP8", bits=8, block=size, rules=rules)


def _bitsandbytes(config: Config) -> QuantizationConfig:
    rules = module_rules(listed(config, "llm_int8_skip_modules"))
    if config.flag("load_in_4bit"):
        return QuantizationConfig(
            method="NF4", bits=4, group=64, double=config.flag("bnb_4bit_use_double_quant"), rules=rules
        )
    if config.flag("load_in_8bit"):
        return QuantizationConfig(method="INT8", bits=8, rules=rules)
    raise ConfigError(f"{PATH}load_in_4bit", "one of load_in_4bit and load_in_8bit must be true")


def _hqq(config: Config) -> QuantizationConfig:
    """HQQ: `quant_config.weight_quant_params`, as HqqConfig of transformers writes it."""
    nested = Config(config.mapping("quant_config") or {}, path=f"{PATH}quant_config.")
    weights = nested.mapping("weight_quant_params")
    if weights is None:
        raise UnsupportedError(nested.field("weight_quant_params"), "is missing: it says how many bits a weight has")
    read = Config(weights, path=f"{PATH}quant_config.weight_quant_params.")
    return QuantizationConfig(
        method="HQQ",
        bits=bits_of(read, "nbits"),
        group=grouped(read, "group_size", 64),
        rules=module_rules(listed(config, "skip_modules")),
    )


def _aqlm(config: Config) -> QuantizationConfig:
    """AQLM: codes of whole groups of weights; the codebooks come on top. Defaults are those of transformers' class."""
    defaults = {"num_codebooks": 1, "nbits_per_codebook": 16, "in_group_size": 8, "out_group_size": 1}
    books, code, inputs, outputs = (config.count(name, size, most=_MOST_CODES) for name, size in defaults.items())
    rules = module_rules(listed(config, "linear_weights_not_to_quantize"))
    return QuantizationConfig(method="AQLM", bits=books * code // (inputs * outputs), rules=rules, loose=True)


def _bitnet(config: Config) -> QuantizationConfig:
    """BitNet: three values, four of them packed in a byte, or 16 bits that are quantised as they are used."""
    rules = module_rules(listed(config, _KEPT))
    return QuantizationConfig(method="BitNet", bits=2, rules=rules, loose=True)


def _torchao(config: Config) -> QuantizationConfig:
    """TorchAO: the name of the scheme says what a weight is (int4_weight_only, Float8WeightOnlyConfig)."""
    stated = config.get("quant_type")
    if isinstance(stated, Mapping):
        nested = stated.get("default", stated)
        stated = nested.get("_type") if isinstance(nested, Mapping) else nested
    found = _TORCHAO_WEIGHT.search(stated.casefold()) if isinstance(stated, str) else None
    if found is None:
        raise UnsupportedError(config.field("quant_type"), f"{shown(stated)} says no bits of a weight that are known")
    rules = module_rules(listed(config, _KEPT))
    return QuantizationConfig(method="TorchAO", bits=int(found[1]), rules=rules, loose=True)


def _quark(config: Config) -> QuantizationConfig:
    """Quark: the weight's type in global_quant_config; layers may have another one."""
    everywhere = Config(config.mapping("global_quant_config") or {}, path=f"{PATH}global_quant_config.")
    weight = everywhere.get("weight")
    kind = weight.get("dtype") if isinstance(weight, Mapping) else None
    found = _QUARK_TYPE.match(kind.casefold()) if isinstance(kind, str) else None
    if found is None or config.mapping("layer_quant_config"):
        raise UnsupportedError(everywhere.field("weight"), "says no type of all weights that is known")
    rules = module_rules(listed(config, "exclude"))
    return QuantizationConfig(method="Quark", bits=int(found[1]), rules=rules, loose=True)


_READERS: Final[Mapping[str, Callable[[Config], QuantizationConfig | None]]] = {
    "fp8": _fp8,
    "fbgemm-fp8": _fp8,
    "gptq": _gptq,
    "awq": _awq,
    "auto-round": _auto_round,
    "bitsandbytes": _bitsandbytes,
    "mxfp4": _mxfp4,
    "compressed-tensors": compressed_tensors,
    "modelopt": model_optimizer,
    "hqq": _hqq,
    "aqlm": _aqlm,
    "bitnet": _bitnet,
    "torchao": _torchao,
    "quark": _quark,
}
_WITH_CACHE: Final = frozenset({"compressed-tensors", "modelopt"})
