"""Decisions inside duplicate-free sources: two records of one are no duplicates, however alike.

The probability stays, and the reason keeps what the judge found. A pair that the judge accepted is
still a link for clustering: other records may have the same contents. There it is a cut link.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.arrays import Flags
from pipeline.matching.judge import DISTINCT, DUPLICATE

ONE_SOURCE = "two records of one duplicate-free source"
ALIKE = f", but {ONE_SOURCE}"  # after the reason of a pair that the judge accepted


def keep_promises(rows: pa.RecordBatch, sources: Sequence[str]) -> pa.RecordBatch:
    """Rows of the pairs table, those between two records of one of the `sources` not accepted."""
    if not sources or not rows.num_rows:
        return rows
    names = pa.array(sources, pa.string())
    left, right = (
        pc.index_in(pc.list_element(pc.split_pattern(rows[side], ":", max_splits=1), 0), names)
        for side in ("left_id", "right_id")
    )
    inside = pc.and_(
        pc.fill_null(pc.equal(left, right), False), pc.not_equal(rows["decision"], DISTINCT)
    )
    if not pc.any(inside).as_py():
        return rows
    told = pc.if_else(
        pc.equal(rows["decision"], DUPLICATE),
        pc.binary_join_element_wise(rows["reason"], ALIKE, ""),
        ONE_SOURCE,
    )
    columns = dict(zip(rows.schema.names, rows.columns, strict=True))
    columns["decision"] = pc.if_else(inside, DISTINCT, rows["decision"])
    columns["reason"] = pc.if_else(inside, told, rows["reason"])
    return pa.record_batch(columns, schema=rows.schema)


def in_one_source(rows: pa.RecordBatch) -> Flags:
    """(p,) pairs that `keep_promises` made distinct."""
    return _ends(rows, ONE_SOURCE)


def alike_in_one_source(rows: pa.RecordBatch) -> Flags:
    """(p,) those of them that the judge had accepted."""
    return _ends(rows, ALIKE)


def judged_across(pairs: pa.Table) -> pa.Table:
    """The pairs that no promise of a source has decided."""
    return pairs.filter(pc.invert(pc.ends_with(pairs["reason"], ONE_SOURCE)))


def _ends(rows: pa.RecordBatch, phrase: str) -> Flags:
    """(p,) reasons that end with a phrase."""
    reason = rows["reason"].dictionary_encode()
    said = pc.ends_with(reason.dictionary, phrase).to_numpy(zero_copy_only=False)
    found: Flags = np.asarray(said, bool)[reason.indices.to_numpy()]
    return found
