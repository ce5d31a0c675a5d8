"""What changed since the run before, as the terminal and the report tell it."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.changes import told_as
from pipeline.reporting.members import Row
from pipeline.reporting.view import Change, Moved
from pipeline.reporting.visible import visible

Summary = dict[str, Any]

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


def record_words(summary: Summary) -> str:
    """How many records came, changed and went; empty for a first or an older run."""
    return _listed((summary.get("changes") or {}).get("records"), base=base_of(summary))


def cluster_words(summary: Summary) -> str:
    """What happened to clusters of two and more; empty for a first or an older run."""
    return _listed((summary.get("changes") or {}).get("clusters"), base=base_of(summary))


def base_of(summary: Summary) -> str | None:
    """The run that the changes are told against; None for a first or an older run."""
    base: str | None = (summary.get("changes") or {}).get("base")
    return base


def _listed(counts: dict[str, int] | None, *, base: str | None) -> str:
    if not counts or base is None:
        return ""
    return ", ".join(f"{n:,} {name}" for name, n in counts.items() if n) or "none"


def verdict_words(summary: Summary) -> str:
    """The verdicts that bind, and what is wrong with them; empty without any."""
    found = summary.get("verdicts") or {}
    kinds = [f"{found[n]:,} {n}" for n in ("same", "different", "related") if found.get(n)]
    if found.get("unknown"):
        kinds.append(f"{found['unknown']:,} on records that are gone")
    if found.get("contradictions"):
        kinds.append(f"{found['contradictions']:,} CONTRADICTORY (listed in the report)")
    return ", ".join(kinds)


def contradictions(summary: Summary) -> dict[str, Any]:
    """How many verdicts contradict another, and those that the summary lists."""
    found = summary.get("verdicts") or {}
    return {"count": found.get("contradictions", 0), "listed": found.get("contradictory", [])}


def moving_ids(told: pa.Table | None) -> set[str]:
    """Records that `show_changes` would show."""
    chosen = [row for rows in _chosen(told).values() for row in rows]
    return {
        record for row in chosen for side in ("added", "removed") for record in row[side][:RECORDS]
    }


def show_changes(told: pa.Table | None, rows: dict[str, Row]) -> tuple[Change, ...]:
    """The largest changes of each kind, each with records that moved."""
    return tuple(
        _change(row, kind, rows) for kind, chosen in _chosen(told).items() for row in chosen
    )


def _chosen(told: pa.Table | None) -> dict[str, list[Row]]:
    """Of each kind the events that moved the most records, clusters of two or more only."""
    if told is None or not len(told):
        return {}
    moved = pc.add(pc.list_value_length(told["added"]), pc.list_value_length(told["removed"]))
    table = told.append_column("moved", moved).append_column("told_as", pa.array(told_as(told)))
    return {kind: found for kind in TITLES if (found := _largest(table, kind))}


def _largest(table: pa.Table, kind: str) -> list[Row]:
    order = [("moved", "descending"), ("cluster_id", "ascending")]
    rows = table.filter(pc.equal(table["told_as"], kind)).sort_by(order)
    return list(rows.slice(0, CHANGES).to_pylist())


def _change(row: Row, kind: str, rows: dict[str, Row]) -> Change:
    others = [c for c in (*row["from_clusters"], *row["to_clusters"]) if c != row["cluster_id"]]
    moved = [
        _moved(record, sign, rows)
        for sign, side in (("+", "added"), ("−", "removed"))
        for record in row[side][:RECORDS]
    ]
    hidden = sum(max(len(row[side]) - RECORDS, 0) for side in ("added", "removed"))
    return Change(
        kind=kind,
        title=TITLES[kind],
        cluster_id=row["cluster_id"],
        size_before=row["size_before"],
        size_after=row["size_after"],
        others=tuple(sorted(set(others))),
        moved=tuple(moved),
        hidden=hidden,
    )


def _moved(record: str, sign: str, rows: dict[str, Row]) -> Moved:
    row = rows.get(record)
    text = (row or {}).get("text") or ("" if row else "no longer among the records")
    words = " ".join(text.split())
    shown = words if len(words) <= TEXT else f"{words[:TEXT].rstrip()}…"
    return Moved(sign=sign, record_id=visible(record, limit=200), text=visible(shown))
