"""Groups of measured rows: which rows of which file, read how, compared by what."""

import csv
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache
from pathlib import Path

from benchmarks.accuracy.configs import DATA

Row = Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Column filters and what is required; `inside` and `width` are None where a group is only shown."""

    name: str
    file: str
    reader: str
    measure: str
    inside: float | None = None
    width: float | None = None
    where: Mapping[str, list[str]] = field(default_factory=dict)
    without: Mapping[str, list[str]] = field(default_factory=dict)
    least: Mapping[str, float] = field(default_factory=dict)
    present: list[str] = field(default_factory=list)
    absent: list[str] = field(default_factory=list)
    whole: list[str] = field(default_factory=list)
    one_per: list[str] = field(default_factory=list)

    def rows(self) -> list[Row]:
        """The group's rows, in the file's order."""
        kept: list[Row] = []
        seen: set[tuple[str, ...]] = set()
        for row in _read(self.file):
            if not self._holds(row):
                continue
            key = tuple(_cell(row, column) for column in self.one_per)
            if key and key in seen:
                continue
            seen.add(key)
            kept.append(row)
        return kept

    def _holds(self, row: Row) -> bool:
        return (
            all(row[column] in values for column, values in self.where.items())
            and not any(row[column] in values for column, values in self.without.items())
            and all(row[column] for column in self.present)
            and not any(row[column] for column in self.absent)
            and all(len(set(row[column].split("/"))) == 1 for column in self.whole)
            and all(row[column] and Fraction(row[column]) >= value for column, value in self.least.items())
        )


def load_groups(path: Path = Path(__file__).parent / "groups.toml") -> tuple[Group, ...]:
    """Every group, in the file's order."""
    return tuple(Group(**raw) for raw in tomllib.loads(path.read_text())["group"])


def named(groups: Iterable[Group], name: str) -> Group:
    """A group by name.

    Raises:
        ValueError: when there is none; the message lists the names.
    """
    found = {group.name: group for group in groups}
    if name not in found:
        raise ValueError(f"no group {name!r}; there are {', '.join(found)}")
    return found[name]


def _cell(row: Row, column: str) -> str:
    """A column, or the dtype that a variant of vllm_h100.csv names."""
    if column == "dtype" and "dtype" not in row:
        return "-".join(word for word in row["variant"].split("-") if word.startswith(("dt", "q")))
    return row[column]


@cache
def _read(name: str) -> tuple[Row, ...]:
    with (DATA / name).open(newline="") as file:
        return tuple(csv.DictReader(file))
