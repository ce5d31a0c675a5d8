"""Words and figures for what changed between two runs, and which changes are listed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.catalog import Changes, VerdictCounts
from pipeline.clustering import event_kinds

Row = dict[str, Any]

CHANGES = 6  # merges, splits and others listed, of each the largest
RECORDS = 8  # records listed of one change
TEXT = 160  # characters of a record's text
TITLES = {
    "merged": "Merged: clusters that became one",
    "split": "Split: clusters that fell apart",
    "new": "New: records that were alone or not there",
    "grown": "Grown",
    "changed": "Gained and lost records",
    "shrunk": "Shrunk",
    "dissolved": "Dissolved: at most one record is left",
}


def record_words(changes: Changes) -> str:
    """How many records came, changed and went; empty for a first run."""
    return _listed(changes, vars(changes.records), ("new", "changed", "deleted"))


def cluster_words(changes: Changes) -> str:
    """What happened to clusters of two and more; empty for a first run."""
    return _listed(changes, changes.clusters, ("new", *(k for k in TITLES if k != "new")))


def _listed(changes: Changes, counts: Mapping[str, int], names: tuple[str, ...]) -> str:
    if changes.base is None:
        return ""
    return ", ".join(f"{counts[n]:,} {n}" for n in names if counts.get(n)) or "none"


def verdict_words(found: VerdictCounts) -> str:
    """The verdicts that bind, and what is wrong with them; empty without any."""
    kinds = {"same": found.same, "different": found.different, "related": found.related}
    words = [f"{count:,} {name}" for name, count in kinds.items() if count]
    if found.unknown:
        words.append(f"{found.unknown:,} on records that are gone")
    if found.contradictions:
        words.append(f"{found.contradictions:,} CONTRADICTORY (listed in the report)")
    return ", ".join(words)


def choose_changes(told: pa.Table | None, clusters: pa.Table) -> list[Row]:
    """Of each kind the events that moved the most records, with one that stays to compare with.

    Clusters of two records or more only; the kinds in the order of `TITLES`.
    """
    if told is None or not len(told):
        return []
    moved = pc.add(pc.list_value_length(told["added"]), pc.list_value_length(told["removed"]))
    table = told.append_column("moved", moved).append_column("told_as", pa.array(event_kinds(told)))
    rows = [row for kind in TITLES for row in largest_first(table, kind)]
    return [{**row, "stays": _staying(row, clusters)} for row in rows]


def _staying(row: Row, clusters: pa.Table) -> str | None:
    """A record that was there before and still is: the representative, else the smallest id."""
    members = clusters.filter(pc.equal(clusters["cluster_id"], row["cluster_id"]))
    new = pc.is_in(members["record_id"], value_set=pa.array(row["added"], pa.string()))
    there = members.filter(pc.invert(new))
    heads = there.filter(pc.equal(there["record_id"], there["representative"]))
    smallest: str | None = pc.min((heads if len(heads) else there)["record_id"]).as_py()
    return smallest


def changed_ids(chosen: list[Row]) -> set[str]:
    """The records that `show_changes` shows."""
    return {record for row in chosen for _, record in records_of(row)}


def records_of(row: Row) -> list[tuple[str, str]]:
    """(role, record id), the one that stays first."""
    parts = [("joined", row["added"]), ("left", row["removed"])]
    moved = [(role, record) for role, side in parts for record in side[:RECORDS]]
    return [("stays", row["stays"]), *moved] if row["stays"] else moved


def largest_first(table: pa.Table, kind: str) -> list[Row]:
    order = [("moved", "descending"), ("cluster_id", "ascending")]
    rows = table.filter(pc.equal(table["told_as"], kind)).sort_by(order)
    return list(rows.slice(0, CHANGES).to_pylist())
