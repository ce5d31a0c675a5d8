"""Groups of duplicates as a person reads them: together, the kept one first, in own columns."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.arrays import as_array
from pipeline.outputs.exporters.columns import named_columns
from pipeline.outputs.exporters.contents import BATCH_ROWS, Contents

LOOK, DIFFER = "look first: ", ", but differ: "  # before why a person should, and what differs
UNLIKE = f"{LOOK}its records are not all alike"
LINKED = "tied to the kept record through an identical record"


def export_groups(
    records: pa.Table, clusters: pa.Table, pairs: pa.Table, cut_links: pa.Table
) -> Contents:
    """Every group of two or more: `group_rows` with the records' own columns, in that order.

    Columns: group, action, reason, differs, probability, place (file and row), source, every field
    and attribute by name, timestamp, image_uri, record_id, kept, cluster_id, size.
    """
    rows = group_rows(clusters, pairs, cut_links)
    at = pc.index_in(rows["record_id"], value_set=as_array(records["record_id"]))
    rows, at = rows.filter(at.is_valid()), as_array(at.drop_null())
    own = records.select(["location", "source", "timestamp", "image_uri"]).take(at)
    cells = named_columns(records, rows=at, starts=np.arange(len(at)))
    front = ("group", "action", "reason", "differs", "probability")
    table = pa.table(
        {
            **{name: rows[name] for name in front},
            "place": own["location"],
            **({"source": own["source"]} if len(pc.unique(own["source"])) > 1 else {}),
            **{name if name not in front else f"{name}_field": c for name, c in cells.items()},
            "timestamp": own["timestamp"],
            "image_uri": own["image_uri"],
            **{name: rows[name] for name in ("record_id", "kept", "cluster_id", "size")},
        }
    )
    empty = [
        name
        for name in ("timestamp", "image_uri", "differs")
        if table[name].null_count == len(table)
    ]
    table = table.drop_columns(empty).combine_chunks()
    return table.schema, iter(table.to_batches(max_chunksize=BATCH_ROWS))


def group_rows(clusters: pa.Table, pairs: pa.Table, cut_links: pa.Table) -> pa.Table:
    """Every member of a group of two or more, the surest group first, the kept record first in it.

    Returns:
        group: int64 from 1. action: keep / remove / look, the last where a person should look
        first. reason: why, in words. differs: what differs from the kept record, null where nobody
        looked. probability: of being its duplicate, 0 … 1. And record_id, kept, cluster_id, size,
        status, cohesion, evidence.
    """
    rows = clusters.filter(pc.greater(clusters["size"], 1))
    kept = pc.equal(rows["record_id"], rows["representative"])
    rows = rows.append_column("is_kept", kept)
    least = rows.group_by("cluster_id").aggregate([("record_id", "min")])
    at = pc.index_in(rows["cluster_id"], value_set=as_array(least["cluster_id"]))
    rows = rows.append_column("first", least["record_id_min"].take(at)).sort_by(
        [
            ("status", "ascending"),  # confirmed, review
            ("cohesion", "descending"),
            ("first", "ascending"),
            ("is_kept", "descending"),
            ("probability_to_representative", "descending"),
            ("record_id", "ascending"),
        ]
    )
    ids = rows["cluster_id"]
    new = [0, *pc.not_equal(ids[1:], ids[:-1]).to_pylist()] if len(rows) else []
    reasons, differs = _reasons(rows, pairs)
    doubted = doubts(rows, pairs, cut_links)
    waits = pc.equal(rows["status"], "review").to_pylist()
    said = [
        f"{reason}; {doubted.get(cluster, UNLIKE)}" if wait and keep else reason
        for reason, wait, keep, cluster in zip(
            reasons, waits, rows["is_kept"].to_pylist(), ids.to_pylist(), strict=True
        )
    ]
    gone = pc.if_else(pc.equal(rows["status"], "review"), "look", "remove")
    return pa.table(
        {
            "group": pa.array(np.cumsum(np.array(new, np.int64)) + 1, pa.int64()),
            "action": pc.if_else(rows["is_kept"], "keep", gone),
            "reason": pa.array(said, pa.string()),
            "differs": pa.array(differs, pa.string()),
            "probability": rows["probability_to_representative"],
            "record_id": rows["record_id"],
            "kept": rows["representative"],
            **{n: rows[n] for n in ("cluster_id", "size", "status", "cohesion", "evidence")},
        }
    )


def _reasons(rows: pa.Table, pairs: pa.Table) -> tuple[list[str], list[str | None]]:
    """Why each row is where it is, and what differs from the record that is kept."""
    wanted = {
        (min(a, b), max(a, b))
        for a, b in zip(
            rows["record_id"].to_pylist(), rows["representative"].to_pylist(), strict=True
        )
    }
    told = _told(pairs, wanted)
    reasons: list[str] = []
    differs: list[str | None] = []
    for row in rows.select(["record_id", "representative", "is_kept", "keeper_reason"]).to_pylist():
        ends = (row["record_id"], row["representative"])
        reason, difference = told.get((min(ends), max(ends)), (LINKED, None))
        reasons.append(f"kept: {row['keeper_reason']}" if row["is_kept"] else reason)
        differs.append(None if row["is_kept"] else difference)
    return reasons, differs


def _told(
    pairs: pa.Table, wanted: set[tuple[str, str]]
) -> dict[tuple[str, str], tuple[str, str | None]]:
    """Reason and differences of some pairs."""
    ends = pa.array(sorted({left for left, _ in wanted}), pa.string())
    near = pairs.filter(pc.is_in(pairs["left_id"], value_set=ends))
    names = ("left_id", "right_id", "reason", "differences")
    return {
        (left, right): (reason, differences or None)
        for left, right, reason, differences in zip(
            *(near[name].to_pylist() for name in names), strict=True
        )
        if (left, right) in wanted
    }


def doubts(rows: pa.Table, pairs: pa.Table, cut_links: pa.Table) -> dict[str, str]:
    """Why each cluster in review is: its least sure pair in words, else the links that were cut.

    Args:
        rows: all members of some clusters, with the columns of the table of clusters.
        pairs: with those pairs at least that `least_sure` gives.
    """
    found: dict[str, str] = {}
    weak = least_sure(rows, pairs)
    for cluster, reason, differences in zip(
        *(weak[name].to_pylist() for name in ("cluster", "reason", "differences")), strict=True
    ):
        told = f"{DIFFER}{differences}" if differences else ""
        found.setdefault(cluster, f"{LOOK}{reason}{told}")
    ids, of = _in_review(rows)
    for side in ("left_id", "right_id"):
        cut = of.take(pc.index_in(as_array(cut_links[side]), value_set=ids))
        for cluster, reason in zip(cut.to_pylist(), cut_links["reason"].to_pylist(), strict=True):
            if cluster is not None:
                found.setdefault(cluster, f"{LOOK}a link to another group was cut: {reason}")
    return found


def least_sure(rows: pa.Table, pairs: pa.Table) -> pa.Table:
    """The pair rows inside clusters in review that nobody is sure of, with their `cluster`.

    The least probable pair of each cluster is first, and of some pairs alone it is kept: a table of
    pairs may be looked at part by part.
    """
    ids, of = _in_review(rows)
    ends = [
        of.take(pc.index_in(as_array(pairs[s]), value_set=ids)) for s in ("left_id", "right_id")
    ]
    inside = pc.fill_null(pc.equal(*ends), False)
    unsure = pc.and_(inside, pc.invert(as_array(pairs["confirmed"])))
    weak = pairs.filter(unsure).append_column("cluster", ends[0].filter(unsure))
    keys = ("probability", "left_id", "right_id")
    weak = weak.sort_by([(name, "ascending") for name in keys])
    clusters = as_array(weak["cluster"]).dictionary_encode().indices
    _, first = np.unique(np.asarray(clusters, np.int64), return_index=True)
    return weak.take(pa.array(np.sort(first), pa.int64()))


def _in_review(rows: pa.Table) -> tuple[pa.Array, pa.Array]:
    """The records of clusters in review, and the cluster of each."""
    doubted = rows.filter(pc.equal(rows["status"], "review"))
    return as_array(doubted["record_id"]), as_array(doubted["cluster_id"])
