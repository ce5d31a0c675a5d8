"""FAISS: flat up to a size, inverted lists above.

Inverted lists are joined list by list: the members of one list and every vector that probes it meet
in one dense product, which keeps both cores in BLAS instead of in one heap per query.
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
    exact_pairs,
    reaching,
    settled,
)
from pipeline.indexes.exact import BruteForce
from pipeline.indexes.factory import FactoryIndex
from pipeline.indexes.kept import Keep
from pipeline.indexes.kernel import fastest
from pipeline.indexes.lists import assign, probed_lists, train_lists
from pipeline.lookup import sorted_places

LISTS_PER_PART = 64
CHUNK = 65_536


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
        made = keep("lists", lambda: train_lists(vectors, floor, target_recall, seed=seed))
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
        for number, probing in probed_lists(self.probes, self.lists, range(first, last)):
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
        own, probes = assign(queries, self.centroids, self.gap)
        for found in self._met(self.kernel.of(queries), own, probes, floor):
            row, column = found.row, found.column
            kept = reaching(self.vectors, row, column, floor, found.sure, queries=queries)
            yield row[kept], column[kept]

    def _met(self, queries: Any, own: Positions, probes: Positions, floor: float) -> Iterator[Hits]:
        """Queries with the members of the lists they probe, and with whoever probes their own."""
        every = range(self.lists)
        for number, rows in probed_lists(probes, self.lists, every):
            low, high = self.bounds[number], self.bounds[number + 1]
            found = self.kernel.hits(queries[rows], self._members[low:high], floor)
            yield Hits(rows[found.row], self.order[found.column + low], found.sure)
        for number, places in probed_lists(self.probes, self.lists, every):
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


def _write(index: Any, folder: Path) -> None:
    import faiss

    folder.mkdir(parents=True, exist_ok=True)
    faiss.write_index(index, str(folder / "index.faiss"))
