"""The inverted lists of a search: how many, how far a vector looks beyond its own, who is where.

FAISS trains them (Jégou, Douze and Schmid, 2011). Their number and the gap are chosen on the data.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from pipeline.indexes.blocks import Pairs, Positions, Vectors, block_hits, reaching
from pipeline.indexes.kept import Arrays
from pipeline.indexes.kernel import FLOAT32, fastest

TRAINING_POINTS_PER_LIST = 48
TRIAL_POINTS = 16  # per list, where its number is still to be chosen
TRIAL_ROWS = 1024
TUNING_SAMPLE = 4096
TUNING_PAIRS = 8192
MOST_PAIRS = 8 * TUNING_PAIRS
MAX_PROBES = 64
# What the score of a centroid costs beside one of a join: 2.6 ns against 0.65 ns where they were
# measured, in float32 with the probes picked out, and in bfloat16 with the hits.
ASSIGNED = 4.0
ROWS = 8192


def train_lists(vectors: Vectors, floor: float, target: float, *, seed: int) -> Arrays:
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
    own, probes = assign(vectors, centroids, gap)
    order = np.argsort(own, kind="stable")
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    row, number = np.divmod(probes, len(centroids))
    return {
        "centroids": centroids,
        "gap": np.array(gap),
        "order": order,
        "own": own[order],
        "probes": np.sort(place[row] * len(centroids) + number),
    }


def probed_lists(probes: Positions, lists: int, wanted: range) -> Iterator[tuple[int, Positions]]:
    """Each wanted list, with the rows that probe it in their order."""
    row, number = np.divmod(probes, lists)
    if len(wanted) < lists:
        kept = (number >= wanted.start) & (number < wanted.stop)
        row, number = row[kept], number[kept]
    by_list = np.argsort(number, kind="stable")
    ends = np.searchsorted(number[by_list], np.arange(wanted.start, wanted.stop + 1))
    for at, first, last in zip(wanted, ends, ends[1:], strict=False):
        if first < last:
            yield at, row[by_list[first:last]]


def _sizes(count: int) -> list[int]:
    """Numbers of lists to be tried: powers of two from about √n/2 to 2·√n."""
    middle = round(np.log2(np.sqrt(count)))
    return [1 << power for power in range(max(middle - 1, 2), middle + 2)]


def _sample_pairs(vectors: Vectors, floor: float) -> Pairs:
    """The true pairs of a sample of rows with all, found by brute force, at most MOST_PAIRS."""
    sample = np.unique(np.linspace(0, len(vectors) - 1, TUNING_SAMPLE).astype(np.int64))
    queries, others = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for found in block_hits(vectors[sample], vectors, floor, kernel=fastest()):
        query, other = sample[found.row], found.column
        near = reaching(vectors, query, other, floor, found.sure) & (query != other)
        # Of what a dense group has, a stretch of each block will do.
        queries.append(query[near][:TUNING_PAIRS])
        others.append(other[near][:TUNING_PAIRS])
    query, other = np.concatenate(queries), np.concatenate(others)
    chosen = np.unique(np.linspace(0, len(query) - 1, MOST_PAIRS).astype(np.int64))
    return (query[chosen], other[chosen]) if len(query) else (query, other)


def _gap(
    vectors: Vectors, centroids: Vectors, query: Positions, other: Positions, target: float
) -> float:
    """Smallest gap at which `target` of the pairs meet in a probed list.

    A pair is found when either side probes the other's list, so the smaller of the two gaps is all
    that has to be known of it; nothing is searched twice. The gap stops where a vector would probe
    MAX_PROBES lists on average: what that costs is in the measured recall.
    """
    if not len(query):
        return 0.0
    gaps = []
    for start in range(0, len(query), TUNING_PAIRS):
        part = slice(start, start + TUNING_PAIRS)
        rows, inverse = np.unique(np.concatenate([query[part], other[part]]), return_inverse=True)
        below = _below_best(vectors[rows], centroids)
        own = below.argmin(axis=1)
        left, right = np.split(inverse, 2)
        gaps.append(np.minimum(below[left, own[right]], below[right, own[left]]))
    gap = np.sort(np.concatenate(gaps))
    wanted = gap[min(int(np.ceil(target * len(gap))), len(gap)) - 1]
    below = _below_best(_trial(vectors), centroids)
    at = min(MAX_PROBES * len(below), below.size - 1)
    most = np.partition(below.ravel(), at)[at]
    # A hair more: a pair exactly at the gap must not fall to the rounding of a product.
    return float(min(wanted, most)) + 1e-5


def _cost(vectors: Vectors, centroids: Vectors, gap: float) -> float:
    """What assigning and joining would cost, in scores of a join."""
    probed = float((_below_best(_trial(vectors), centroids) <= gap).sum(axis=1).mean())
    lists = len(centroids)
    return lists * ASSIGNED + probed * len(vectors) / lists


def _trial(vectors: Vectors) -> Vectors:
    rows = np.unique(np.linspace(0, len(vectors) - 1, TRIAL_ROWS).astype(np.int64))
    return vectors[rows]


def _below_best(vectors: Vectors, centroids: Vectors) -> npt.NDArray[np.float32]:
    """(r, lists) how far each list's score is below the row's best."""
    score = vectors @ centroids.T
    below: npt.NDArray[np.float32] = score.max(axis=1, keepdims=True) - score
    return below


def assign(vectors: Vectors, centroids: Vectors, gap: float) -> tuple[Positions, Positions]:
    """Own list of each vector (n,), and all probes as sorted keys row * lists + list."""
    import torch

    lists, across = len(centroids), torch.from_numpy(centroids).T
    own, keys = np.empty(len(vectors), np.int64), [np.zeros(0, np.int64)]
    for start in range(0, len(vectors), ROWS):
        score = FLOAT32.of(vectors[start : start + ROWS]) @ across
        best, at = score.max(dim=1, keepdim=True)
        own[start : start + ROWS] = at[:, 0].numpy()
        found = np.flatnonzero((score >= best - gap).numpy())
        keys.append(found + start * lists)
    return own, np.concatenate(keys)


def _train(vectors: Vectors, lists: int, *, seed: int, points: int) -> Vectors:
    """Spherical k-means centroids, (lists, d), from evenly spaced rows."""
    import faiss

    wanted = min(len(vectors), lists * points)
    rows = np.unique(np.linspace(0, len(vectors) - 1, wanted).astype(np.int64))
    kmeans = faiss.Kmeans(
        vectors.shape[1],
        lists,
        niter=8,
        seed=seed + 1,
        spherical=True,
        min_points_per_centroid=1,
        max_points_per_centroid=points,
    )
    kmeans.train(np.ascontiguousarray(vectors[rows]))
    return np.asarray(kmeans.centroids, np.float32)
