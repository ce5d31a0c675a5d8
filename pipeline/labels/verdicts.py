"""Persons' verdicts on pairs of records: the latest of each pair, contradictions settled.

*same* ties two records together and *different* keeps them apart, both through any number of other
verdicts. Where they contradict each other the newest stand, as `conflicts.RULE` says.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.arrays import Flags, Rows, as_strings, positions_in
from pipeline.labels.conflicts import find_overruled

# Of verdicts on one pair at one time the last in this list counts: what keeps records apart.
LABELS = ("same", "unsure", "related", "different")
SAME, UNSURE, RELATED, DIFFERENT = range(len(LABELS))
# Takes back what was said of a pair before: it is as if nobody had been asked.
WITHDRAWN = "withdrawn"
# Of a record and itself: whatever cluster it is in, it is the one to keep.
KEEP = "keep"
LISTED = 100  # contradictions listed in a run's summary; all are counted


@dataclass(frozen=True)
class Verdicts:
    """The verdicts that count, sorted by left and right.

    Attributes:
        left, right: (v,) rows of tonight's records, left < right, each pair once.
        label: (v,) SAME, RELATED or DIFFERENT.
        overruled_by: (v,) for a SAME or DIFFERENT that is not followed the place of one that stands
            against it, else -1.
        said: (v,) "by …, at …".
        facts: counts of verdicts, and the contradictions.
    """

    left: Rows
    right: Rows
    label: Rows
    overruled_by: Rows
    said: npt.NDArray[np.object_]
    facts: dict[str, Any]

    def ties(self) -> tuple[Rows, Rows]:
        """Rows that are tied together."""
        kept = self.places_of(SAME)
        return self.left[kept], self.right[kept]

    def places_of(self, label: int) -> Rows:
        """Where the verdicts of one label are that stand."""
        return np.flatnonzero((self.label == label) & (self.overruled_by < 0))

    def contradicted(self) -> Rows:
        """Rows of records that a contradiction is about."""
        lost = np.flatnonzero(self.overruled_by >= 0)
        both = np.concatenate([lost, self.overruled_by[lost]])
        return np.unique(np.concatenate([self.left[both], self.right[both]]))

    def among(self, kept: Flags) -> Verdicts:
        """The verdicts on records of a subset (n,), by their rows in it; both ends or none are."""
        here = kept[self.left]
        row, place = np.cumsum(kept) - 1, np.append(np.cumsum(here) - 1, -1)
        return replace(
            self,
            left=row[self.left[here]],
            right=row[self.right[here]],
            label=self.label[here],
            overruled_by=place[self.overruled_by[here]],
            said=self.said[here],
        )


def latest_verdicts(labels: pa.Table) -> pa.Table:
    """The latest verdict of each pair, left_id < right_id, sorted by the ids; self pairs left out,
    and pairs of which the latest was withdrawn.

    Of verdicts at the same time the one that keeps records apart counts, then the name.
    """
    one, other = labels["left_id"], labels["right_id"]
    swap = pc.greater(one, other)
    table = pa.table(
        {
            "left_id": pc.if_else(swap, other, one),
            "right_id": pc.if_else(swap, one, other),
            "at": labels["at"],
            "code": pc.subtract(
                pc.index_in(labels["label"], value_set=pa.array([WITHDRAWN, *LABELS])), 1
            ),
            "by": labels["by"],
            "label": labels["label"],
        }
    ).filter(pc.not_equal(one, other))
    table = table.sort_by([(name, "ascending") for name in table.column_names])
    if not len(table):
        return table
    last = np.ones(len(table), bool)
    equal = [pc.equal(table[n][1:], table[n][:-1]).to_numpy() for n in ("left_id", "right_id")]
    last[:-1] = ~(equal[0] & equal[1])
    stands = pc.fill_null(pc.greater_equal(table["code"], 0), True)
    return table.filter(pc.and_(pa.array(last), stands))


def settle_verdicts(labels: pa.Table, records: pa.Array) -> Verdicts:
    """Settle verdicts on tonight's records.

    Args:
        labels: `LABELS`, append-only.
        records: (n,) record ids, ascending.
    """
    table = latest_verdicts(labels)
    left, right = positions_in(table["left_id"], records), positions_in(table["right_id"], records)
    code = np.asarray(pc.fill_null(table["code"], UNSURE).to_numpy(), np.int64)
    known = (left >= 0) & (right >= 0)
    binding = known & (code != UNSURE)
    stamps = pc.strftime(table["at"], format="%Y-%m-%d %H:%M:%SZ").to_pylist()
    names = table["by"].to_pylist()
    said = np.array([f"by {n}, at {w[:16]}Z" for n, w in zip(names, stamps, strict=True)], object)
    at = np.asarray(table["at"].cast(pa.int64()).to_numpy(), np.int64)[binding]
    left, right, label = left[binding], right[binding], code[binding]
    by = np.full(len(left), -1)
    plain = np.flatnonzero(label != RELATED)
    found = find_overruled(
        len(records),
        left[plain],
        right[plain],
        same=label[plain] == SAME,
        rank=np.zeros(len(plain), np.int64),
        at=at[plain],
    )
    by[plain] = np.where(found >= 0, np.append(plain, -1)[found], -1)
    facts = {
        **{name: int((code[known] == n).sum()) for n, name in enumerate(LABELS)},
        "unknown": int((~known).sum()),
        "contradictions": int((by >= 0).sum()),
    }
    verdicts = Verdicts(left, right, label, by, said[binding], facts)
    return replace(verdicts, facts={**facts, "contradictory": _list(verdicts, records)})


def no_verdicts() -> Verdicts:
    """No verdicts at all."""
    rows = np.zeros(0, np.int64)
    return Verdicts(rows, rows, rows, rows, np.zeros(0, object), {})


def _list(found: Verdicts, records: pa.Array) -> list[dict[str, Any]]:
    """The verdicts that are not followed, each with one that stands against it."""

    def told(place: int) -> dict[str, str]:
        return {
            "left": records[int(found.left[place])].as_py(),
            "right": records[int(found.right[place])].as_py(),
            "label": LABELS[found.label[place]],
            "said": str(found.said[place]),
        }

    lost = np.flatnonzero(found.overruled_by >= 0)[:LISTED]
    return [{"dropped": told(p), "kept": told(found.overruled_by[p])} for p in lost]


def kept_records(labels: pa.Table) -> set[str]:
    """Ids of the records that persons want to be kept, by the latest that was said of each."""
    own = labels.filter(pc.equal(labels["left_id"], labels["right_id"]))
    rows = own.select(["left_id", "at", "label"]).to_pylist()
    # Of one moment a withdrawal counts.
    rows.sort(key=lambda row: (row["at"], row["label"] == WITHDRAWN))
    latest = {row["left_id"]: row["label"] for row in rows}
    return {record for record, label in latest.items() if label == KEEP}


def changed_pairs(
    before: pa.Table | None, after: pa.Table, *, gone: pa.Array | None = None
) -> pa.Array:
    """Ids of records whose verdicts are not those of last night.

    Args:
        before, after: `LABELS` as last night and tonight read them; None: there were none.
        gone: ids of last night's records that are there no more: a verdict on one of them and
            another record is followed no longer.
    """
    new = latest_verdicts(after)
    lone: list[pa.Array] = []
    if gone is not None:
        sides = [new["left_id"], new["right_id"]]
        lost = pc.or_(*(pc.is_in(side, value_set=gone) for side in sides))
        lone = [as_strings(side.filter(lost)) for side in sides]
    if before is not None:
        keys = new.column_names
        old = latest_verdicts(before)
        gone = old.join(new, keys=keys, join_type="left anti")
        new = pa.concat_tables([new.join(old, keys=keys, join_type="left anti"), gone])
    kept = kept_records(after) ^ (set() if before is None else kept_records(before))
    ends = [as_strings(new["left_id"]), as_strings(new["right_id"])]
    return pc.unique(pa.concat_arrays([*lone, *ends, pa.array(sorted(kept), pa.string())]))
