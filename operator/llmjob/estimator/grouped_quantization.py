"""Checkpoints whose quantization_config may store modules in several ways: compressed-tensors and ModelOpt."""

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from typing import Final

from llmjob.estimator.config import Config, ConfigError, UnsupportedError, shown
from llmjob.estimator.module_globs import EXPRESSION
from llmjob.estimator.module_rules import Size, module_rules
from llmjob.estimator.quantization import QuantizationConfig, bytes_per_element
from llmjob.estimator.quantization_fields import PATH, grouped, listed

_MIXED: Final = "Mixed"
_EVERY_LINEAR: Final = "Linear"
_NO_ALGORITHM: Final = "MIXED_PRECISION"
_ALGORITHMS: Final[Mapping[str, QuantizationConfig]] = {
    # By what a name begins with. Source: QUANT_ALGOS of TensorRT-LLM's quantization/mode.py and ModelOpt's exporters.
    "FP8": QuantizationConfig(method="FP8", bits=8),
    "NVFP4": QuantizationConfig(method="NVFP4", bits=4, group=16),
    "W4A8_AWQ": QuantizationConfig(method="AWQ", bits=4, group=128),
    "W4A16_AWQ": QuantizationConfig(method="AWQ", bits=4, group=128),
    "W4A16": QuantizationConfig(method="INT4", bits=4, group=128),
    "W8A16": QuantizationConfig(method="INT8", bits=8),
    "W8A8": QuantizationConfig(method="INT8", bits=8),
}


def compressed_tensors(config: Config) -> QuantizationConfig | None:
    """Groups of targets: names and `re:` expressions of modules, and names of their classes, which come last.

    A module that no group targets is not quantised. Source: find_matched_target in
    vllm/model_executor/layers/quantization/compressed_tensors/utils.py. None where no group quantises weights.
    """
    sparse = Config(config.mapping("sparsity_config") or {}, path=f"{PATH}sparsity_config.").text("format", "dense")
    if sparse != "dense":
        raise UnsupportedError(f"{PATH}sparsity_config.format", f"{shown(sparse)} is not known; known is dense")
    named: list[tuple[str, Size]] = []
    by_class: list[QuantizationConfig] = []
    ways: list[QuantizationConfig] = []
    for name, group in (config.mapping("config_groups") or {}).items():
        path = f"{PATH}config_groups.{name}."
        if not isinstance(group, Mapping):
            raise ConfigError(path[:-1], f"must be an object, not {shown(group)}")
        read = Config(group, path=path)
        way = _way(read, path)
        if way is None:
            continue
        ways.append(way)
        targets = read.sequence("targets")
        for target in [_EVERY_LINEAR] if targets is None else targets:
            if target == _EVERY_LINEAR:
                by_class.append(way)
            elif isinstance(target, str):
                named.append((_target(target), bytes_per_element(way)))
    if not ways:
        return None
    # Of two groups that target one class, the later one counts, as in target_scheme_map of vLLM.
    base = by_class[-1] if by_class else ways[0]
    methods = frozenset(way.method for way in ways)
    return replace(
        base,
        method=base.method if len(methods) == 1 else _MIXED,
        parts=methods,
        rules=module_rules([*listed(config, "ignore"), *named]),
        rest=bool(by_class),
    )


def _target(target: str) -> str:
    """A target as an entry of a list of modules; that of a class has no name of a module, and cannot be read."""
    is_class = not target.startswith(EXPRESSION) and "." not in target and target[:1].isupper()
    return f"{EXPRESSION}(class {target})" if is_class else target


def _way(group: Config, path: str) -> QuantizationConfig | None:
    """How a group stores weights; None where it leaves them alone."""
    stated = group.mapping("weights")
    if stated is None:
        return None
    weights = Config(stated, path=f"{path}weights.")
    bits, kind = weights.count("num_bits", most=32), weights.text("type", "int")
    scale = grouped(weights, "group_size")
    if kind == "float" and bits == 8:  # noqa: PLR2004, an FP8 element
        return QuantizationConfig(method="FP8", bits=8, group=scale)
    if kind == "float" and bits == 4:  # noqa: PLR2004, an FP4 element
        return QuantizationConfig(method="NVFP4", bits=4, group=scale or 16)
    if kind == "int" and bits in {4, 8}:
        return QuantizationConfig(method=f"INT{bits}", bits=bits, group=scale)
    raise UnsupportedError(f"{PATH}config_groups", f"weights of {bits} bits of type {shown(kind)} are not supported")


def model_optimizer(config: Config) -> QuantizationConfig | None:
    """ModelOpt's own file (hf_quant_config.json) has all but the method in an object of its own, config.json not.

    None where K and V alone are quantised, or nothing is.
    """
    read = _inner(config)
    stated = read.text("quant_algo")
    kept = listed(read, "ignore", "exclude_modules")
    if stated is None and (read.has("quant_algo") or scheme_of_cache(config) is not None):
        return None
    if (stated or "").upper() != _NO_ALGORITHM:
        return replace(_algorithm(read), rules=module_rules(kept))
    layers: list[tuple[str, Size]] = []
    ways: dict[str, tuple[QuantizationConfig, Fraction]] = {}
    for name, entry in (read.mapping("quantized_layers") or {}).items():
        key = repr(entry)  # thousands of experts' matrices are stored in a few ways
        if key not in ways:
            path = f"{read.field('quantized_layers')}.{name}"
            if not isinstance(entry, Mapping):
                raise ConfigError(path, f"must be an object, not {shown(entry)}")
            way = _algorithm(Config(entry, path=f"{path}."))
            ways[key] = way, bytes_per_element(way)
        layers.append((name, ways[key][1]))
    if not layers:
        raise UnsupportedError(read.field("quantized_layers"), "is missing: it says how each layer is quantised")
    smallest, _ = min(ways.values(), key=lambda way: way[1])
    return replace(
        smallest,
        method=_MIXED,
        parts=frozenset(way.method for way, _ in ways.values()),
        rules=module_rules([*kept, *layers]),
        rest=False,
    )


def _algorithm(config: Config) -> QuantizationConfig:
    stated = config.text("quant_algo")
    found = next((way for name, way in _ALGORITHMS.items() if (stated or "").upper().startswith(name)), None)
    if found is None:
        known = ", ".join(_ALGORITHMS)
        raise UnsupportedError(config.field("quant_algo"), f"{shown(stated)} is not known; known are {known}")
    for name in ("group_size", "awq_block_size"):
        if found.group is not None and found.method != "NVFP4" and config.states(name):
            return replace(found, group=grouped(config, name))
    return found


def scheme_of_cache(config: Config) -> str | None:
    """The scheme of K and V: an object as of a weight, or the name of an algorithm."""
    read = _inner(config)
    stated = next(filter(None, map(read.get, ("kv_cache_scheme", "kv_cache_quant_algo"))), None)
    if isinstance(stated, Mapping):
        eight = (stated.get("num_bits"), stated.get("type"), stated.get("dynamic") or False) == (8, "float", False)
        return "FP8" if eight else shown(stated)
    if stated is None or str(stated).casefold() in {"none", "auto"}:
        return None
    return "FP8" if str(stated).casefold() == "fp8" else shown(stated)


def _inner(config: Config) -> Config:
    nested = config.mapping("quantization")
    return config if nested is None else Config(nested, path=f"{PATH}quantization.")
