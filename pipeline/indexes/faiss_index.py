"""FAISS: flat up to a size, inverted lists above, any factory string on request.

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
from pipeline.errors import ConfigError
from pipeline.indexes.blocks import Pairs, Positions, Vectors, block_hits, exact_pairs
from pipeline.indexes.exact import BruteForce

TRAINING_POINTS_PER_LIST = 48
TUNING_SAMPLE = 1000
MAX_PROBES = 128
CHUNK = 65_536


def build_faiss(
    config: FaissIndex, vectors: Vectors, *, floor: float, seed: int
) -> FlatIndex | ListIndex | FactoryIndex:
    """Choose by the rule: flat up to `exact_below` vectors, about 2·√n inverted lists above.

    Raises:
        ConfigError: FAISS does not know the factory string.
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
    """Inverted lists over the vectors, with as many probes as the target recall needs."""

    def __init__(self, vectors: Vectors, *, floor: float, target_recall: float, seed: int) -> None:
        self.vectors = vectors
        self.lists = 1 << round(np.log2(2 * np.sqrt(len(vectors))))
        self.centroids = _train(vectors, self.lists, seed=seed)
        self.probes = self._tune(floor, target_recall)
        self.nearest = self._assign(vectors, self.probes)
        self.order = np.argsort(self.nearest[:, 0], kind="stable")
        self.bounds = np.searchsorted(self.nearest[self.order, 0], np.arange(self.lists + 1))
        self.description = (
            f"faiss IVF{self.lists},SQfp16 joined by list, {self.probes} probes, "
            f"{len(vectors)} vectors"
        )

    def self_join(self, floor: float) -> Iterator[Pairs]:
        """See `Index.self_join`; a pair whose lists neither side probes is missed."""
        return exact_pairs(self.vectors, self._by_list(floor), floor)

    def _by_list(self, floor: float) -> Iterator[Pairs]:
        flat = self.nearest.ravel()
        by_list = np.argsort(flat, kind="stable")
        ends = np.searchsorted(flat[by_list], np.arange(self.lists + 1))
        for number in range(self.lists):
            members = self.order[self.bounds[number] : self.bounds[number + 1]]
            if not len(members):
                continue
            probing = by_list[ends[number] : ends[number + 1]] // self.probes
            base = self.vectors[members]
            for row, column in block_hits(self.vectors[probing], base, floor):
                query, member = probing[row], members[column]
                kept = self._first_finding(query, member)
                if kept.any():
                    yield query[kept], member[kept]

    def _first_finding(self, query: Positions, member: Positions) -> npt.NDArray[np.bool_]:
        """Mark one of the two ways in which a pair can be found, so that it is yielded once."""
        kept = query < member
        later = np.flatnonzero(query > member)
        probed_back = self.nearest[member[later]] == self.nearest[query[later], 0][:, None]
        kept[later] = ~probed_back.any(axis=1)
        return kept

    def search(self, queries: Vectors, floor: float) -> Iterator[Pairs]:
        """See `Index.search`; approximate like `self_join`, one-sided."""
        nearest = self._assign(queries, self.probes)
        for number in np.unique(nearest):
            members = self.order[self.bounds[number] : self.bounds[number + 1]]
            rows = np.flatnonzero((nearest == number).any(axis=1))
            if len(members):
                exact = BruteForce(self.vectors[members])
                for row, column in exact.search(queries[rows], floor):
                    yield rows[row], members[column]

    def _assign(self, vectors: Vectors, probes: int) -> npt.NDArray[np.int32]:
        import faiss

        quantizer = faiss.IndexFlatIP(self.centroids.shape[1])
        quantizer.add(self.centroids)
        out = np.empty((len(vectors), probes), np.int32)
        for start in range(0, len(vectors), CHUNK):
            block = np.ascontiguousarray(vectors[start : start + CHUNK])
            out[start : start + CHUNK] = quantizer.search(block, probes)[1]
        return out

    def _tune(self, floor: float, target: float) -> int:
        """Smallest power of two of probes that finds `target` of a sample's true pairs.

        A pair is found when either side probes the other's list, so the rank of the nearer of the
        two lists is all that has to be known; nothing is searched twice.
        """
        count = len(self.vectors)
        sample = np.unique(np.linspace(0, count - 1, TUNING_SAMPLE).astype(np.int64))
        limit = min(MAX_PROBES, self.lists)
        ranks: list[npt.NDArray[np.int64]] = []
        for row, column in block_hits(self.vectors[sample], self.vectors, floor):
            query = sample[row]
            other = query != column
            ranks.append(self._ranks(query[other][:CHUNK], column[other][:CHUNK], limit))
        rank = np.concatenate(ranks) if ranks else np.zeros(0, np.int64)
        probes = 1
        while probes < limit and len(rank) and np.mean(rank < probes) < target:
            probes *= 2
        return int(max(2, min(probes, limit)))

    def _ranks(self, query: Positions, other: Positions, limit: int) -> npt.NDArray[np.int64]:
        if not len(query):
            return np.zeros(0, np.int64)
        rows, inverse = np.unique(np.concatenate([query, other]), return_inverse=True)
        nearest = self._assign(self.vectors[rows], limit)
        left, right = nearest[inverse[: len(query)]], nearest[inverse[len(query) :]]
        return np.minimum(_rank_of(left, right[:, 0]), _rank_of(right, left[:, 0]))

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
        index.nprobe = self.probes
        index.train(self.centroids)
        for start in range(0, len(self.vectors), CHUNK):
            block = np.ascontiguousarray(self.vectors[start : start + CHUNK])
            lists = self.nearest[start : start + CHUNK, 0].astype(np.int64)
            ids = np.arange(start, start + len(block), dtype=np.int64)
            pointers = [faiss.swig_ptr(array) for array in (block, ids, lists)]
            index.add_core(len(block), *pointers)
        _write(index, folder)


class FactoryIndex:
    """Any index of FAISS's factory, searched by its own range search and rescored exactly."""

    def __init__(self, factory: str, vectors: Vectors) -> None:
        import faiss

        try:
            self.index = faiss.index_factory(vectors.shape[1], factory, faiss.METRIC_INNER_PRODUCT)
        except RuntimeError as error:
            raise ConfigError(f"index.factory: FAISS does not know {factory!r}") from error
        self.vectors = vectors
        self.index.train(np.ascontiguousarray(vectors))
        self.index.add(np.ascontiguousarray(vectors))
        self.description = f"faiss {factory}, {len(vectors)} vectors"

    def self_join(self, floor: float) -> Iterator[Pairs]:
        """See `Index.self_join`; as complete as the factory's index is."""
        # Either side may find the other, so both directions are searched and met in one key.
        keys = [
            np.unique(np.minimum(row, column) * len(self.vectors) + np.maximum(row, column))
            for row, column in self.search(self.vectors, floor)
        ]
        if keys:
            left, right = np.divmod(np.unique(np.concatenate(keys)), len(self.vectors))
            yield left[left < right], right[left < right]

    def search(self, queries: Vectors, floor: float) -> Iterator[Pairs]:
        """See `Index.search`."""
        for start in range(0, len(queries), 1024):
            block = np.ascontiguousarray(queries[start : start + 1024])
            limits, _, found = self.index.range_search(block, floor - 0.01)
            counts: npt.NDArray[np.int64] = limits[1:].astype(np.int64) - limits[:-1].astype(
                np.int64
            )
            row = np.repeat(np.arange(len(block)), counts)
            scores = np.einsum("ij,ij->i", block[row], self.vectors[found], dtype=np.float64)
            kept = np.round(scores, 6) >= floor
            yield row[kept] + start, found[kept]

    def save(self, folder: Path) -> None:
        """Write `index.faiss`."""
        _write(self.index, folder)


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


def _rank_of(
    nearest: npt.NDArray[np.int32], wanted: npt.NDArray[np.int32]
) -> npt.NDArray[np.int64]:
    """Position of `wanted` in each row of `nearest`, or the row's length when absent."""
    same = nearest == wanted[:, None]
    rank: npt.NDArray[np.int64] = np.where(
        same.any(axis=1), same.argmax(axis=1), nearest.shape[1]
    ).astype(np.int64)
    return rank


def _write(index: Any, folder: Path) -> None:
    import faiss

    folder.mkdir(parents=True, exist_ok=True)
    faiss.write_index(index, str(folder / "index.faiss"))
