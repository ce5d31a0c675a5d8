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
from pipeline.indexes.blocks import Pairs, Positions, Vectors, block_hits, exact_pairs
from pipeline.indexes.exact import BruteForce
from pipeline.indexes.factory import FactoryIndex

TRAINING_POINTS_PER_LIST = 48
TUNING_SAMPLE = 1000
MAX_PROBES = 64
TUNING_PAIRS = 8192
CHUNK = 65_536
ROWS = 8192


def build_faiss(
    config: FaissIndex, vectors: Vectors, *, floor: float, seed: int
) -> FlatIndex | ListIndex | FactoryIndex:
    """Choose by the rule: flat up to `exact_below` vectors, about 2·√n inverted lists above.

    Raises:
        ConfigError: FAISS does not know the factory string, or cannot train it on so few vectors.
    """
    if config.factory != "auto":
        return FactoryIndex(config.factory, vectors)
    if len(vectors) <= config.exact_below or len(vectors) < 1024:
        return FlatIndex(vectors)
    return ListIndex(vectors, floor=floor, target_recall=config.target_recall, seed=seed)


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
    best one. The gap is the smallest that finds the target share of a sample's true pairs.
    """

    def __init__(self, vectors: Vectors, *, floor: float, target_recall: float, seed: int) -> None:
        self.vectors = vectors
        self.lists = 1 << round(np.log2(2 * np.sqrt(len(vectors))))
        self.centroids = _train(vectors, self.lists, seed=seed)
        self.gap = self._tune(floor, target_recall)
        self.own, self.probes = self._assign(vectors)
        self.order = np.argsort(self.own, kind="stable")
        self.bounds = np.searchsorted(self.own[self.order], np.arange(self.lists + 1))
        self.description = (
            f"faiss IVF{self.lists},SQfp16 joined by list, "
            f"{len(self.probes) / len(vectors):.1f} probes on average, {len(vectors)} vectors"
        )

    def self_join(self, floor: float) -> Iterator[Pairs]:
        """See `Index.self_join`; a pair whose lists neither side probes is missed."""
        return exact_pairs(self.vectors, self._by_list(floor), floor)

    def _by_list(self, floor: float) -> Iterator[Pairs]:
        for number, probing in self._probing(self.probes):
            members = self.order[self.bounds[number] : self.bounds[number + 1]]
            base = self.vectors[members]
            for row, column in block_hits(self.vectors[probing], base, floor):
                query, member = probing[row], members[column]
                kept = self._first_finding(query, member)
                if kept.any():
                    yield query[kept], member[kept]

    def _probing(self, probes: Positions) -> Iterator[tuple[int, Positions]]:
        """Each list that has members, with the rows that probe it."""
        row, number = np.divmod(probes, self.lists)
        by_list = np.argsort(number, kind="stable")
        ends = np.searchsorted(number[by_list], np.arange(self.lists + 1))
        for at in range(self.lists):
            if self.bounds[at] < self.bounds[at + 1] and ends[at] < ends[at + 1]:
                yield at, row[by_list[ends[at] : ends[at + 1]]]

    def _first_finding(self, query: Positions, member: Positions) -> npt.NDArray[np.bool_]:
        """Mark one of the two ways in which a pair can be found, so that it is yielded once."""
        kept = query < member
        later = np.flatnonzero(query > member)
        back = member[later] * self.lists + self.own[query[later]]
        place = np.minimum(np.searchsorted(self.probes, back), len(self.probes) - 1)
        kept[later] = self.probes[place] != back
        return kept

    def search(self, queries: Vectors, floor: float) -> Iterator[Pairs]:
        """See `Index.search`; approximate like `self_join`, one-sided."""
        for number, rows in self._probing(self._assign(queries)[1]):
            members = self.order[self.bounds[number] : self.bounds[number + 1]]
            exact = BruteForce(self.vectors[members])
            for row, column in exact.search(queries[rows], floor):
                yield rows[row], members[column]

    def _assign(self, vectors: Vectors) -> tuple[Positions, Positions]:
        """Own list of each vector (n,), and all probes as sorted keys row * lists + list."""
        own, keys = np.empty(len(vectors), np.int64), [np.zeros(0, np.int64)]
        for start in range(0, len(vectors), ROWS):
            score = vectors[start : start + ROWS] @ self.centroids.T
            best = score.max(axis=1, keepdims=True)
            own[start : start + ROWS] = score.argmax(axis=1)
            row, number = np.nonzero(score >= best - self.gap)
            keys.append((row + start) * self.lists + number)
        return own, np.concatenate(keys)

    def _tune(self, floor: float, target: float) -> float:
        """Smallest gap at which `target` of a sample's true pairs meet in a probed list.

        A pair is found when either side probes the other's list, so the smaller of the two gaps is
        all that has to be known of it; nothing is searched twice. The gap stops where a vector
        would probe MAX_PROBES lists on average: what that costs is in the measured recall.
        """
        count = len(self.vectors)
        sample = np.unique(np.linspace(0, count - 1, TUNING_SAMPLE).astype(np.int64))
        gaps: list[npt.NDArray[np.float32]] = [np.zeros(0, np.float32)]
        for row, column in block_hits(self.vectors[sample], self.vectors, floor):
            query = sample[row]
            other = query != column
            gaps.append(self._gaps(query[other][:TUNING_PAIRS], column[other][:TUNING_PAIRS]))
        gap = np.sort(np.concatenate(gaps))
        if not len(gap):
            return 0.0
        wanted = gap[min(int(np.ceil(target * len(gap))), len(gap)) - 1]
        below = self._below_best(sample)
        most = np.partition(below.ravel(), min(MAX_PROBES * len(sample), below.size - 1))
        # A hair more: a pair exactly at the gap must not fall to the rounding of a product.
        return float(min(wanted, most[min(MAX_PROBES * len(sample), below.size - 1)])) + 1e-5

    def _gaps(self, query: Positions, other: Positions) -> npt.NDArray[np.float32]:
        """For each pair, how far the other's list is below the best, on the better side."""
        if not len(query):
            return np.zeros(0, np.float32)
        rows, inverse = np.unique(np.concatenate([query, other]), return_inverse=True)
        below = self._below_best(rows)
        own = below.argmin(axis=1)
        left, right = inverse[: len(query)], inverse[len(query) :]
        gap: npt.NDArray[np.float32] = np.minimum(below[left, own[right]], below[right, own[left]])
        return gap

    def _below_best(self, rows: Positions) -> npt.NDArray[np.float32]:
        """(r, lists) how far each list's score is below the row's best."""
        score = self.vectors[rows] @ self.centroids.T
        below: npt.NDArray[np.float32] = score.max(axis=1, keepdims=True) - score
        return below

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
            block = np.ascontiguousarray(self.vectors[start : start + CHUNK])
            lists = np.ascontiguousarray(self.own[start : start + CHUNK])
            ids = np.arange(start, start + len(block), dtype=np.int64)
            pointers = [faiss.swig_ptr(array) for array in (block, ids, lists)]
            index.add_core(len(block), *pointers)
        _write(index, folder)


def _train(vectors: Vectors, lists: int, *, seed: int) -> Vectors:
    """Spherical k-means centroids, (lists, d), from evenly spaced rows."""
    import faiss

    wanted = min(len(vectors), lists * TRAINING_POINTS_PER_LIST)
    rows = np.unique(np.linspace(0, len(vectors) - 1, wanted).astype(np.int64))
    kmeans = faiss.Kmeans(
        vectors.shape[1],
        lists,
        niter=8,
        seed=seed + 1,
        spherical=True,
        min_points_per_centroid=1,
        max_points_per_centroid=TRAINING_POINTS_PER_LIST,
    )
    kmeans.train(np.ascontiguousarray(vectors[rows]))
    return np.asarray(kmeans.centroids, np.float32)


def _write(index: Any, folder: Path) -> None:
    import faiss

    folder.mkdir(parents=True, exist_ok=True)
    faiss.write_index(index, str(folder / "index.faiss"))
