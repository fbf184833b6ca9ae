"""How weights are quantised, and the bytes of an element."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Final

from llmjob.estimator.module_rules import ModuleRules, Size

DTYPE_BYTES: Final = {"FP32": 4, "FP16": 2, "BF16": 2, "FP8": 2}
"""Bytes of an unquantised element by dtype; a model in FP8 keeps in 16 bit what is not quantised."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantizationConfig:
    """`method` is canonical (FP8, INT8, INT4, NF4, AWQ, GPTQ, MXFP4, NVFP4), or one that checkpoints alone have (HQQ,
    AQLM, BitNet, Quark, TorchAO; Mixed for several); `bits` of an element.

    `group` elements of a row share one scale (None: a scale per output channel), `block` the rows and columns that do
    (FP8). `head`: the output matrix is quantised too. `rules`: modules stored otherwise. `rest`: whether what none of
    them names is quantised. `parts`: the methods of a Mixed one. `loose`: the bits of an element are known and little
    else, so that modules may as well be at the model's dtype.
    """

    method: str
    bits: int
    group: int | None = None
    block: tuple[int, int] | None = None
    double: bool = False
    head: bool = False
    rules: ModuleRules = field(default_factory=ModuleRules)
    rest: bool = True
    parts: frozenset[str] = frozenset()
    loose: bool = False

    @property
    def methods(self) -> frozenset[str]:
        """Every method that some module is stored by."""
        return self.parts or frozenset({self.method})

    @property
    def open(self) -> bool:
        """Whether any module may be at the model's dtype: not all that is stated is understood."""
        return self.loose or self.rules.unread > 0

    @property
    def by_layer(self) -> bool:
        """Whether equal layers may be stored differently."""
        return self.rules.by_layer

    def stored(self, name: str, prefix: str, usual: Fraction) -> Size:
        """Bytes of an element of a module, by its layer's path and its name below; None for the model's own dtype.

        `usual`: those of one that no rule names.
        """
        return self.rules.size(name, prefix, usual if self.rest else None)


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
    AWQ and GPTQ with a 16-bit scale and a packed zero point per group; HQQ with both in 16 bit, its 3 bits as ten in 32
    (hqq/core/bitpack.py); MXFP4 with an 8-bit scale per 32 (OCP MX 1.0); NVFP4 with an FP8 scale per 16; FP8 blocks
    with an FP32 scale per block.
    """
    element = Fraction(config.bits, 8)
    if (config.method, config.bits) == ("HQQ", 3):
        element = Fraction(4, 10)
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
    elif config.method == "HQQ":
        scale = Fraction(4)
    else:
        scale = Fraction(2)
    return element + scale / config.group


def least(config: QuantizationConfig) -> QuantizationConfig:
    """How little it may be: where a rule that quantises is not understood, everything is stored as the smallest are."""
    if config.rules.unread_sizes:
        return replace(config, rules=ModuleRules(sizes=config.rules.sizes), rest=True, head=True)
    return replace(config, head=config.head or config.loose)


def fewest_bytes(config: QuantizationConfig) -> Fraction:
    """Bytes of an element that no module is stored below."""
    usual = bytes_per_element(replace(config, group=None) if config.loose else config)
    return min([usual, *(size for size in config.rules.sizes if size is not None)])
