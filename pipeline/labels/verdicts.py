"""Persons' verdicts on pairs of records: the latest of each pair, contradictions settled.

*same* ties two records together and *different* keeps them apart, both through any number of other
verdicts. Where they contradict each other *different* stands: the *same* are taken up from the
newest on, and one that would tie two records together that a *different* keeps apart is dropped.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from scipy.cluster.hierarchy import DisjointSet

from pipeline.arrays import Flags, Rows, as_strings, components, positions_in

# Of verdicts on one pair at one time the last in this list counts: what keeps records apart.
LABELS = ("same", "unsure", "related", "different")
SAME, UNSURE, RELATED, DIFFERENT = range(len(LABELS))
LISTED = 100  # contradictions listed in a run's summary; all are counted


@dataclass(frozen=True)
class Verdicts:
    """The verdicts that count, sorted by left and right.

    Attributes:
        left, right: (v,) rows of tonight's records, left < right, each pair once.
        label: (v,) SAME, RELATED or DIFFERENT.
        dropped: (v,) for a SAME that is dropped the place of the DIFFERENT it contradicts, else -1.
        said: (v,) "by …, at …".
        facts: counts of verdicts, and the contradictions.
    """

    left: Rows
    right: Rows
    label: Rows
    dropped: Rows
    said: npt.NDArray[np.object_]
    facts: dict[str, Any]

    def ties(self) -> tuple[Rows, Rows]:
        """Rows that are tied together."""
        kept = (self.label == SAME) & (self.dropped < 0)
        return self.left[kept], self.right[kept]

    def places_of(self, label: int) -> Rows:
        """Where the verdicts of one label are."""
        return np.flatnonzero(self.label == label)

    def contradicted(self) -> Rows:
        """Rows of records that a contradiction is about."""
        lost = np.flatnonzero(self.dropped >= 0)
        both = np.concatenate([lost, self.dropped[lost]])
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
            dropped=place[self.dropped[here]],
            said=self.said[here],
        )


def latest_verdicts(labels: pa.Table) -> pa.Table:
    """The latest verdict of each pair, left_id < right_id, sorted by the ids; self pairs left out.

    Of verdicts at the same time the one that keeps records apart counts, then the name.
    """
    one, other = labels["left_id"], labels["right_id"]
    swap = pc.greater(one, other)
    table = pa.table(
        {
            "left_id": pc.if_else(swap, other, one),
            "right_id": pc.if_else(swap, one, other),
            "at": labels["at"],
            "code": pc.index_in(labels["label"], value_set=pa.array(LABELS)),
            "by": labels["by"],
        }
    ).filter(pc.not_equal(one, other))
    table = table.sort_by([(name, "ascending") for name in table.column_names])
    if not len(table):
        return table
    last = np.ones(len(table), bool)
    equal = [pc.equal(table[n][1:], table[n][:-1]).to_numpy() for n in ("left_id", "right_id")]
    last[:-1] = ~(equal[0] & equal[1])
    return table.filter(pa.array(last))


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
    dropped = _contradictions(len(records), left, right, label, at)
    facts = {
        **{name: int((code[known] == n).sum()) for n, name in enumerate(LABELS)},
        "unknown": int((~known).sum()),
        "contradictions": int((dropped >= 0).sum()),
    }
    found = Verdicts(left, right, label, dropped, said[binding], facts)
    return replace(found, facts={**facts, "contradictory": _list(found, records)})


def no_verdicts() -> Verdicts:
    """No verdicts at all."""
    rows = np.zeros(0, np.int64)
    return Verdicts(rows, rows, rows, rows, np.zeros(0, object), {})


def _contradictions(count: int, left: Rows, right: Rows, label: Rows, at: Rows) -> Rows:
    """(v,) for each SAME to drop the DIFFERENT it contradicts, else -1."""
    dropped = np.full(len(left), -1)
    same, different = np.flatnonzero(label == SAME), np.flatnonzero(label == DIFFERENT)
    if not len(same) or not len(different):
        return dropped
    home = components(count, left[same], right[same])
    torn = different[home[left[different]] == home[right[different]]]
    same = same[np.isin(home[left[same]], home[left[torn]])]
    ties = _Ties()
    for place in torn:
        ties.part(int(left[place]), int(right[place]), int(place))
    for place in same[np.lexsort((right[same], left[same], -at[same]))]:
        dropped[place] = ties.tie(int(left[place]), int(right[place]))
    return dropped


class _Ties:
    """Records tied together, one by one, against those kept apart."""

    def __init__(self) -> None:
        self.groups = DisjointSet()
        self.enemies: dict[int, dict[int, int]] = {}  # by root of a group

    def part(self, one: int, other: int, place: int) -> None:
        """Keep two records apart by the verdict at `place`; before anything is tied."""
        self.enemies.setdefault(one, {})[other] = place
        self.enemies.setdefault(other, {})[one] = place

    def tie(self, one: int, other: int) -> int:
        """Tie two records together, or return the place of the verdict against it; -1: done."""
        for record in (one, other):
            self.groups.add(record)
        roots = self.groups[one], self.groups[other]
        if roots[0] == roots[1]:
            return -1
        if roots[1] in self.enemies.get(roots[0], {}):
            return self.enemies[roots[0]][roots[1]]
        self.groups.merge(*roots)
        root = self.groups[one]
        gone = roots[0] if root == roots[1] else roots[1]
        theirs = self.enemies.setdefault(root, {})
        for enemy, place in self.enemies.pop(gone, {}).items():
            least = min(place, theirs.get(enemy, place))
            theirs[enemy] = least
            del self.enemies[enemy][gone]
            self.enemies[enemy][root] = least
        return -1


def _list(found: Verdicts, records: pa.Array) -> list[dict[str, Any]]:
    """Each dropped *same* with the *different* that stands against it."""

    def told(place: int) -> dict[str, str]:
        ends = {"left": found.left[place], "right": found.right[place]}
        return {
            **{side: records[int(row)].as_py() for side, row in ends.items()},
            "said": str(found.said[place]),
        }

    lost = np.flatnonzero(found.dropped >= 0)[:LISTED]
    return [{"same": told(p), "different": told(int(found.dropped[p]))} for p in lost]


def changed_pairs(before: pa.Table | None, after: pa.Table) -> pa.Array:
    """Ids of records whose verdicts are not those of last night.

    Args:
        before, after: `LABELS` as last night and tonight read them; None: there were none.
    """
    new = latest_verdicts(after)
    if before is not None:
        keys = new.column_names
        old = latest_verdicts(before)
        gone = old.join(new, keys=keys, join_type="left anti")
        new = pa.concat_tables([new.join(old, keys=keys, join_type="left anti"), gone])
    return pc.unique(pa.concat_arrays([as_strings(new["left_id"]), as_strings(new["right_id"])]))
