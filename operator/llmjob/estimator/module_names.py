"""The names that a module goes by: ours (Transformers' of most families), and those of other families and of engines.

Experts are one matrix of many copies here, and one module each in a checkpoint.
"""

import re
from functools import cache
from typing import Final

ANY_EXPERT: Final = "#"
"""The number of an expert in a path that stands for every one: no entry names it, only wildcards hold for it."""
FUSED: Final = {"qkv_proj": ("q_proj", "k_proj", "v_proj"), "gate_up_proj": ("gate_proj", "up_proj")}
"""What Phi-3 stores, and engines hold, as one matrix."""
_MIXTRAL: Final = {"w1": "gate_proj", "w2": "down_proj", "w3": "up_proj"}
_PARTS: Final = {"block_sparse_moe": "mlp", "shared_expert": "shared_experts", **_MIXTRAL}
_OURS: Final = {part: fused for fused, parts in FUSED.items() for part in parts}
_NUMBERED: Final = re.compile(r"(?<=\bexperts)\.(\d+)(?=\.|$)")
_INNER: Final = re.compile(r"language_model[.?]?")


def ours(name: str) -> tuple[str, ...]:
    """A name, or the beginning of one, by the names here: of a fused matrix those of its parts.

    Multimodal checkpoints put their language model one level deeper.
    """
    parts = [_PARTS.get(part, part) for part in name.split(".") if part != "language_model"] or ["model"]
    return tuple(".".join([*parts[:-1], last]) for last in FUSED.get(parts[-1], parts[-1:]))


def ours_of_glob(glob: str) -> str:
    """A glob without the level that multimodal checkpoints have more; other names stay, as `spellings` has them."""
    return _INNER.sub("", glob)


def without_expert(name: str) -> tuple[str, str | None]:
    """The name of a single expert's module as that of all of them, with the expert's number; another name, and None."""
    found = _NUMBERED.search(name)
    return (name, None) if found is None else (name[: found.start()] + name[found.end() :], found[1])


@cache
def spellings(name: str) -> tuple[str, ...]:
    """Every path below its layer by which an entry may mean a weight of this name (`mlp.experts.up_proj`)."""
    block, _, last = name.rpartition(".")
    lasts = [last, *filter(None, [_OURS.get(last)])]
    blocks = [block]
    if block == "mlp.shared_experts":
        blocks.append("mlp.shared_expert")
    found = [f"{of}.{part}" if of else part for of in blocks for part in lasts]
    if block == "mlp.experts":
        found += [f"mlp.experts.{ANY_EXPERT}.{part}" for part in lasts]
        found += [f"block_sparse_moe.experts.{ANY_EXPERT}.{part}" for part, means in _MIXTRAL.items() if means == last]
    return tuple(found)
