"""Reuse: records, contents, near pairs and judged pairs of the previous run that still hold.

Everything here is exact: what stands is what a complete computation over tonight's records would
find again, because the two records, the settings and the model that it came from are the same.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.arrays import (
    Flags,
    Positions,
    pair_key,
    pair_sides,
    positions_in,
    positions_in_sorted,
)
from pipeline.candidates import CandidatePairs, ContentGroups, ProposedBy

# What makes a record another one; where it was first and last seen does not.
COMPARED = (
    "source", "text_hash", "image_hash", "word_count", "image_width", "image_height",
    "image_detail", "image_effective_side", "image_frames", "image_bits", "image_alpha",
    "image_quality", "image_raw", "image_beyond", "fields", "attributes", "timestamp",
)  # fmt: skip


@dataclass(frozen=True)
class RecordChanges:
    """How tonight's n records differ from last night's m.

    Attributes:
        place: (m,) tonight's row of each of last night's records, -1: gone.
        same: (n,) the record was there last night, equal in all that is `COMPARED`.
    """

    place: Positions
    same: Flags


def compare_records(current: pa.Table, previous: pa.Table) -> RecordChanges:
    """Compare two nights' records by id.

    Args:
        current, previous: record_id (each once) and the columns `COMPARED`.
    """
    place = positions_in(
        previous["record_id"].combine_chunks(), current["record_id"].combine_chunks()
    )
    stayed = np.flatnonzero(place >= 0)
    old, new = previous.take(pa.array(stayed)), current.take(pa.array(place[stayed]))
    equal = np.ones(len(stayed), bool)
    for name in COMPARED:
        equal &= _equal(old[name].combine_chunks(), new[name].combine_chunks())
    same = np.zeros(len(current), bool)
    same[place[stayed]] = equal
    return RecordChanges(place, same)


def _equal(first: pa.Array, second: pa.Array) -> Flags:
    """(n,) equal values, two nulls among them."""
    if pa.types.is_map(first.type):
        first, second = _spell(first), _spell(second)
    equal = pc.fill_null(pc.equal(first, second), False)
    neither = pc.and_(pc.is_null(first), pc.is_null(second))
    return np.asarray(pc.or_(equal, neither).to_numpy(zero_copy_only=False), bool)


def _spell(maps: pa.Array) -> pa.Array:
    """Each map of strings as one string, its entries in their own order."""
    first, last = maps.offsets[0].as_py(), maps.offsets[-1].as_py()
    keys, values = (part.slice(first, last - first) for part in (maps.keys, maps.items))
    entries = pc.binary_join_element_wise(keys, pc.fill_null(values, "\x00"), "\x1f")
    offsets = pc.subtract(maps.offsets, first)
    lists = pa.ListArray.from_arrays(offsets, entries)
    return pc.if_else(maps.is_valid(), pc.binary_join(lists, "\x1e"), pa.scalar(None, pa.string()))


@dataclass(frozen=True)
class ReusedDecisions:
    """Which of tonight's candidates were judged last night, and which groups have changed.

    Attributes:
        row: (p,) row of last night's pairs table for each candidate, -1: to be judged.
        touched: (g,) groups of which a record, a content or a pair is not as it was.
    """

    row: Positions
    touched: Flags


def reuse_decisions(
    groups: ContentGroups,
    candidates: CandidatePairs,
    *,
    ids: pa.Array,
    pairs: pa.Table,
    changes: RecordChanges,
    previous_leader: Positions,
    again: Flags,
) -> ReusedDecisions:
    """Find the candidates whose judgement stands.

    Args:
        ids: (n,) tonight's record ids by row. pairs: last night's, columns left_id, right_id and
            proposed_by, in the order of the rows that are pointed at.
        previous_leader: (m,) last night's leader of each of last night's records.
        again: (g,) groups with a content that is looked at as if it were new.
    """
    count = len(groups.rows)
    # An id that is gone has row -1, which leads no group.
    rows_of = [positions_in(pairs[name], ids) for name in ("left_id", "right_id")]
    sides = (
        positions_in_sorted(rows_of[0], groups.rows),
        positions_in_sorted(rows_of[1], groups.rows),
    )
    moved = again | ~changes.same[groups.rows]
    known = (sides[0] >= 0) & (sides[1] >= 0)
    known[known] = ~(moved[sides[0][known]] | moved[sides[1][known]])
    code = ProposedBy.from_words(pairs["proposed_by"])
    known &= code > 0  # exact copies have no candidate
    rows = np.flatnonzero(known)
    key = pair_key(sides[0][rows], sides[1][rows], count)
    order = np.argsort(key, kind="stable")
    rows, key = rows[order], key[order]
    at = positions_in_sorted(candidates.key, key)
    found = np.append(rows, -1)[at]
    # Found again by other means, the pair is another one.
    found[(found >= 0) & (np.append(code, -1)[found] != candidates.proposed_by)] = -1
    touched = _changed_groups(groups, changes, previous_leader) | again
    for side in pair_sides(candidates.key[found < 0], count):
        touched[side] = True
    gone = code > 0
    gone[found[found >= 0]] = False
    for side in sides:
        left_over = side[gone]
        touched[left_over[left_over >= 0]] = True
    return ReusedDecisions(found, touched)


def _changed_groups(
    groups: ContentGroups, changes: RecordChanges, previous_leader: Positions
) -> Flags:
    """(g,) groups with a record that is new, changed, or left by one that was its copy."""
    touched = np.zeros(len(groups.rows), bool)
    group_of_record = groups.group_of_record
    touched[group_of_record[~changes.same]] = True
    place = changes.place
    left = place < 0
    left[~left] = ~changes.same[place[~left]]
    shaken = np.zeros(len(place), bool)  # by row of last night's leader
    shaken[previous_leader[left]] = True
    stayed = (place >= 0) & shaken[previous_leader]
    touched[group_of_record[place[stayed]]] = True
    return touched


# Long texts repeated in millions of rows.
REPEATED = ("decision", "reason", "proposed_by", "model", "run")


def encode_strings(batch: pa.RecordBatch) -> pa.RecordBatch:
    columns = [
        column.dictionary_encode() if name in REPEATED else column
        for name, column in zip(batch.schema.names, batch.columns, strict=True)
    ]
    return pa.RecordBatch.from_arrays(columns, names=batch.schema.names)


def renumber_reasons(batch: CandidatePairs, number: Positions) -> CandidatePairs:
    """The same pairs of groups under other numbers, which ascend as theirs do.

    Args:
        number: (g,) new number of each group.
    """
    left, right = (number[side] for side in pair_sides(batch.key, len(number)))
    return replace(batch, key=pair_key(left, right, int(number[-1]) + 1))
