"""Labelled pairs that every run must still decide as a person did."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.arrays import positions_in
from pipeline.evaluation import GoldPairs
from pipeline.labels import DIFFERENT, SAME, latest_verdicts

ORIGIN = "audit"


@dataclass(frozen=True)
class WrongPair:
    """A pair decided otherwise than labelled; `cluster_id` is the left record's."""

    left_id: str
    right_id: str
    label: str  # same / different
    cluster_id: str


@dataclass(frozen=True)
class Audit:
    """How many audit pairs a run decided as labelled.

    Attributes:
        pairs: those whose two records are there.
        unknown: the others, which say nothing.
        wrong: pairs labelled different in one cluster first, then pairs labelled same in two.
    """

    pairs: int
    unknown: int
    wrong: tuple[WrongPair, ...]

    @property
    def right(self) -> float:
        """Share of the pairs decided as labelled; 1 where there is none."""
        return 1 - len(self.wrong) / self.pairs if self.pairs else 1.0


def audit_pairs(labels: GoldPairs | None, verdicts: pa.Table | None) -> GoldPairs:
    """The audit pairs: those of a file, and the verdicts with the origin audit, which win.

    The latest verdict on a pair counts, of whatever origin; *related* and *unsure* drop the pair.

    Args:
        verdicts: schema `pipeline.storage.schemas.LABELS`.
    """
    known: dict[tuple[str, str], bool] = {}
    if labels is not None:
        sides = (labels.left.to_pylist(), labels.right.to_pylist(), labels.same.tolist())
        known = {_key(left, right): same for left, right, same in zip(*sides, strict=True)}
    if verdicts is not None:
        asked = verdicts.filter(pc.equal(verdicts["origin"], ORIGIN))
        audited = {_key(row["left_id"], row["right_id"]) for row in asked.to_pylist()}
        for row in latest_verdicts(verdicts).to_pylist():
            key = row["left_id"], row["right_id"]
            if key in audited or key in known:
                known.pop(key, None)
                if row["code"] in (SAME, DIFFERENT):
                    known[key] = row["code"] == SAME
    pairs = sorted(known)
    return GoldPairs(
        pa.array([left for left, _ in pairs], pa.string()),
        pa.array([right for _, right in pairs], pa.string()),
        np.array([known[pair] for pair in pairs], bool),
    )


def audit_clusters(labels: GoldPairs, clusters: pa.Table) -> Audit:
    """Compare the pairs with the clusters: same is one cluster, different is two.

    Args:
        clusters: columns record_id, cluster_id.
    """
    ids = clusters["record_id"].combine_chunks()
    left, right = positions_in(labels.left, ids), positions_in(labels.right, ids)
    known = (left >= 0) & (right >= 0)
    left, right, same = left[known], right[known], labels.same[known]
    cluster = clusters["cluster_id"].combine_chunks()
    joined = np.asarray(
        pc.equal(cluster.take(pa.array(left)), cluster.take(pa.array(right))).to_pylist(), bool
    )
    at = np.flatnonzero(joined != same)
    wrong = (
        WrongPair(
            str(ids[int(left[i])]),
            str(ids[int(right[i])]),
            "same" if same[i] else "different",
            str(cluster[int(left[i])]),
        )
        for i in at
    )
    return Audit(len(same), int((~known).sum()), tuple(sorted(wrong, key=_worst)))


def _worst(wrong: WrongPair) -> tuple[bool, str, str]:
    """A wrong merge before a missed one."""
    return wrong.label == "same", wrong.left_id, wrong.right_id


def _key(left: str, right: str) -> tuple[str, str]:
    return (left, right) if left <= right else (right, left)
