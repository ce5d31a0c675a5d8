"""FAISS: flat up to a size, inverted lists above.

Inverted lists are joined list by list: the members of one list and every vector that probes it meet
in one dense product, which keeps both cores in BLAS instead of in one heap per query. FAISS trains
the lists and assigns vectors to them (Jégou, Douze and Schmid, 2011).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.config import FaissIndex
from pipeline.indexes.blocks import (
    BASE,
    QUERIES,
    Hits,
    Pairs,
    Positions,
    Vectors,
    block_hits,
    exact_pairs,
    reaching,
    settled,
)
from pipeline.indexes.exact import BruteForce, across
from pipeline.indexes.factory import FactoryIndex
from pipeline.indexes.kept import Arrays, Keep
from pipeline.indexes.kernel import FLOAT32, fastest
from pipeline.lookup import sorted_places

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
LISTS_PER_PART = 64
CHUNK = 65_536
ROWS = 8192


def build_faiss(
    config: FaissIndex, vectors: Vectors, *, floor: float, seed: int, keep: Keep
) -> FlatIndex | ListIndex | FactoryIndex:
    """Choose by the rule: flat up to `exact_below` vectors, inverted lists above.

    Raises:
        ConfigError: FAISS does not know the factory string, or cannot train it on so few vectors.
    """
    if config.factory != "auto":
        return FactoryIndex(config.factory, vectors)
    if len(vectors) <= config.exact_below or len(vectors) < 1024:
        return FlatIndex(vectors)
    return ListIndex(vectors, floor=floor, target_recall=config.target_recall, seed=seed, keep=keep)


class FlatIndex(BruteForce):
    """Exact search; saved as a FAISS flat index."""

    def __init__(self, vectors: Vectors) -> None:
        super().__init__(vectors)
        self.description = f"faiss Flat (exact), {len(vectors)} vectors"

    def save(self, folder: Path) -> None:
        """Write `index.faiss`, readable by any FAISS."""
        import faiss

        index = faiss.IndexFlatIP(self.vectors.shape[1])
        for start in range(0, len(self.vectors), CHUNK):
            index.add(np.ascontiguousarray(self.vectors[start : start + CHUNK]))
        _write(index, folder)


class ListIndex:
    """Inverted lists over the vectors; each vector probes the lists nearly as near as its own.

    A vector in the middle of its list has no near pair elsewhere, one at the border does. So the
    number of probes is not fixed: a list is probed when its centroid's score is within `gap` of the
    best one. The gap is the smallest that finds the target share of a sample's true pairs, and the
    number of lists is that which would cost least at its gap, both on the data at hand.

    Vectors are numbered by their list here ("places"), so that the members of a list are one slice
    of one matrix in the type that the machine multiplies fastest.
    """

    def __init__(
        self, vectors: Vectors, *, floor: float, target_recall: float, seed: int, keep: Keep
    ) -> None:
        self.vectors, self.kernel = np.asarray(vectors), fastest()
        made = keep("lists", lambda: _lists(vectors, floor, target_recall, seed=seed))
        self.centroids, self.order = made["centroids"], made["order"]
        self.gap, self.lists = float(made["gap"]), len(self.centroids)
        self.own, self.probes = made["own"], made["probes"]
        self.bounds = np.searchsorted(self.own, np.arange(self.lists + 1))
        self.parts = max(1, self.lists // LISTS_PER_PART)
        self._sorted: Any = None
        self.description = (
            f"faiss IVF{self.lists},SQfp16 joined by list, "
            f"{len(self.probes) / len(vectors):.1f} probes on average, {len(vectors)} vectors"
        )

    def self_join(self, floor: float, part: int) -> Iterator[Pairs]:
        """See `Index.self_join`; a pair whose lists neither side probes is missed."""
        return exact_pairs(self.vectors, self._by_list(floor, part), floor)

    def _by_list(self, floor: float, part: int) -> Iterator[Hits]:
        first, last = (self.lists * (part + step) // self.parts for step in (0, 1))
        for number, probing in _probing(self.probes, self.lists, range(first, last)):
            low, high = self.bounds[number], self.bounds[number + 1]
            if low == high:
                continue
            step = max(256, QUERIES * BASE // int(high - low))
            for top in range(0, len(probing), step):
                yield from self._block(probing[top : top + step], int(low), int(high), floor)

    def _block(self, places: Positions, low: int, high: int, floor: float) -> Iterator[Hits]:
        """Some of the places that probe a list with its members, which are low … high - 1."""
        import torch

        queries = self._members.index_select(0, torch.from_numpy(places))
        found = self.kernel.hits(queries, self._members[low:high], floor)
        kept = self._first_finding(places[found.row], found.column + low)
        found = settled(
            Hits(found.row[kept], found.column[kept], found.sure[kept]),
            floor,
            queries=lambda rows: self.vectors[self.order[places[rows]]],
            base=lambda rows: self.vectors[self.order[low + rows]],
        )
        if len(found.row):
            query, member = places[found.row], found.column + low
            yield Hits(self.order[query], self.order[member], found.sure)

    @property
    def _members(self) -> Any:
        """(n, d) the vectors by place."""
        if self._sorted is None:
            import torch

            out = torch.empty(self.vectors.shape, dtype=getattr(torch, self.kernel.name))
            for start in range(0, len(out), CHUNK):
                rows = self.order[start : start + CHUNK]
                out[start : start + CHUNK] = self.kernel.of(self.vectors[rows])
            self._sorted = out
        return self._sorted

    def _first_finding(self, query: Positions, member: Positions) -> npt.NDArray[np.bool_]:
        """Mark one of the two ways in which a pair can be found, so that it is yielded once."""
        kept = query < member
        later = np.flatnonzero(query > member)
        back = member[later] * self.lists + self.own[query[later]]
        kept[later] = sorted_places(back, self.probes) < 0
        return kept

    def search(self, queries: Vectors, floor: float) -> Iterator[Pairs]:
        """See `Index.search`; a pair whose lists neither side probes is missed."""
        own, probes = _assign(queries, self.centroids, self.gap)
        for found in self._met(self.kernel.of(queries), own, probes, floor):
            kept = across(queries, self.vectors, found, floor)
            yield found.row[kept], found.column[kept]

    def _met(self, queries: Any, own: Positions, probes: Positions, floor: float) -> Iterator[Hits]:
        """Queries with the members of the lists they probe, and with whoever probes their own."""
        every = range(self.lists)
        for number, rows in _probing(probes, self.lists, every):
            low, high = self.bounds[number], self.bounds[number + 1]
            found = self.kernel.hits(queries[rows], self._members[low:high], floor)
            yield Hits(rows[found.row], self.order[found.column + low], found.sure)
        for number, places in _probing(self.probes, self.lists, every):
            rows = np.flatnonzero(own == number)
            found = self.kernel.hits(queries[rows], self._members[places], floor)
            query, place = rows[found.row], places[found.column]
            new = sorted_places(query * self.lists + self.own[place], probes) < 0
            yield Hits(query[new], self.order[place[new]], found.sure[new])

    def save(self, folder: Path) -> None:
        """Write `index.faiss` (half-precision lists), readable by any FAISS."""
        import faiss

        dimension = self.vectors.shape[1]
        quantizer = faiss.IndexFlatIP(dimension)
        quantizer.add(self.centroids)
        index = faiss.IndexIVFScalarQuantizer(
            quantizer,
            dimension,
            self.lists,
            faiss.ScalarQuantizer.QT_fp16,
            faiss.METRIC_INNER_PRODUCT,
        )
        index.nprobe = max(1, round(len(self.probes) / len(self.vectors)))
        index.train(self.centroids)
        for start in range(0, len(self.vectors), CHUNK):
            ids = np.ascontiguousarray(self.order[start : start + CHUNK])
            block = np.ascontiguousarray(self.vectors[ids])
            lists = np.ascontiguousarray(self.own[start : start + CHUNK])
            pointers = [faiss.swig_ptr(array) for array in (block, ids, lists)]
            index.add_core(len(block), *pointers)
        _write(index, folder)


def _lists(vectors: Vectors, floor: float, target: float, *, seed: int) -> Arrays:
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
    own, probes = _assign(vectors, centroids, gap)
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


def _assign(vectors: Vectors, centroids: Vectors, gap: float) -> tuple[Positions, Positions]:
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


def _probing(probes: Positions, lists: int, wanted: range) -> Iterator[tuple[int, Positions]]:
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


def _write(index: Any, folder: Path) -> None:
    import faiss

    folder.mkdir(parents=True, exist_ok=True)
    faiss.write_index(index, str(folder / "index.faiss"))
