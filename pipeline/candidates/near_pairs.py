"""Candidate pairs: near contents by vector, near-verbatim long texts by shingles, and how many
of the true near pairs were found.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import chain

import numpy as np

from pipeline.arrays import (
    Floors,
    Hits,
    Matrix,
    Pairs,
    Positions,
    Scores,
    SelectedRows,
    Vectors,
    block_hits,
    each,
    exact_pairs,
    fastest,
    in_memory,
    pair_key,
    pairs_reaching,
    positions_in_sorted,
    release_memory,
    sorted_unique,
)
from pipeline.candidates.dense_groups import DenseGroups, find_dense_groups
from pipeline.candidates.indexes import Index, build_index
from pipeline.candidates.indexes.checkpoint import Arrays, Keep, no_checkpoint
from pipeline.candidates.reuse import ReusedPairs
from pipeline.config import CandidateSettings, IndexConfig
from pipeline.evaluation import share_interval

# Fresh contents are searched exactly up to this many scores (10 s on two cores in bfloat16, minutes
# without it) and up to this share of all.
FRESH_SCORES = 1 << 35
FRESH_SHARE = 0.25


@dataclass(frozen=True)
class Recall:
    """Share of the true near pairs of a sample that the index found, with a 95 % interval.

    The interval is Wilson's over the sampled records that have a near pair: the pairs of one record
    are not independent, so the record is the unit.
    """

    recall: float
    low: float
    high: float
    pairs: int
    sampled: int


@dataclass(frozen=True)
class NearPairs:
    """What the vector search of one modality produced; rows are those of the vectors given."""

    left: Positions
    right: Positions
    dense: DenseGroups
    recall: Recall
    index: Index | None
    description: str
    fresh: int  # rows that were searched


def find_near_pairs(
    vectors: Vectors,
    *,
    floor: float,
    index: IndexConfig,
    settings: CandidateSettings,
    seed: int,
    carried: ReusedPairs | None = None,
    keep: Keep = no_checkpoint,
) -> NearPairs:
    """Find every pair with cosine >= `floor`, dense groups collapsed first, recall measured after.

    Args:
        vectors: (n, d) unit-norm float32, possibly memory-mapped, in an order that does not depend
            on the input's (content hash).
        carried: last night's pairs that stand. What it did not search, or not as far down, is then
            searched exactly, against everything, without an index; but where that is a quarter of
            the rows, all is searched again.
        keep: keeps the pieces of a search of all.

    Returns:
        Pairs (left < right), each once, sorted; collapsed members appear only with their leader.
    """
    stored = in_memory(vectors)
    dense = find_dense_groups(
        stored,
        floor=floor,
        max_neighbours=settings.max_neighbours,
        cosine=settings.collapse_cosine,
    )
    kept = SelectedRows(stored, dense.kept) if len(dense.member) else stored
    count = len(kept)
    if count < 2:
        nothing = Recall(1.0, 0.0, 1.0, 0, count)
        told = f"one leader of {len(dense.member)} members" if len(dense.member) else ""
        left, right = _with_members(np.zeros(0, np.int64), dense, len(vectors))
        return NearPairs(left, right, dense, nothing, None, told, count)
    fresh = _fresh_rows(dense, carried)
    built = None
    if carried is not None and _few(len(fresh), count):
        told = f"last night's pairs and {len(fresh)} fresh contents against {count}, exact"
        new = exact_pairs(kept, _of_fresh(kept, fresh, dense.floor))
        standing = _list_pairs(_reused_pairs(carried, dense, len(vectors)), kept, dense)
        keys = _keys(chain(standing, new), count)
    else:
        built = build_index(index, kept, floor=dense.floor, seed=seed, keep=keep)
        told, fresh = built.description, np.arange(count)
        keys = _join(built, count, dense.floor, keep)
    recall = measure_recall(kept, keys, floor=dense.floor, sample=settings.recall_sample, seed=seed)
    left, right = _with_members(keys, dense, len(vectors))
    return NearPairs(left, right, dense, recall, built, told, len(fresh))


def _with_members(keys: Positions, dense: DenseGroups, count: int) -> Pairs:
    """Sorted pairs of rows: of kept ones and, if any, of collapsed members with their leaders.

    Args:
        keys: sorted; they are used up, as there may be hundreds of millions.
    """
    kept, led = dense.kept, len(dense.member)
    if led:
        left = keys // len(kept)
        keys -= left * len(kept)
        with_leader = pair_key(dense.leader, dense.member, count)
        keys = sorted_unique([pair_key(kept[left], kept[keys], count), with_leader])
    left = keys // max(count, 1)
    keys -= left * count
    return left, keys


def _join(index: Index, count: int, floors: Scores, keep: Keep) -> Positions:
    """Sorted keys of the pairs of an index's self-join, each part of it kept."""

    def part(number: int) -> Arrays:
        return {"keys": _keys(index.self_join(floors, number), count)}

    parts = []
    for number in range(index.parts):
        parts.append(keep(f"part-{number}", partial(part, number))["keys"])
        release_memory()
    return sorted_unique(parts)


def _fresh_rows(dense: DenseGroups, carried: ReusedPairs | None) -> Positions:
    """Places among the kept rows that last night did not search as far down as tonight."""
    if carried is None:
        return np.arange(len(dense.kept))
    return np.flatnonzero(carried.floor[dense.kept] > dense.floor)


def _few(fresh: int, count: int) -> bool:
    """Whether so few of the rows are fresh that searching them alone costs less than an index."""
    return fresh * count <= FRESH_SCORES and fresh <= FRESH_SHARE * count


def _reused_pairs(carried: ReusedPairs, dense: DenseGroups, count: int) -> Iterator[Pairs]:
    """Last night's pairs by their places among the kept rows."""
    place = np.full(count, -1, np.int64)
    place[dense.kept] = np.arange(len(dense.kept))
    left, right = place[carried.pairs.left], place[carried.pairs.right]
    kept = (left >= 0) & (right >= 0)
    yield left[kept], right[kept]


def _of_fresh(vectors: Matrix, fresh: Positions, floors: Scores) -> Iterator[Hits]:
    """(fresh row, other row), a pair of fresh rows once."""
    is_fresh = np.zeros(len(vectors), bool)
    is_fresh[fresh] = True
    floor = floors[fresh], floors
    for found in block_hits(
        vectors[fresh], vectors, floor, kernel=fastest(len(fresh) * len(vectors))
    ):
        own, other = fresh[found.row], found.column
        kept = np.where(is_fresh[other], own < other, own != other)
        yield Hits(own[kept], other[kept], found.floor[kept], found.sure[kept])


def _list_pairs(pairs: Iterator[Pairs], vectors: Matrix, dense: DenseGroups) -> Iterator[Pairs]:
    """Leave out the pairs below both rows' raised floors."""
    for left, right in pairs:
        if dense.raised:
            wanted = np.minimum(dense.floor[left], dense.floor[right])
            sure = wanted <= dense.floor.min()
            kept = pairs_reaching(vectors, Hits(left, right, wanted, sure))
            left, right = left[kept], right[kept]
        yield left, right


def _keys(pairs: Iterator[Pairs], count: int) -> Positions:
    """Pairs as sorted, distinct keys."""
    return sorted_unique([pair_key(left, right, count) for left, right in pairs])


def measure_recall(
    vectors: Matrix,
    keys: Positions,
    *,
    floor: Floors,
    sample: int,
    seed: int,
) -> Recall:
    """Search a random sample of records by brute force and count what `keys` contains.

    Args:
        vectors: (n, d) unit-norm float32.
        keys: sorted keys of the pairs that the index found.
        floor: cosine that rows are searched down to, one or (n,).
        sample: records drawn without replacement; all when there are fewer.
    """
    count = len(vectors)
    rows = np.sort(np.random.default_rng(seed).permutation(count)[:sample])
    queries, floors = vectors[rows], each(floor, count)
    true = np.zeros(len(rows), np.int64)
    found = np.zeros(len(rows), np.int64)
    for hits in block_hits(
        queries, vectors, (floors[rows], floors), kernel=fastest(len(queries) * count)
    ):
        real = pairs_reaching(vectors, hits, queries=queries) & (rows[hits.row] != hits.column)
        row, query, column = hits.row[real], rows[hits.row[real]], hits.column[real]
        key = pair_key(query, column, count)
        true += np.bincount(row, minlength=len(rows))
        found += np.bincount(row[positions_in_sorted(key, keys) >= 0], minlength=len(rows))
    return _recall(true, found)


def _recall(true: Positions, found: Positions) -> Recall:
    pairs, units = int(true.sum()), int((true > 0).sum())
    if not pairs:
        return Recall(1.0, 0.0, 1.0, 0, len(true))
    share = float(found.sum() / pairs)
    around = share_interval(round(share * units), units)
    return Recall(share, min(share, around.low), max(share, around.high), pairs, len(true))
