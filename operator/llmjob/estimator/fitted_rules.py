"""A checkpoint's rules of modules held against the model's own modules: what names none of them is not understood."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

from llmjob.estimator.block import Run
from llmjob.estimator.module_globs import pattern_of
from llmjob.estimator.module_names import spellings
from llmjob.estimator.module_rules import ModuleRules, Pattern
from llmjob.estimator.quantization import QuantizationConfig

HEAD: Final = "lm_head"
_ELSEWHERE: Final = re.compile(
    r"vis(?:ion|ual)|image|audio|speech|projector|connector|merger|mtp|nextn|lm_head|embed|norm|router|rotary|score"
    r"|conv1d|gate\**$"
)
"""Modules that are no linear of the text model, and such as have 16 bit under every method."""
_LAYERS: Final = re.compile(r"(?:^|\.)layers\.(\d+)(?:\.|$)")


def fitted(config: QuantizationConfig, layers: Sequence[Run]) -> QuantizationConfig:
    """The config for a model of these layers. An entry that names no module of it may mean any: it counts as unread.

    Entries of single experts hold where they name each of them alike. A rule for the head quantises it.
    """
    rules = config.rules
    if not rules.sizes:
        return config
    modules = _Modules(layers)
    names = dict(rules.names)
    places: list[int] = []
    for (name, place), numbers in rules.experts.items():
        if len(numbers) >= modules.experts:
            names[name] = min(place, names.get(name, place))
        elif not modules.is_beyond(name):
            places.append(place)
    places += [place for name, place in names.items() if not modules.has(name)]
    places += [place for beginning, place in rules.beginnings.items() if not modules.has_below(beginning)]
    places += [pattern.order for pattern in rules.patterns if not modules.has_any(pattern)]
    found = replace(
        rules,
        names=names,
        experts={},
        unread=rules.unread + len(places),
        unread_sizes=rules.unread_sizes or any(rules.sizes[place] is not None for place in places),
    )
    return replace(config, rules=found, head=config.head or _quantizes_head(found))


def _quantizes_head(rules: ModuleRules) -> bool:
    globs = (glob for pattern in rules.patterns for glob in pattern.globs)
    if HEAD not in rules.names and not any(HEAD in glob for glob in globs):
        return False
    return rules.size(HEAD, "", None) is not None


class _Modules:
    """The modules of a model's layers, by every name that an entry may have for them."""

    def __init__(self, layers: Sequence[Run]) -> None:
        self._layers = layers
        self._count = sum(run.count for run in layers)
        weights = {weight.name: weight for run in layers for weight in run.block.weights}
        self.experts = max((weight.copies for weight in weights.values()), default=1)
        self._plain = tuple(f"{name}." for name, weight in weights.items() if not weight.linear)
        paths = [f"model.layers.{name}" for name in weights]
        self._below = frozenset(weights)
        self._stretches = frozenset(stretch for path in paths for stretch in _stretches(path))
        self._lines: list[str] | None = None

    def is_beyond(self, name: str) -> bool:
        """Whether it lies in a layer after the last, where checkpoints keep what predicts several tokens."""
        layer = _LAYERS.search(name)
        return layer is not None and int(layer[1]) >= self._count

    def has(self, name: str) -> bool:
        """Whether a name is that of a module, of a part of one, or of what is known to lie elsewhere."""
        layer = _LAYERS.search(name)
        rest = name if layer is None else name[layer.end() :]
        if not rest or rest in self._stretches or rest.startswith(self._plain):
            return True
        return self.is_beyond(name) or _ELSEWHERE.search(name) is not None

    def has_below(self, beginning: str) -> bool:
        """The same of the beginning of a path."""
        layer = _LAYERS.search(beginning)
        rest = beginning.removeprefix("model.layers.") if layer is None else beginning[layer.end() :]
        if "model.layers.".startswith(rest) or rest.isdigit() or any(name.startswith(rest) for name in self._below):
            return True
        return self.is_beyond(beginning) or _ELSEWHERE.search(beginning) is not None

    def has_any(self, pattern: Pattern) -> bool:
        """The same of an entry's globs: of a choice one is enough."""
        if any(_ELSEWHERE.search(glob) or self.is_beyond(glob) for glob in pattern.globs):
            return True
        holds = re.compile(pattern_of(pattern.globs)).match
        return any(map(holds, self._every_line()))

    def _every_line(self) -> Iterable[str]:
        if self._lines is None:
            self._lines, layer = [], 0
            for run in self._layers:
                below = [spelling for weight in run.block.weights for spelling in spellings(weight.name)]
                for number in range(layer, layer + run.count):
                    prefix = f"model.layers.{number}."
                    self._lines += [prefix + spelling for spelling in below]
                layer += run.count
        return self._lines


def _stretches(path: str) -> Iterable[str]:
    parts = path.split(".")
    ends = range(1, len(parts) + 1)
    return [".".join(parts[start:end]) for end in ends for start in range(end)]
