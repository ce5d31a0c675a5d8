"""The inverted lists of a search: how many, how far a vector looks beyond its own, who is where.

FAISS trains them (Jégou, Douze and Schmid, 2011). Their number and the gap are chosen on the data.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.arrays import (
    FLOAT32,
    Floors,
    Matrix,
    Pairs,
    Positions,
    Vectors,
    block_hits,
    each,
    fastest,
    pairs_reaching,
)
from pipeline.candidates.indexes.checkpoint import Arrays

TRAINING_POINTS_PER_LIST = 48
TRIAL_POINTS = 16  # per list, where its number is still to be chosen
TRIAL_ROWS = 1024
TUNING_SAMPLE = 4096
TUNING_PAIRS = 8192
TUNING_SCORES = 1 << 24  # of pairs' rows with all lists, at a time
MOST_PAIRS = 8 * TUNING_PAIRS
MAX_PROBES = 64
# What the score of a centroid costs beside one of a join: 2.6 ns against 0.65 ns where they were
# measured, in float32 with the probes picked out, and in bfloat16 with the hits.
ASSIGNED = 4.0
ROWS = 8192
TAKEN = 1 << 20  # rows whose probes are put in another order at a time


@dataclass(frozen=True)
class Probes:
    """The lists that each of n rows looks into, its own among them.

    Attributes:
        starts: (n + 1,) where a row's lists begin in `numbers`.
        numbers: list numbers, of each row ascending, of the smallest type that holds them.
    """

    starts: Positions
    numbers: npt.NDArray[np.unsignedinteger[Any]]

    def by_list(self, wanted: range) -> Iterator[tuple[int, Positions]]:
        """Each wanted list that is looked into, with its rows in their order."""
        inside = self.numbers >= wanted.start
        inside &= self.numbers < wanted.stop
        at = np.flatnonzero(inside)
        number = self.numbers[at]
        row = np.searchsorted(self.starts, at, side="right") - 1
        order = np.argsort(number, kind="stable")
        ends = np.searchsorted(number[order], np.arange(wanted.start, wanted.stop + 1))
        for which, first, last in zip(wanted, ends, ends[1:], strict=False):
            if first < last:
                yield which, row[order[first:last]]

    def keys(self, low: int, high: int, lists: int) -> Positions:
        """Of the rows low … high - 1: (row - low) * lists + list, ascending."""
        starts = self.starts[low : high + 1]
        row = np.repeat(np.arange(high - low), np.diff(starts))
        return row * lists + self.numbers[starts[0] : starts[-1]]

    def take(self, rows: Positions) -> Probes:
        """Those of some rows."""
        counts = np.diff(self.starts)[rows]
        starts = np.concatenate([[0], np.cumsum(counts)])
        numbers = np.empty(int(starts[-1]), self.numbers.dtype)
        for first in range(0, len(rows), TAKEN):
            some = slice(first, first + TAKEN)
            begin, end = starts[first], starts[min(first + TAKEN, len(rows))]
            shift = np.repeat(self.starts[rows[some]] - starts[:-1][some], counts[some])
            numbers[begin:end] = self.numbers[shift + np.arange(begin, end)]
        return Probes(starts, numbers)


def train_lists(vectors: Matrix, floor: Floors, target: float, *, seed: int) -> Arrays:
    """Choose the number of lists and the gap, train the lists and assign every vector."""
    query, other = _sample_pairs(vectors, floor)
    best: tuple[float, int] | None = None
    for lists in _sizes(len(vectors)):
        centroids = _train(vectors, lists, seed=seed, points=TRIAL_POINTS)
        cost = _cost(vectors, centroids, _gap(vectors, centroids, query, other, target))
        if best is None or cost < best[0]:
            best = cost, lists
    assert best is not None
    centroids = _train(vectors, best[1], seed=seed, points=TRAINING_POINTS_PER_LIST)
    gap = _gap(vectors, centroids, query, other, target)
    own, probes = assign_lists(vectors, centroids, gap)
    order = np.argsort(own, kind="stable")
    by_place = probes.take(order)
    return {
        "centroids": centroids,
        "gap": np.array(gap),
        "order": order,
        "own": own[order],
        "starts": by_place.starts,
        "probed": by_place.numbers,
    }


def _sizes(count: int) -> list[int]:
    """Numbers of lists to be tried: powers of two from about √n/2 to 2·√n."""
    middle = round(np.log2(np.sqrt(count)))
    return [1 << power for power in range(max(middle - 1, 2), middle + 2)]


def _sample_pairs(vectors: Matrix, floor: Floors) -> Pairs:
    """The true pairs of a sample of rows with all, found by brute force, at most MOST_PAIRS."""
    sample, floors = _spread(vectors, TUNING_SAMPLE), each(floor, len(vectors))
    queries, others = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    drawn = vectors[sample]
    for found in block_hits(drawn, vectors, (floors[sample], floors), kernel=fastest()):
        query, other = sample[found.row], found.column
        near = pairs_reaching(vectors, found, queries=drawn) & (query != other)
        # Of what a dense group has, a stretch of each block will do.
        queries.append(query[near][:TUNING_PAIRS])
        others.append(other[near][:TUNING_PAIRS])
    query, other = np.concatenate(queries), np.concatenate(others)
    chosen = np.unique(np.linspace(0, len(query) - 1, MOST_PAIRS).astype(np.int64))
    return (query[chosen], other[chosen]) if len(query) else (query, other)


def _spread(vectors: Matrix, wanted: int) -> Positions:
    """Evenly spaced rows, all where there are no more."""
    return np.unique(np.linspace(0, len(vectors) - 1, wanted).astype(np.int64))


def _gap(
    vectors: Matrix, centroids: Vectors, query: Positions, other: Positions, target: float
) -> float:
    """Smallest gap at which somewhat more than `target` of the pairs meet in a probed list.

    A pair is found when either side probes the other's list, so the smaller of the two gaps is all
    that has to be known of it; nothing is searched twice. The gap stops where a vector would probe
    MAX_PROBES lists on average: what that costs is in the measured recall.
    """
    if not len(query):
        return 0.0
    gaps, step = [], min(TUNING_PAIRS, max(256, TUNING_SCORES // len(centroids)))
    for start in range(0, len(query), step):
        part = slice(start, start + step)
        rows, inverse = np.unique(np.concatenate([query[part], other[part]]), return_inverse=True)
        below = _below_best(vectors[rows], centroids)
        own = below.argmin(axis=1)
        left, right = np.split(inverse, 2)
        gaps.append(np.minimum(below[left, own[right]], below[right, own[left]]))
    gap = np.sort(np.concatenate(gaps))
    # Half of what may be missed is kept for what the sample, a few groups of copies, does not show.
    met = (1 + target) / 2
    wanted = gap[min(int(np.ceil(met * len(gap))), len(gap)) - 1]
    below = _below_best(_trial(vectors), centroids)
    at = min(MAX_PROBES * len(below), below.size - 1)
    most = np.partition(below.ravel(), at)[at]
    # A hair more: a pair exactly at the gap must not fall to the rounding of a product.
    return float(min(wanted, most)) + 1e-5


def _cost(vectors: Matrix, centroids: Vectors, gap: float) -> float:
    """What assigning and joining would cost, in scores of a join."""
    probed = float((_below_best(_trial(vectors), centroids) <= gap).sum(axis=1).mean())
    lists = len(centroids)
    return lists * ASSIGNED + probed * len(vectors) / lists


def _trial(vectors: Matrix) -> Vectors:
    return vectors[_spread(vectors, TRIAL_ROWS)]


def _below_best(vectors: Vectors, centroids: Vectors) -> npt.NDArray[np.float32]:
    """(r, lists) how far each list's score is below the row's best."""
    score = vectors @ centroids.T
    below: npt.NDArray[np.float32] = score.max(axis=1, keepdims=True) - score
    return below


def assign_lists(vectors: Matrix, centroids: Vectors, gap: float) -> tuple[Positions, Probes]:
    """Own list of each vector (n,), and all that it probes."""
    import torch

    lists, across = len(centroids), torch.from_numpy(centroids).T
    kind = np.min_scalar_type(lists - 1)
    own, counts = np.empty(len(vectors), np.int64), np.zeros(len(vectors) + 1, np.int64)
    numbers = [np.zeros(0, kind)]
    for start in range(0, len(vectors), ROWS):
        score = FLOAT32.of(vectors[start : start + ROWS]) @ across
        best, at = score.max(dim=1, keepdim=True)
        own[start : start + ROWS] = at[:, 0].numpy()
        near = (score >= best - gap).numpy()
        found = np.flatnonzero(near)
        numbers.append((found % lists).astype(kind))
        counts[start + 1 : start + 1 + ROWS] = np.count_nonzero(near, axis=1)
    return own, Probes(np.cumsum(counts), np.concatenate(numbers))


def _train(vectors: Matrix, lists: int, *, seed: int, points: int) -> Vectors:
    """Spherical k-means centroids, (lists, d), from evenly spaced rows."""
    import faiss

    rows = _spread(vectors, min(len(vectors), lists * points))
    kmeans = faiss.Kmeans(
        vectors.shape[1],
        lists,
        niter=8,
        seed=seed + 1,
        spherical=True,
        min_points_per_centroid=1,
        max_points_per_centroid=points,
    )
    kmeans.train(vectors[rows])
    return np.asarray(kmeans.centroids, np.float32)
