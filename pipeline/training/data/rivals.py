"""Rivals of answered pairs: whether a likelier pair took one of their records."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.arrays import Flags, Floats, Rows, factorize_strings
from pipeline.matching import judged_across


def beaten_pairs(pairs: pa.Table, clusters: pa.Table, left: pa.Array, right: pa.Array) -> Flags:
    """(p,) true where a run found a likelier pair of either record and did not join the two.

    Args:
        pairs: a run's table of pairs. The first of identical records stands for them all in it.
            Pairs inside duplicate-free sources are no rivals.
        clusters: its table of clusters.
        left, right: (p,) ids of the pairs asked about.
    """
    rows = judged_across(pairs.select(["left_id", "right_id", "probability", "proposed_by",
                                       "reason"])).combine_chunks()  # fmt: skip
    names = pa.concat_arrays(
        [*(rows[side].combine_chunks().cast(pa.string()) for side in ("left_id", "right_id")),
         left.cast(pa.string()), right.cast(pa.string())]
    )  # fmt: skip
    distinct, number = factorize_strings(names)
    ends = number[: 2 * len(rows)].reshape(2, -1)
    asked = number[2 * len(rows) :].reshape(2, -1)
    exact = pc.equal(rows["proposed_by"], "exact").to_numpy(zero_copy_only=False).astype(bool)
    leader = np.arange(len(distinct))
    leader[ends[1, exact]] = ends[0, exact]
    likely = rows["probability"].to_numpy().astype(np.float64)[~exact]
    beaten = _beaten(leader[ends[:, ~exact]], likely, leader[asked], count=len(distinct))
    cluster = clusters["cluster_id"].take(
        pc.index_in(pa.concat_arrays([left, right]).cast(pa.string()), clusters["record_id"])
    )
    one, other = cluster.slice(0, len(left)), cluster.slice(len(left))
    joined = pc.fill_null(pc.equal(one, other), False).to_numpy(zero_copy_only=False)
    return np.asarray(beaten & ~joined.astype(bool))


def _beaten(
    ends: npt.NDArray[np.int64], likely: Floats, asked: npt.NDArray[np.int64], *, count: int
) -> Flags:
    """The same over numbers: (2, m) ends of the run's pairs, (m,) probabilities, (2, p) asked."""
    best, second = _two_best(ends, likely, count=count)
    low, high = np.minimum(*ends), np.maximum(*ends)
    of = dict(zip(zip(low.tolist(), high.tolist(), strict=True), likely.tolist(), strict=True))
    own = np.array(
        [of.get((min(pair), max(pair)), 0.0) for pair in zip(*asked.tolist(), strict=True)]
    )
    out = np.zeros(asked.shape[1], bool)
    for side in asked:
        rival = np.where(own >= best[side], second[side], best[side])
        out |= rival > own
    return out


def _two_best(ends: Rows, likely: Floats, *, count: int) -> tuple[Floats, Floats]:
    """(count,) the best and the second best probability of each record's pairs; 0 without."""
    record, value = ends.ravel(), np.concatenate([likely, likely])
    order = np.lexsort((-value, record))
    record, value = record[order], value[order]
    first = np.flatnonzero(np.diff(record, prepend=-1))
    best, second = np.zeros(count), np.zeros(count)
    best[record[first]] = value[first]
    after = first[first + 1 < len(record)]
    after = after[record[after + 1] == record[after]]
    second[record[after]] = value[after + 1]
    return best, second
