"""Contents of an export: clusters, pairs, survivors, removals, quarantine, as (schema, batches).

Rows are sorted by id and batched the same way whatever the order of the tables given, so equal
results are equal files, byte for byte.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.outputs.exporters.columns import named_columns

BATCH_ROWS = 65_536
EVIDENCE = (
    "text_cosine", "image_cosine", "lexical", "token_overlap", "edit_similarity", "length_ratio",
    "code_agreement", "difference", "differences", "exact_text", "exact_image", "decision",
    "confirmed", "proposed_by",
    "model", "threshold",
)  # fmt: skip
_OWN = ["record_id", "source", "timestamp", "image_uri"]
Contents = tuple[pa.Schema, Iterator[pa.RecordBatch]]


def is_removed(
    clusters: pa.Table, *, include_review: bool = False, min_probability: float | None = None
) -> pa.ChunkedArray:
    """Which rows of `clusters` a removal list names; the others survive, each record one or other.

    A record goes when its cluster keeps another one, is confirmed (or `include_review`), and the
    record is at least so probable to be the kept one's duplicate. A representative never goes, nor
    does what is the same file or row under another name: removing it would remove both.
    """
    gone = pc.not_equal(clusters["record_id"], clusters["representative"])
    gone = pc.and_(gone, pc.invert(clusters["same_thing"]))
    if not include_review:
        gone = pc.and_(gone, pc.equal(clusters["status"], "confirmed"))
    if min_probability is not None:
        sure = _at_least(clusters["probability_to_representative"], min_probability)
        gone = pc.and_(gone, sure)
    return gone


def export_clusters(
    clusters: pa.Table, *, min_size: int = 1, min_probability: float | None = None
) -> Contents:
    """Every record with its cluster, singletons too, by record_id.

    With `min_probability`, members less probable to be their representative's duplicate are left
    out, and `size` and `cohesion` describe what is exported. Then clusters of fewer than `min_size`
    records are left out.
    """
    table = clusters
    if min_probability is not None:
        table = _narrow(table, min_probability)
    return _batch(table.filter(pc.greater_equal(table["size"], min_size)), by=("record_id",))


def export_pairs(pairs: pa.Table, min_probability: float | None = None) -> Contents:
    """Scored pairs, rejected ones too unless `min_probability` leaves them out, by ids."""
    table = pairs
    if min_probability is not None:
        table = table.filter(_at_least(table["probability"], min_probability))
    return _batch(table, by=("left_id", "right_id"))


def export_quarantine(quarantine: pa.Table) -> Contents:
    """The rows that are no records, with their place, reason and what was read of them, by place.

    Survivors, removals and these are all the rows that were delivered.
    """
    return _batch(quarantine, by=("source", "location"))


def export_survivors(
    records: pa.Table,
    clusters: pa.Table,
    *,
    include_review: bool = False,
    min_probability: float | None = None,
    merge_attributes: bool = False,
) -> Contents:
    """Every record that `removals` with the same options does not name, as its source has it.

    Columns: record_id, source, key, every field and attribute by name, timestamp, image_uri,
    cluster_id, size (of the cluster). A name met twice gets a suffix: see `named_columns`. With
    `merge_attributes`, a survivor's empty fields and attributes are filled from the records that go
    in its favour, the most probable duplicate first, then by record_id; timestamp and image_uri
    stay its own. By record_id.
    """
    gone = is_removed(clusters, include_review=include_review, min_probability=min_probability)
    kept_by = pc.if_else(gone, clusters["representative"], clusters["record_id"])
    members = clusters.append_column("kept_by", kept_by)
    members = members if merge_attributes else members.filter(pc.invert(gone))
    members = _ordered_members(members)
    at = pc.index_in(members["record_id"], value_set=records["record_id"].combine_chunks())
    members, at = members.filter(at.is_valid()), at.drop_null()
    starts = _starts(members["kept_by"])
    kept, own = members.take(starts), records.select(_OWN).take(at.take(starts))
    table = {
        "record_id": own["record_id"],
        "source": own["source"],
        "key": _key(own["record_id"]),
        **named_columns(records, rows=at, starts=starts),
        "timestamp": own["timestamp"],
        "image_uri": own["image_uri"],
        "cluster_id": kept["cluster_id"],
        "size": kept["size"],
    }
    # Without its own row a record does not survive: a copy must not pass for it.
    present = pc.equal(kept["record_id"], kept["kept_by"])
    return _batch(pa.table(table).filter(present), by=("record_id",))


def export_removals(
    records: pa.Table,
    clusters: pa.Table,
    pairs: pa.Table,
    *,
    include_review: bool = False,
    min_probability: float | None = None,
) -> Contents:
    """The records whose confirmed cluster keeps another one, with the evidence, by record_id.

    Members of clusters in review are listed with `include_review` only; `status` tells them apart.
    Nothing is removed by this list: it is a suggestion to act on. A record tied to the kept one
    through an identical third has no pair row: its scores are null and `reason` says so.
    """
    gone = clusters.filter(
        is_removed(clusters, include_review=include_review, min_probability=min_probability)
    )
    table = _with_evidence(gone, pairs)
    paired = pc.is_valid(table["reason"])
    same = {
        name: pc.if_else(paired, table[name], _same(table, records, column=column))
        for name, column in (("exact_text", "text_hash"), ("exact_image", "image_hash"))
    }
    link = pc.if_else(
        pc.or_(same["exact_text"], same["exact_image"]),
        "identical to the kept record; no pair row of its own",
        "tied to the kept record through an identical record; no pair row of its own",
    )
    reason = pc.if_else(paired, table["reason"], link)
    columns = {
        "record_id": table["record_id"],
        "source": _source(table["record_id"]),
        "key": _key(table["record_id"]),
        "cluster_id": table["cluster_id"],
        "kept": table["representative"],
        "status": table["status"],
        "reason": pc.binary_join_element_wise(table["keeper_reason"], reason, "; "),
        "probability_to_representative": table["probability_to_representative"],
        **{name: same.get(name, table[name]) for name in EVIDENCE},
    }
    return _batch(pa.table(columns), by=("record_id",))


def _narrow(table: pa.Table, min_probability: float) -> pa.Table:
    """Keep probable members only, with size and cohesion (1 for a single) of what is left."""
    table = table.filter(_at_least(table["probability_to_representative"], min_probability))
    left = table.group_by("cluster_id").aggregate(
        [("record_id", "count"), ("probability_to_representative", "min")]
    )
    at = pc.index_in(table["cluster_id"], value_set=left["cluster_id"].combine_chunks())
    size = left["record_id_count"].cast(pa.int32()).take(at)
    cohesion = left["probability_to_representative_min"].take(at)
    names = table.column_names
    table = table.set_column(names.index("size"), table.schema.field("size"), size)
    return table.set_column(names.index("cohesion"), table.schema.field("cohesion"), cohesion)


def _at_least(probability: pa.ChunkedArray, least: float) -> pa.ChunkedArray:
    """Compare in float32: a stored 0.9 is at least 0.9."""
    return pc.greater_equal(probability, pa.scalar(np.float32(least), pa.float32()))


def _ordered_members(members: pa.Table) -> pa.Table:
    """What one record is kept for together, that one first, then by probability and record_id."""
    first = pc.equal(members["record_id"], members["kept_by"])
    return members.append_column("first", first).sort_by(
        [
            ("kept_by", "ascending"),
            ("first", "descending"),
            ("probability_to_representative", "descending"),
            ("record_id", "ascending"),
        ]
    )


def _starts(groups: pa.ChunkedArray) -> np.ndarray:
    """Positions (int64) where a new group starts in a column sorted by group."""
    if len(groups) == 0:
        return np.zeros(0, np.int64)
    changes = pc.not_equal(groups[1:], groups[:-1]).to_numpy()
    return np.concatenate([[0], np.flatnonzero(changes) + 1]).astype(np.int64)


def _with_evidence(gone: pa.Table, pairs: pa.Table) -> pa.Table:
    """Join each member with the row of its pair to the representative, null where there is none."""
    member, kept = gone["record_id"], gone["representative"]
    before = pc.less(member, kept)
    gone = gone.append_column("left_id", pc.if_else(before, member, kept))
    gone = gone.append_column("right_id", pc.if_else(before, kept, member))
    evidence = pairs.select(["left_id", "right_id", "reason", *EVIDENCE])
    return gone.join(evidence, keys=["left_id", "right_id"], join_type="left outer")


def _same(table: pa.Table, records: pa.Table, *, column: str) -> pa.ChunkedArray:
    """Whether member and representative have the same content; false when one has none."""
    ids = records["record_id"].combine_chunks()
    hashes = [
        records[column].take(pc.index_in(table[name], value_set=ids))
        for name in ("record_id", "representative")
    ]
    return pc.fill_null(pc.equal(*hashes), False)


def _source(ids: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.replace_substring_regex(ids, pattern="(?s):.*", replacement="", max_replacements=1)


def _key(ids: pa.ChunkedArray) -> pa.ChunkedArray:
    """The id without its 'source:' prefix; source names hold no colon."""
    return pc.replace_substring_regex(ids, pattern="^[^:]*:", replacement="", max_replacements=1)


def _batch(table: pa.Table, *, by: tuple[str, ...]) -> Contents:
    """Sort, and cut into batches that do not depend on how the input was chunked."""
    order = pc.sort_indices(table, sort_keys=[(name, "ascending") for name in by])
    table = table.take(order).combine_chunks()
    # What needed 64-bit offsets as a whole does not batch by batch.
    schema = pa.schema(
        [f.with_type(pa.string()) if f.type == pa.large_string() else f for f in table.schema]
    )
    return schema, (batch.cast(schema) for batch in table.to_batches(max_chunksize=BATCH_ROWS))
