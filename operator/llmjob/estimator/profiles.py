"""Versioned constants of serving engines: data files with their sources, read once, one at a time."""

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from math import ceil
from typing import Any, Final

from llmjob.data import read_text
from llmjob.quantity import GiB

_NUMBER: Final = re.compile(r"\d+")


@dataclass(frozen=True, slots=True)
class Triple:
    """Low, expected and high bytes of a constant."""

    low: int
    expected: int
    high: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StepDefaults:
    """What the engine takes on GPUs of `from_bytes` and more: sequences and tokens of one step.

    Low and high; a token count of 0 stands for the longest sequence, for sequences of more than `chunked_above` tokens
    for `chunk`.
    """

    from_bytes: int
    max_num_seqs: tuple[int, int]
    max_num_batched_tokens: tuple[int, int]
    chunked_above: int | None = None
    chunk: int = 0

    def tokens(self, length: int) -> tuple[int, int]:
        """Tokens of one step, low and high, for a longest sequence of `length` tokens."""
        whole = length if self.chunked_above is None or length <= self.chunked_above else self.chunk
        low, high = self.max_num_batched_tokens
        return low or whole, high or whole


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivationRule:
    """Constants of the peak in one engine step; see activations.py for the formula."""

    logits_bytes: Fraction
    logits_copies: int
    base: int
    hidden_copies: int
    ffn_copies: int
    receive_copies: int
    multimodal_copies: int
    encoder: Triple
    experts: tuple[Fraction, Fraction, Fraction]
    relative: tuple[Fraction, Fraction]
    absolute: int
    quantized_copies: Fraction


@dataclass(frozen=True, slots=True, kw_only=True)
class ByDegree:
    """A constant by tensor-parallel degree (the last whose first degree is reached), and one for pipelines."""

    by_tensor: tuple[tuple[int, Triple], ...]
    pipeline: Triple

    def at(self, tensor: int, pipeline: int) -> Triple:
        """The constant of one rank."""
        reached = [amount for first, amount in self.by_tensor if tensor >= first]
        return self.pipeline if pipeline > 1 and tensor == 1 else reached[-1]


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphRule:
    """CUDA graphs: a line in layers and hidden size; bytes."""

    base: Fraction
    per_layer: Fraction
    per_hidden: Fraction
    experts: Fraction
    absolute: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineProfile:
    """One engine over a range of versions; `rows` public measurements stand behind it.

    `hybrid_cache`: layers with a window keep no more than it; `group_ratio`: see kv_cache.Pages; `checkpoint_cache`:
    see sequence.Sequences.paged.
    """

    name: str
    engine: str
    utilization: Fraction
    graphs_in_budget: bool
    hybrid_cache: bool
    group_ratio: Fraction
    checkpoint_cache: str
    rows: int
    defaults: tuple[StepDefaults, ...]
    activation: ActivationRule
    non_torch: ByDegree
    in_use: ByDegree
    graphs: GraphRule

    def step(self, memory: int) -> StepDefaults:
        """The defaults on a GPU with so many bytes."""
        return [step for step in self.defaults if memory >= step.from_bytes][-1]


def plausible_profiles(engine: str) -> tuple[str, ...]:
    """Those of an engine's profiles that may stand behind an unstated version, oldest first."""
    return tuple(entry["name"] for entry in _index() if entry["engine"] == engine and not entry.get("old"))


def newest_profile(engine: str) -> str | None:
    """The profile of an engine's newest versions, None where it has no profile."""
    names = [entry["name"] for entry in _index() if entry["engine"] == engine]
    return str(names[-1]) if names else None


def profile_of(engine: str, version: str) -> str | None:
    """The profile whose range holds a version; None where there is none, or where the version cannot be read."""
    wanted = version_key(version)
    for entry in _index() if wanted else ():
        if entry["engine"] == engine and version_key(entry["from"]) <= wanted < version_key(entry["before"]):
            return str(entry["name"])
    return None


def profiles_beyond(engine: str, version: str) -> tuple[str, ...]:
    """Those that may stand behind a version outside every range, the nearest one last: it gives what is expected."""
    first = next(entry for entry in _index() if entry["engine"] == engine)
    older = () < version_key(version) < version_key(first["from"])
    return (*plausible_profiles(engine), *([str(first["name"])] if older else []))


def version_key(text: str) -> tuple[int, ...]:
    """The numbers of a release ("0.8.5.dev274+g1" is 0.8.5), empty where the text does not start with one."""
    match = re.match(r"[vV]?(\d+(?:\.\d+)*)", text.strip()[:64])
    return tuple(int(number) for number in _NUMBER.findall(match.group(1))) if match else ()


@cache
def load_profile(name: str) -> EngineProfile:
    """Read a profile by name.

    Raises:
        KeyError: when there is none of that name.
    """
    engine = next((entry["engine"] for entry in _index() if entry["name"] == name), None)
    if engine is None:
        raise KeyError(name)
    raw = _read(f"{name}.toml")
    activation, graphs = raw["activation"], raw["graphs"]
    return EngineProfile(
        name=raw["name"],
        engine=engine,
        utilization=raw["utilization"],
        graphs_in_budget=raw["graphs_in_budget"],
        hybrid_cache=raw["hybrid_cache"],
        group_ratio=raw["group_ratio"],
        checkpoint_cache=raw["checkpoint_cache"],
        rows=raw["rows"],
        defaults=tuple(
            StepDefaults(
                from_bytes=_bytes(step["from_gib"]),
                max_num_seqs=_pair(step["max_num_seqs"]),
                max_num_batched_tokens=_pair(step["max_num_batched_tokens"]),
                chunked_above=step.get("chunked_above"),
                chunk=step.get("chunk", 0),
            )
            for step in raw["defaults"]
        ),
        activation=ActivationRule(
            logits_bytes=Fraction(activation["logits_bytes"]),
            logits_copies=activation["logits_copies"],
            base=_bytes(activation["base"]),
            hidden_copies=activation["hidden_copies"],
            ffn_copies=activation["ffn_copies"],
            receive_copies=activation["receive_copies"],
            multimodal_copies=activation["multimodal_copies"],
            encoder=_triple(activation["encoder"]),
            experts=_fractions(activation["experts"]),
            relative=(Fraction(activation["relative"][0]), Fraction(activation["relative"][1])),
            absolute=_bytes(activation["absolute"]),
            quantized_copies=Fraction(activation["quantized_copies"]),
        ),
        non_torch=_by_degree(raw["non_torch"]),
        in_use=_by_degree(raw["in_use"]),
        graphs=GraphRule(
            base=graphs["base"] * GiB,
            per_layer=graphs["per_layer"] * GiB,
            per_hidden=graphs["per_kilo_hidden"] * GiB / 1000,
            experts=graphs["experts"] * GiB,
            absolute=_bytes(graphs["absolute"]),
        ),
    )


@cache
def _index() -> tuple[Mapping[str, Any], ...]:
    return tuple(_read("engines.toml")["profile"])


def _read(name: str) -> dict[str, Any]:
    text = read_text("llmjob.estimator", f"profiles/{name}")
    return tomllib.loads(text, parse_float=Fraction)


def _bytes(gib: Fraction | int) -> int:
    return ceil(Fraction(gib) * GiB)


def _triple(values: Sequence[Fraction]) -> Triple:
    low, expected, high = values
    return Triple(_bytes(low), _bytes(expected), _bytes(high))


def _pair(values: Sequence[int]) -> tuple[int, int]:
    low, high = values
    return low, high


def _fractions(values: Sequence[Fraction]) -> tuple[Fraction, Fraction, Fraction]:
    low, expected, high = values
    return Fraction(low), Fraction(expected), Fraction(high)


def _by_degree(raw: Mapping[str, Any]) -> ByDegree:
    return ByDegree(
        by_tensor=tuple((int(row[0]), _triple(row[1:])) for row in raw["by_tensor"]),
        pipeline=_triple(raw["pipeline"]),
    )
