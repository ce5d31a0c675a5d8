"""Labelled sets of texts as a run without labels is given them, and what is true of their records.

Each source is copied into a Parquet file of its own; every column that is no id is text.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

Pair = tuple[str, str]
# Ids, truth, and what says from which list or task a row is.
NOT_TEXT = {"record_id", "src_id", "cluster_id", "source", "dataset", "task"}


@dataclass(frozen=True)
class Truth:
    """All true pairs, ordered; with `side`, only pairs of two sides are compared."""

    positive: frozenset[Pair]
    side: dict[str, str] | None = None

    def comparable(self, members: list[str]) -> int:
        """How many pairs of these records are compared."""
        every = len(members) * (len(members) - 1) // 2
        if self.side is None:
            return every
        within = Counter(self.side[name] for name in members).values()
        return every - sum(count * (count - 1) // 2 for count in within)


@dataclass(frozen=True)
class Copied:
    """A set copied for a run: its files by their sources' names, its text columns, its truth."""

    folder: Path
    files: dict[str, Path]
    columns: tuple[str, ...]
    truth: Truth
    duplicate_free: tuple[str, ...]
    rows: int

    def sources(self, *, duplicate_free: bool = False) -> list[dict[str, Any]]:
        """The `sources` of a run's configuration."""
        columns = {"id": "record_id", "text": self.columns, "attributes": ()}
        return [
            {"type": "parquet", "name": name, "path": str(path), "columns": columns}
            | ({"duplicate_free": True} if duplicate_free and name in self.duplicate_free else {})
            for name, path in self.files.items()
        ]


@dataclass(frozen=True)
class LabelledSet:
    """Rows of a folder's `records.parquet`.

    Attributes:
        sides: values of its column `source`, two, where the truth is a list of pairs across them.
        duplicate_free: those of them that hold nothing twice.
        rows: values by column, of the rows that are taken. first: so many of them.
    """

    folder: str
    sides: tuple[str, ...] = ()
    duplicate_free: tuple[str, ...] = ()
    rows: dict[str, str] = field(default_factory=dict)
    first: int | None = None

    def copied(self, data: Path, to: Path) -> Copied:
        """Copy it below `to`, each source into a file."""
        table = pq.read_table(data / self.folder / "records.parquet")
        for column, value in self.rows.items():
            table = table.filter(pc.equal(table[column], value))
        table = table.slice(0, self.first)
        columns = tuple(name for name in table.column_names if name not in NOT_TEXT)
        parts = {"s": table}
        if self.sides:
            parts = {side: table.filter(pc.equal(table["source"], side)) for side in self.sides}
        to.mkdir(parents=True, exist_ok=True)
        files = {name: to / f"{name}.parquet" for name in parts}
        for name, part in parts.items():
            pq.write_table(part.select(["record_id", *columns]), files[name])
        truth = self._truth(data, table)
        return Copied(to, files, columns, truth, self.duplicate_free, table.num_rows)

    def _truth(self, data: Path, table: pa.Table) -> Truth:
        ids = table["record_id"].to_pylist()
        if not self.sides:
            members: dict[str, list[str]] = {}
            for name, cluster in zip(ids, table["cluster_id"].to_pylist(), strict=True):
                members.setdefault(cluster, []).append(name)
            return Truth(frozenset(pair for all_ in members.values() for pair in pairs_of(all_)))
        listed = pq.read_table(data / self.folder / "pairs.parquet")
        ends = zip(listed["left_id"].to_pylist(), listed["right_id"].to_pylist(), strict=True)
        known = dict(zip(ids, table["source"].to_pylist(), strict=True))
        positive = {(min(a, b), max(a, b)) for a, b in ends if a in known and b in known}
        return Truth(frozenset(positive), known)


def pairs_of(members: list[str]) -> list[Pair]:
    """All pairs of some records, ordered."""
    return list(combinations(sorted(members), 2))


def both(folder: str, *sides: str) -> LabelledSet:
    return LabelledSet(folder, sides, sides)


def names(task: str) -> LabelledSet:
    # The right list has several years' names of one thing.
    return LabelledSet("autofj_names", ("left", "right"), ("left",), {"task": task})


SETS = {
    "er_abt_buy": both("er_abt_buy", "abt", "buy"),
    "er_dblp_acm": both("er_dblp_acm", "dblp", "acm"),
    "chicago_early_childhood": LabelledSet("chicago_early_childhood"),
    "er_cora": LabelledSet("er_cora"),
    "febrl3": LabelledSet("febrl", rows={"dataset": "febrl3"}),
    "er_restaurants": both("er_restaurants", "rest1", "rest2"),
    "er_imdb_tmdb": both("er_imdb_tmdb", "imdb", "tmdb"),
    "historical_people": LabelledSet("historical_people_50k", first=5_000),
    "autofj_Artwork": names("Artwork"),
    "autofj_Drug": names("Drug"),
    "autofj_Hospital": names("Hospital"),
}
